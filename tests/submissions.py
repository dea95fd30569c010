"""Packages for submission, for tests: the clean delivery's clinical tables, written and read again."""

from __future__ import annotations

import csv
import struct
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


def by_the_letter(path: Path) -> list[Row]:
    """The rows of a transport file, read as SAS describes the format (TS-140), without the library that wrote it."""
    content = path.read_bytes()
    head = content.index(b"NAMESTR HEADER") - 20
    count = int(content[head + 54 : head + 58])
    variables = []
    for at in range(head + 80, head + 80 + count * 140, 140):
        kind, _, width, _ = struct.unpack(">4h", content[at : at + 8])
        (place,) = struct.unpack(">l", content[at + 84 : at + 88])
        variables.append((content[at + 8 : at + 16].decode().strip(), kind == 1, place, width))
    begin = content.index(b"OBS     HEADER") + 60
    long = sum(width for *_, width in variables)
    rows = []
    for at in range(begin, len(content) - long + 1, long):
        cells = ((name, number, content[at + place : at + place + width]) for name, number, place, width in variables)
        row = {name: shown(_ibm(cell)) if number else cell.decode("ascii").rstrip() for name, number, cell in cells}
        if any(row.values()):  # blanks fill the last record
            rows.append({name: text for name, text in row.items() if text})
    return rows


def _ibm(cell: bytes) -> float | None:
    """IBM's number of 8 bytes; a point and nothing behind it is none."""
    if cell == b".".ljust(8, b"\0") or not cell.strip():
        return None
    fraction = int.from_bytes(cell[1:], "big") / 2**56
    return (-1 if cell[0] & 128 else 1) * fraction * 16.0 ** ((cell[0] & 127) - 64)


def shown(value: object) -> str:
    if value is None or value != value:
        return ""
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
