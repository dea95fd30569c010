"""How fast clinical tables are: rows a second and peak memory, beside Python's csv reading and writing the same rows.

    .venv/bin/python bench/clinical.py [--rows N]

The table is made up in the shape of SDTM's LB (23 columns), under the protocol `dragon`. Prints one line for each.
"""

from __future__ import annotations

import argparse
import csv
import resource
import tempfile
import time
from pathlib import Path

from cohortium.deidentify import load_protocol
from cohortium.deidentify.clinical.files import table
from cohortium.deidentify.clinical.table import Account
from cohortium.deidentify.identifiers import Tokens
from cohortium.deidentify.subjects import Subjects
from cohortium.keys import SiteKey

HEADING = (
    "STUDYID,DOMAIN,USUBJID,LBSEQ,LBTESTCD,LBTEST,LBCAT,LBORRES,LBORRESU,LBORNRLO,LBORNRHI,LBSTRESC,LBSTRESN,LBSTRESU,"
    "LBSTNRLO,LBSTNRHI,LBNRIND,LBBLFL,VISITNUM,VISIT,VISITDY,LBDTC,LBDY\n"
)
ROW = (
    "BENCH,LB,01-7{site:02}-{patient:04},{number},ALB,Albumin,CHEMISTRY,{value},g/dL,3.3,4.9,{value},{value},g/L,33.0,49.0,"
    "NORMAL,,{visit}.0,WEEK {visit},{day}.0,2014-{month:02}-{date:02}T14:45,{day}.0\n"
)
ROWS_OF_A_PATIENT = 200


def write(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADING)
        for number in range(rows):
            patient = number // ROWS_OF_A_PATIENT
            day, visit = number % ROWS_OF_A_PATIENT, number % ROWS_OF_A_PATIENT // 10
            when = {"month": day // 28 % 12 + 1, "date": day % 28 + 1, "day": day, "visit": visit}
            file.write(ROW.format(site=patient % 97, patient=patient, number=number, value=3 + day / 100, **when))


def copied(source: Path, destination: Path) -> float:
    started = time.process_time()
    with source.open(newline="") as file, destination.open("w", newline="") as output:
        csv.writer(output, lineterminator="\n").writerows(csv.reader(file))
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    protocol, key = load_protocol("dragon"), SiteKey(bytes(32))
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "lb.csv", Path(folder) / "out"
        write(source, rows)
        plain = copied(source, output)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.process_time()
        account = table(source, protocol, Subjects(protocol, key, "bench"), Tokens(key, "bench"), output)
        seconds = time.process_time() - started
        size = source.stat().st_size / 1e6
    assert isinstance(account, Account)
    assert account.written == rows
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{rows:,} rows in {seconds:.1f} s: {rows / seconds:,.0f} rows/s, {seconds / plain:.1f} times a copy by csv")
    print(f"memory grew by {grown:.0f} MB; the table has {size:.0f} MB")


if __name__ == "__main__":
    main()
