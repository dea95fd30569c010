"""The metadata table of a delivery (Table 3): written for a provider, and held against the images on arrival.

Values are compared as what they are: numbers as numbers, points in time as far as both say. No finding holds a value.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cohortium.check import naming, sheet
from cohortium.check.delivery import Delivery
from cohortium.check.outline import Outline
from cohortium.check.rule import Check, Found, Limit, Rule, Scope, Skipped, once
from cohortium.check.sheet import Row
from cohortium.errors import Malformed
from cohortium.values import Instance

__all__ = ["CHECKS", "COLUMNS", "said_of", "write"]

COLUMNS = (
    *("project", "partner", "patient", "modality", "date_time", "study_uid", "series_uid", "series_date_time"),
    *("slices_number", "convolution_kernel", "slice_thickness", "pixel_spacing"),
)
DATES = frozenset({"date_time", "series_date_time"})
NUMBERS = frozenset({"slices_number", "slice_thickness", "pixel_spacing"})
DAY = 8  # digits of a date
SAME = 1e-3  # mm that figures written in two ways may differ
NO_TABLE = "there is no metadata table that can be read"


@dataclass(frozen=True, slots=True)
class Metadata:
    """The rows of a metadata table by their SeriesInstanceUID, each with its number; or what is wrong with it."""

    rows: Mapping[str, tuple[tuple[int, Row], ...]]
    problem: str = ""


def write(path: Path, delivery: Delivery, project: str, partner: str) -> None:
    """The table as the images say it."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for outline in delivery.outlines:
        writer.writerow({"project": project, "partner": partner, **_row(outline)})
    path.write_text(stream.getvalue(), "utf-8", newline="")


def said_of(delivery: Delivery, SeriesInstanceUID: str, column: str) -> str:
    """What the table says of a series; empty where it says nothing."""
    rows = once(delivery, _read).rows.get(SeriesInstanceUID, ())
    return rows[0][1].get(column, "") if rows else ""


def table(delivery: Delivery, rule: Rule) -> Found:
    """There is one metadata table, and it can be read and has every column."""
    if problem := once(delivery, _read).problem:
        yield rule.finding(problem)


def series(delivery: Delivery, rule: Rule) -> Found:
    """Each series has one row, and each row has its series."""
    metadata = once(delivery, _read)
    if metadata.problem:
        yield Skipped(NO_TABLE)
        return
    for outline in delivery.outlines:
        count = len(metadata.rows.get(outline.SeriesInstanceUID, ()))
        if count != 1:
            yield rule.finding(f"the series has {count or 'no'} rows in the metadata table", **outline.where)
    known = {outline.SeriesInstanceUID for outline in delivery.outlines}
    for UID, rows in metadata.rows.items():
        if UID not in known:
            shown = UID if naming.is_uid(UID) else ""
            fact = "a row of the metadata table is of a series that is not there"
            yield rule.finding(fact, SeriesInstanceUID=shown, row=rows[0][0])


def slices(delivery: Delivery, rule: Rule) -> Found:
    """Each series has as many slices as the table says."""
    return _compared(delivery, rule, ("slices_number",))


def value(delivery: Delivery, rule: Rule) -> Found:
    """What else the table says of a series is what its images say."""
    others = tuple(each for each in COLUMNS[2:] if each not in ("series_uid", "slices_number"))
    return _compared(delivery, rule, others)


def width(delivery: Delivery, rule: Rule) -> Found:
    """Identifiers of patients are no longer than the specification's type for them."""
    long = [patient for patient in delivery.patients() if len(patient.PatientID) > rule.most]
    if long:
        fact = f"{len(long)} patient identifiers have more than {rule.most:g} characters"
        patient = long[0].outlines[0].patient if len(long) == 1 else ""
        yield rule.finding(fact, variable="patient", patient=patient)


def _compared(delivery: Delivery, rule: Rule, columns: tuple[str, ...]) -> Found:
    metadata = once(delivery, _read)
    if metadata.problem:
        yield Skipped(NO_TABLE)
        return
    for outline in delivery.outlines:
        rows = metadata.rows.get(outline.SeriesInstanceUID, ())
        if outline.mixed or len(rows) != 1:
            continue
        (number, said), images = rows[0], _row(outline)
        for column in columns:
            if not _agree(column, said[column].strip(), images[column]):
                fact = f"{column} in the metadata table is not what the images say"
                yield rule.finding(fact, variable=column, row=number, **outline.where)


def _agree(column: str, said: str, image: str) -> bool:
    if column in DATES:
        one, other = ("".join(filter(str.isdigit, each.partition(".")[0])) for each in (said, image))
        shorter = min(len(one), len(other))
        return not image or (shorter >= DAY and one[:shorter] == other[:shorter])
    if column in NUMBERS:
        return said == image or _close(said, image)
    return said.casefold() == image.casefold()


def _close(said: str, image: str) -> bool:
    """Whether two lists of numbers are alike; one number stands for several equal ones."""
    try:
        one, other = ([float(part) for part in each.replace(",", ".").split("\\")] for each in (said, image))
    except ValueError:
        return False
    if 1 in (len(one), len(other)):
        one, other = one * len(other), other * len(one)
    return len(one) == len(other) and all(abs(a - b) <= SAME for a, b in zip(one, other, strict=True))


def _row(outline: Outline) -> dict[str, str]:
    """What the images say of a series, but for project and partner."""
    first = outline.first
    return {
        "patient": first.PatientID,
        "modality": first.Modality,
        "date_time": _moment(first, "Study"),
        "study_uid": first.StudyInstanceUID,
        "series_uid": outline.SeriesInstanceUID,
        "series_date_time": _moment(first, "Series"),
        "slices_number": str(outline.slices),
        "convolution_kernel": first.text("ConvolutionKernel"),
        "slice_thickness": _figures(first, "SliceThickness"),
        "pixel_spacing": _figures(first, "PixelSpacing"),
    }


def _moment(instance: Instance, level: str) -> str:
    """Date and time in ISO 8601, as far as they are there."""
    date, time = instance.text(f"{level}Date"), instance.text(f"{level}Time").partition(".")[0]
    if len(date) != DAY or not date.isdecimal():
        return ""
    day = f"{date[:4]}-{date[4:6]}-{date[6:]}"
    parts = [time[at : at + 2] for at in range(0, len(time) - 1, 2)]
    return f"{day}T{':'.join(parts)}" if parts else day


def _figures(instance: Instance, keyword: str) -> str:
    return "\\".join(dict.fromkeys(f"{each:g}" for each in instance.numbers(keyword) or ()))


def _read(delivery: Delivery) -> Metadata:
    if len(delivery.metadata) != 1:
        count = len(delivery.metadata)
        return Metadata({}, f"there are {count} metadata tables" if count else "there is no metadata table")
    try:
        found = sheet.read(delivery.root / delivery.metadata[0])
    except Malformed:
        return Metadata({}, "the metadata table cannot be read as CSV")
    if missing := [column for column in COLUMNS if column not in found.columns]:
        return Metadata({}, f"the metadata table has no column {', '.join(missing)}")
    rows: dict[str, list[tuple[int, Row]]] = defaultdict(list)
    for number, row in found.rows:
        rows[row["series_uid"]].append((number, row))
    return Metadata({UID: tuple(each) for UID, each in rows.items()})


CHECKS = (
    Check("completeness.metadata", Scope.DELIVERY, slices),
    Check("metadata.series", Scope.DELIVERY, series),
    Check("metadata.table", Scope.DELIVERY, table),
    Check("metadata.value", Scope.DELIVERY, value),
    Check("metadata.width", Scope.DELIVERY, width, {"most": Limit.NUMBER}),
)
