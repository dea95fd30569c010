"""A spool of many items: what accepting and listing them takes of memory, and how long a restart over them takes.

    python bench/spool.py [--items 100000] [--unlisted 2000]

The items are small, and nothing is synced while they are made, for disks differ. A gateway that is killed leaves the
last few unlisted: those are read again.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

from cohortium import keys
from cohortium.acquire.intake import Intake
from cohortium.spool import Came, Spool
from cohortium.store import open_store
from cohortium.values import State

CONTENT = bytes(128) + b"DICM" + bytes(2000)


def memory() -> float:
    """The most megabytes that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def fill(intake: Intake, start: int, count: int, listed_at_once: int) -> None:
    for number in range(start, start + count):
        intake.take(f"2.25.{number}", [CONTENT, number.to_bytes(8)])
        if number % listed_at_once == 0:
            intake.spool.list_accepted()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--unlisted", type=int, default=2_000)
    options = parser.parse_args()
    key = keys.ephemeral()
    with tempfile.TemporaryDirectory() as name:
        engine = open_store(Path(name))
        sync, os.fsync = os.fsync, lambda _: None
        spool = Spool(engine, Path(name) / "spool", key)
        with spool:
            intake = Intake(spool, Came("bench", "bench"), 1 << 30, 0)
            fill(intake, 1, options.items // 10, 250)
            before, started = memory(), time.process_time()
            fill(intake, options.items, options.items - options.items // 10, 250)
            rate = 0.9 * options.items / (time.process_time() - started)
            grown = memory() - before
            fill(intake, 3 * options.items, options.unlisted, 1 << 62)
        os.fsync = sync
        started, cpu = time.perf_counter(), time.process_time()
        with Spool(engine, Path(name) / "spool", key) as again:
            took, cpu = time.perf_counter() - started, time.process_time() - cpu
            count = again.count(State.RECEIVED)
    print(f"{count} items: {rate:.0f} accepted and listed a CPU second; {grown:.1f} MB more memory over the last 90 %")
    print(f"restart over {count} items, {options.unlisted} of them unlisted: {took:.2f} s, {cpu:.2f} s of CPU")


if __name__ == "__main__":
    main()
