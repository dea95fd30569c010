"""Packages for submission, for tests: the clean delivery's clinical tables, written and read again."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pyreadstat

import clinical_deliveries
from clinical_deliveries import Row
from cohortium.clinical import submission
from cohortium.clinical.submission import About, Form, Package, Source

MADE = datetime(2026, 11, 22, 12, tzinfo=UTC)
BESIDE = ("SCTID", "ICD10", "PTCD")
Tables = dict[str, list[Row]]


def silent(_stage: str, _done: int, _total: int) -> None:
    pass


def tables(*partners: str) -> Tables:
    """The clean delivery's tables, of several partners with patients of their own; no codes that are not SDTM's."""
    made: Tables = {}
    for number, partner in enumerate(partners or ("p01",)):
        for name, rows in clinical_deliveries.tables(2).items():
            subjects = {"P001": f"P{number}01", "P002": f"P{number}02"}
            renamed = [{key: row[key] for key in row if not key.endswith(BESIDE)} for row in rows]
            for row in renamed:
                row["USUBJID"] = subjects[row["USUBJID"]]
            made[f"{partner}_{name.partition('_')[2]}"] = renamed
    return made


def put(folder: Path, made: Tables) -> list[Source]:
    """The tables as files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in made.items():
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
            writer.writeheader()
            writer.writerows(rows)
    return submission.below(folder)


def write(folder: Path, made: Tables, form: Form = Form.XPORT, about: About | None = None) -> Package:
    return submission.write(put(folder / "in", made), folder / "out", form, about or About(made=MADE), silent)


def read(path: Path) -> list[Row]:
    """The rows of a written table, as texts: what is empty is left out."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            rows: Iterable[dict[str, object]] = list(csv.DictReader(file))
    else:
        frame, _ = pyreadstat.read_xport(path, output_format="dict")
        rows = [dict(zip(frame, cells, strict=True)) for cells in zip(*frame.values(), strict=True)]
    return [{name: text for name, value in row.items() if (text := shown(value))} for row in rows]


def shown(value: object) -> str:
    if value is None or value != value:
        return ""
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
