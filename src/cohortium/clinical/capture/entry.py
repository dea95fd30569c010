"""What was typed about a record: one entry for each event, and one for each instance of a form that repeats.

Values are texts in one line, by field; empty ones are left out. Choices stand by code; of a checkbox the codes of what
is checked, parted by bars.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from cohortium.clinical.capture.field import Dictionary
from cohortium.errors import Malformed

__all__ = ["BAR", "Capture", "Entry", "Record", "records", "tidy"]

BAR = "|"  # no code of a choice has it, for it parts choices in a dictionary
CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(slots=True)
class Entry:
    """An event of a record (`repeat` if that repeats), or in it an instance of a `form` that repeats.

    `row` is that of a CSV file, counted from 1 below the heading, or the line of an XML file. What an entry lacks may
    stand in the one that it lies in, `outer`.
    """

    record: str
    row: int
    event: str = ""
    repeat: str = ""
    form: str = ""
    instance: str = ""
    values: dict[str, str] = field(default_factory=dict)
    outer: Entry | None = None

    def value(self, name: str) -> str:
        """The value of a field, from here or from what this lies in; empty where there is none."""
        found = self.values.get(name, "")
        return found or (self.outer.value(name) if self.outer else "")


@dataclass(frozen=True, slots=True)
class Record:
    """All entries of one record, in the order of the file."""

    key: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Capture:
    """An export that is open: its fields, its records, which come once, and columns that no field explains."""

    path: Path
    dictionary: Dictionary
    records: Iterator[Record]
    strange: tuple[int, ...] = ()


def records(entries: Iterable[Entry]) -> Iterator[Record]:
    """Entries by record, whose rows must stand together: a record that came back would be taken for another."""
    seen: set[str] = set()
    for key, group in groupby(entries, lambda entry: entry.record):
        found = tuple(group)
        if key in seen:
            raise Malformed(f"the record of row {found[0].row} has rows further up; sort the export by record")
        seen.add(key)
        yield Record(key, found)


def tidy(value: str) -> str:
    """A value in one line, as both kinds of export can hold it."""
    return " ".join(CONTROL.sub(" ", value).split())
