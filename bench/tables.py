"""What checking a clinical table and writing it for submission cost: wall and CPU seconds and peak memory, beside
reading the same file and no more.

    .venv/bin/python bench/tables.py [--rows N]

The table is made up in the shape of SDTM's LB (23 columns, as `bench/clinical.py` writes it), once without a fault and
once with one in every hundredth row. Each measurement is a process of its own, as in `cohortium check`; the ratio is of
CPU.
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
from pathlib import Path

import clinical

FAULTS = (("g/dL", ""), ("ALB,", "alb,"), ("T14:45", " 2:45 pm"), ("NORMAL", "normal"))
EVERY = 100


def spoil(source: Path, destination: Path) -> None:
    """The table with a fault in every hundredth row."""
    with source.open(encoding="utf-8") as rows, destination.open("w", encoding="utf-8") as file:
        for number, row in enumerate(rows):
            at = number // EVERY % len(FAULTS)
            file.write(row.replace(*FAULTS[at]) if number and number % EVERY == 0 else row)


def alone(what: str, path: Path) -> dict[str, float]:
    """`read`, `judge` or writing it as `csv` or `xport`, in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--alone", what, path], capture_output=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def measure(what: str, path: str) -> None:
    from cohortium.clinical import judging, reading, sdtm, submission, tables

    sdtm.codelist("C66742")
    wall, cpu = time.perf_counter(), time.process_time()
    if what == "read":
        found = reading.read(Path(path), sdtm.variables("LB")).frame.height
    elif what in list(submission.Form):
        source, into = submission.Source(tables.Called("bench", "LB", 0), Path(path)), Path(path).with_name(what)
        made = submission.write([source], into, submission.Form(what), submission.About(), lambda *_: None)
        found = sum(made.files.values())
    else:
        found = sum(map(len, judging.judge(Path(path), "LB").values()))
        judging.judge_together([judging.Located("lb", Path(path), "LB")])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"wall": wall, "cpu": cpu, "gigabytes": peak, "found": found}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        measure(*options.alone)
        return
    with tempfile.TemporaryDirectory() as folder:
        clean, spoilt = Path(folder) / "clean.csv", Path(folder) / "spoilt.csv"
        clinical.write(clean, options.rows)
        spoil(clean, spoilt)
        plain = alone("read", clean)
        measured = {"read": plain, "check, clean": alone("judge", clean), "check, faults": alone("judge", spoilt)}
        measured |= {f"export, {form}": alone(form, clean) for form in ("csv", "xport")}
        print(f"{options.rows:,} rows, {clean.stat().st_size / 1e6:.0f} MB, {os.cpu_count()} cores")
        for name, each in measured.items():
            ratio = each["cpu"] / plain["cpu"]
            figures = f"{each['wall']:6.2f} s wall {each['cpu']:6.2f} s CPU {each['gigabytes']:6.2f} GB"
            print(f"{name:<16}{figures}{ratio:7.1f} x reading")


if __name__ == "__main__":
    main()
