"""Turn what CDISC and NCI publish into the tables that `cohortium.clinical.sdtm` reads.

    python tools/sdtm.py --standards DIR

DIR holds `sdtm_variables.csv`, the variables of the domains that are checked (SDTMIG 3.4), and
`sdtm_codelists.csv.gz`, the code lists that they name (NCI, CDISC SDTM Controlled Terminology). The same sources always
give the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from collections.abc import Iterable
from pathlib import Path

DATA = Path(__file__).parents[1] / "src" / "cohortium" / "clinical" / "data"
VARIABLES, CODELISTS = "sdtm_variables.csv", "sdtm_codelists.csv"
AS_PUBLISHED = ("domain", "variable", "type", "core", "role")
NOT_APPLICABLE = "NA"  # the source was once read as numbers, which made this one "nan"

Row = Iterable[str]


def write(standards: Path, into: Path = DATA) -> None:
    """Write both tables into the folder `into`."""
    with (standards / VARIABLES).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    named = {code for row in rows for code in _codes(row)}
    rows.sort(key=lambda row: row["domain"])
    variables = ((*(row[name] for name in AS_PUBLISHED), " ".join(_codes(row))) for row in rows)
    _table(into / VARIABLES, (*AS_PUBLISHED, "codelists"), variables)
    with gzip.open(standards / f"{CODELISTS}.gz", "rt", encoding="utf-8", newline="") as file:
        terms = [row for row in csv.DictReader(file) if row["codelist"] in named]
    _table(into / CODELISTS, ("codelist", "code", "term", "extensible"), map(_term, terms))


def _codes(row: dict[str, str]) -> list[str]:
    return [code for each in row["codelist"].split(";") if (code := each.strip())]


def _term(row: dict[str, str]) -> Row:
    """A list says whether it may be extended; its terms leave that empty."""
    extensible = {"True": "yes", "False": "no"}[row["extensible"]] if row["is_codelist"] == "True" else ""
    term = NOT_APPLICABLE if row["submission_value"] == "nan" else row["submission_value"]
    return row["codelist"], row["code"], term, extensible


def _table(path: Path, header: Row, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--standards", type=Path, required=True)
    write(parser.parse_args().standards)
