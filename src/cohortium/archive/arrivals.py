"""What instances that come in together are to their project, asked of the index at once, and all their rows at once.

What is refused leaves no row, and the others their rows.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from sqlalchemy import Connection, RowMapping

from cohortium.archive import index, tombstones
from cohortium.archive.index import NUMBERED, Arrival, Called
from cohortium.errors import Refused
from cohortium.values import Instance

__all__ = ["Arriving", "News"]


class News(StrEnum):
    """What an instance is to its project when it comes in; what the audit calls that."""

    FIRST = "admit"
    VERSION = "admit version"


class Arriving:
    """Instances that come into the project `row` together, new sessions `called` so."""

    def __init__(
        self, connection: Connection, row: RowMapping, instances: Collection[Instance], called: Called = NUMBERED
    ) -> None:
        self._called = called
        self._connection = connection
        self._row = row
        self._held = index.digests(connection, row["id"], {each.SOPInstanceUID for each in instances})
        self._barred = tombstones.objections(connection, row, instances)
        self._scans: dict[tuple[str, ...], int] = {}
        self._new: list[tuple[int, Arrival]] = []

    def news(self, instance: Instance, follows: Collection[str] = ()) -> News | None:
        """What the instance would be, None where it is known; `Refused` where it may not come in.

        An earlier version that comes again is known, unless it is said to follow the one that is the newest.
        """
        held = self._held.get(instance.SOPInstanceUID)
        if held is None:
            if reason := self._barred.get(instance.SOPInstanceUID):
                raise Refused(f"not admitted: {reason}")
            return News.FIRST
        if held == instance.digest:
            return None
        if self._row["same_uid"] == "refuse":
            raise Refused("not admitted: the project holds other bytes under the same SOPInstanceUID")
        if held not in follows and index.has_version(self._connection, self._row["id"], instance):
            return None
        return News.VERSION

    def take(self, arrival: Arrival, news: News) -> None:
        """Give it its rows, once `finish` was called; `Refused` where it is filed elsewhere already."""
        instance = arrival.instance
        if news is News.FIRST:
            self._new.append((self._scan(arrival), arrival))
        else:
            self.finish()  # of what it may be a version
            with self._connection.begin_nested():
                index.replace(self._connection, self._row["id"], *arrival)
        self._held[instance.SOPInstanceUID] = instance.digest

    def finish(self) -> None:
        """Write the rows of what was taken."""
        index.add(self._connection, self._row["id"], self._new)
        self._new = []

    def _scan(self, arrival: Arrival) -> int:
        instance = arrival.instance
        name = (instance.PatientID, instance.StudyInstanceUID, instance.SeriesInstanceUID)
        if name not in self._scans:
            with self._connection.begin_nested():
                self._scans[name] = index.scan_of(
                    self._connection, self._row["id"], instance, arrival.header, self._called
                )
        return self._scans[name]
