"""What checking a whole delivery takes: here, over all cores, on a Dask cluster, kept as it goes, and gone on with.

As many series as asked for, of a few small slices each, with clinical tables; every tenth is too thick. Without what
other programs and the reader of text take. Every way is a process of its own, and to start its workers counts; its peak
of memory is that of the process that hands out the work. `page` is `pool` with pictures and every form of the report;
`resumed` is what is left to do after a check was stopped when nine of ten series were done. A ratio is over `here`.
Before that `pool` alone has a quarter of the series, to tell what of the memory grows.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import deliveries
from cohortium import check
from cohortium.check.examine import examine
from cohortium.check.page import page
from cohortium.check.report import Report, as_dict, junit
from cohortium.cli.workers import workers

WAYS = ("here", "pool", "dask", "kept", "resumed", "page")
CORES = os.cpu_count() or 1
NO_SPILLING = {f"DASK_DISTRIBUTED__WORKER__MEMORY__{when}": "False" for when in ("TARGET", "SPILL")}


class Stopped(Exception):
    """As a signal would stop it."""


def main() -> None:
    """Print a line for each way, for a quarter of the series and for all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--slices", type=int, default=8)
    parser.add_argument("--way", choices=WAYS, help="measure this one alone, on the delivery in the working folder")
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(measured(arguments.way, Path.cwd())))
        return
    for count, ways in ((arguments.series // 4, ["pool"]), (arguments.series, WAYS)):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary, "delivery")
            write(folder, count, arguments.slices)
            first = 0.0
            for way in ways:
                told = alone(way, folder)
                first = first or told["seconds"]  # which is `here`, but for the quarter
                ratio, rate = first / told["seconds"], count / told["seconds"]
                line = (
                    f"{count:5} series  {way:8} {told['seconds']:7.1f} s  {ratio:5.2f} x as fast  {rate:6.1f} series/s"
                )
                print(f"{line}  {told['megabytes']:5.0f} MB  {told['more']}", flush=True)


def alone(way: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--way", way]
    done = subprocess.run(command, cwd=folder, env=os.environ | NO_SPILLING, stdout=subprocess.PIPE, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def measured(way: str, folder: Path) -> dict[str, Any]:
    """Seconds, the peak of this process's memory, and what else there is to say."""
    with tempfile.TemporaryDirectory() as temporary:
        kept = Path(temporary) if way in ("kept", "resumed") else None
        if way == "resumed":
            with suppress(Stopped), executing(way, folder) as executor:
                report_on(folder, executor, kept, stop_at=0.9)
        start = time.perf_counter()
        with executing(way, folder) as executor:
            report = report_on(folder, executor, kept, draw=way == "page")
            more = written(report) if way == "page" else ""
            seconds = time.perf_counter() - start
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "megabytes": megabytes, "more": more}


def report_on(
    folder: Path, executor: Executor | None, kept: Path | None, *, draw: bool = False, stop_at: float = 2.0
) -> Report:
    """The report, without slow rules; stopped when a share of the series is done."""

    def progress(what: str, done: int, total: int) -> None:
        if what == "series" and done >= stop_at * total:
            raise Stopped

    dragon = check.load("dragon")
    return examine(folder, dragon, executor, progress, deliveries.SLOW, draw=draw, resume=kept)


def written(report: Report) -> str:
    """Make every form of the report, and say how large it is."""
    html, drawn = page(report), sum(len(each.png) for each in report.pictures)
    as_json, as_junit = json.dumps(as_dict(report)), junit(report)
    return (
        f"HTML {len(html) / 1e6:.2f} MB with {len(report.pictures)} pictures of {drawn / 1e3:.0f} kB, "
        f"JSON {len(as_json) / 1e6:.2f} MB, JUnit {len(as_junit) / 1e3:.0f} kB"
    )


@contextmanager
def executing(way: str, folder: Path) -> Iterator[Executor | None]:
    """Who does the work."""
    if way == "here":
        yield None
        return
    if way != "dask":
        with workers(CORES, "", folder, folder, fresh=True) as executor:
            yield executor
        return
    from distributed import LocalCluster

    with (
        LocalCluster(CORES, threads_per_worker=1, dashboard_address=None) as cluster,
        workers(1, cluster.scheduler_address, folder, folder) as executor,
    ):
        yield executor


def write(folder: Path, count: int, slices: int) -> None:
    made = deliveries.clean(count, slices)
    for number in range(0, count, 10):
        made.change(made.series(number), SliceThickness="3")
    made.write(folder)


if __name__ == "__main__":
    main()
