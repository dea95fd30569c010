"""The association table of a delivery: which of a patient's scans came first, where dates cannot or need not tell.

A CSV with a column `patient`, `study_uid` or `series_uid` or both, and `order` (1, 2, ...) or `relative_day` (days from
a day of the patient's own, 0 or negative too) or both. A row without a `series_uid` speaks of all series of its study.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cohortium.check import sheet
from cohortium.check.delivery import Delivery
from cohortium.check.outline import Outline
from cohortium.check.rule import once
from cohortium.errors import Malformed

__all__ = ["COLUMNS", "Association", "Place", "of"]

COLUMNS = ("order", "relative_day")
WHOLE = re.compile(r"[+-]?\d{1,6}", re.ASCII)  # days of 2,700 years


@dataclass(frozen=True, slots=True)
class Place:
    """What a row says of a scan: its patient, and its order and its day, as far as it says them."""

    row: int
    patient: str
    numbers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Association:
    """What the rows say by the UID of a series, or of a study; `problems`: why some rows, or all, say nothing."""

    places: Mapping[str, tuple[Place, ...]] = field(default_factory=dict)
    problems: tuple[tuple[str, int], ...] = ()  # each with the number of the first row, 0 for the table
    there: bool = False

    def said_of(self, outline: Outline) -> tuple[Place, ...]:
        """What is said of a series, or else of its study."""
        own = self.places.get(outline.SeriesInstanceUID, ())
        return own or tuple(place for study in outline.studies for place in self.places.get(study, ()))


def of(delivery: Delivery) -> Association:
    """The association table of the delivery, read once."""
    return once(delivery, _read)


def _read(delivery: Delivery) -> Association:
    if not delivery.associations:
        return Association()
    if len(delivery.associations) > 1:
        return Association(problems=((f"there are {len(delivery.associations)} association tables", 0),), there=True)
    try:
        found = sheet.read(delivery.root / delivery.associations[0])
    except Malformed:
        return Association(problems=(("the association table cannot be read as CSV", 0),), there=True)
    places: dict[str, list[Place]] = defaultdict(list)
    wrong: dict[str, list[int]] = defaultdict(list)
    for number, row in found.rows:
        UID = row.get("series_uid", "") or row.get("study_uid", "")
        numbers = {column: int(cell) for column in COLUMNS if WHOLE.fullmatch(cell := row.get(column, ""))}
        for problem in _wrong(row, UID, numbers):
            wrong[problem].append(number)
        if UID and numbers:
            places[UID].append(Place(number, row.get("patient", ""), numbers))
    problems = tuple((f"{len(rows)} rows of the association table {what}", rows[0]) for what, rows in wrong.items())
    return Association({UID: tuple(each) for UID, each in places.items()}, problems, there=True)


def _wrong(row: sheet.Row, UID: str, numbers: Mapping[str, int]) -> Iterator[str]:
    if not UID:
        yield "name no study or series"
    if any(row.get(column) and column not in numbers for column in COLUMNS) or not numbers:
        yield "say neither order nor relative_day as a whole number"
