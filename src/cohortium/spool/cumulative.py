"""A delivery that is the whole truth, beside what came before: what is new, what changed, and what is not in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from cohortium.spool.items import Arrival
from cohortium.spool.states import CLAIMS
from cohortium.store.schema import arrival, item
from cohortium.values import State

__all__ = ["Absent", "Delivery", "compare"]


@dataclass(frozen=True, slots=True)
class Absent:
    """What went on once and is in the delivery no more, as it is called after de-identification."""

    item: str
    state: State
    PatientID: str
    SeriesInstanceUID: str
    SOPInstanceUID: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """Counts of files, and what is absent: reported, and never deleted anywhere."""

    known: int
    new: int
    changed: int
    absent: tuple[Absent, ...]


def compare(connection: Connection, source: str, files: Iterable[tuple[str, Arrival]]) -> Delivery:
    """`files` with their keyed marks, beside all that came by the source and was not superseded since.

    What a package brought is there as long as the package is, unchanged.
    """
    names = item.c.id, item.c.state, item.c.PatientID, item.c.SeriesInstanceUID, item.c.SOPInstanceUID
    columns = arrival.c.path_mark, arrival.c.size, arrival.c.changed, *names
    rows = connection.execute(
        select(*columns).join(item, item.c.id == arrival.c.item_id).where(item.c.source == source)
    ).all()
    before = {(row.path_mark, row.size, row.changed) for row in rows if row.state != State.SUPERSEDED}
    marks = {row.path_mark for row in rows}
    packages = {(row.path_mark, row.changed) for row in rows if row.state == State.CONTAINER}
    known = new = changed = 0
    here: set[str] = set()
    unpacked: set[int] = set()
    for mark, found in files:
        here.add(mark)
        if (mark, found.size, found.changed) in before:
            known += 1
        elif mark in marks:
            changed += 1
        else:
            new += 1
        if (mark, found.changed) in packages:
            unpacked.add(found.changed)
    there = {row.id for row in rows if row.path_mark in here or row.changed in unpacked}
    absent = {row.id: row for row in rows if row.id not in there and row.state in CLAIMS}
    return Delivery(known, new, changed, tuple(_absent(row) for row in absent.values()))


def _absent(row: Any) -> Absent:
    return Absent(row.id[:12], State(row.state), row.PatientID, row.SeriesInstanceUID, row.SOPInstanceUID)
