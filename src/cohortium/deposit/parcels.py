"""What every way out takes and answers: parcels in, a confirmation or a refusal for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from cohortium.errors import Refused, Unavailable
from cohortium.values import ClinicalTable, Instance, Receipt

__all__ = ["NO_TABLES", "Answer", "Confirmed", "How", "Parcel", "Sender", "TableParcel"]

NO_TABLES = "{} takes images and no tables; name where tables go in `tables` of the pipeline, then make it anew"


@dataclass(frozen=True, slots=True)
class Parcel:
    """One instance on its way out, its bytes when they are asked for, and the site's word for exactly these bytes.

    `earlier` are digests of versions of it that this one follows, in a cumulative transfer.
    """

    instance: Instance
    content: Callable[[], bytes]
    receipt: Receipt
    earlier: frozenset[str] = frozenset()

    @property
    def digest(self) -> str:
        return self.instance.digest


@dataclass(frozen=True, slots=True)
class TableParcel:
    """The same of a clinical table, which has many patients: `name` is what it is called wherever it lies."""

    name: str
    table: ClinicalTable
    content: Callable[[], bytes]
    receipt: Receipt
    earlier: frozenset[str] = frozenset()

    @property
    def digest(self) -> str:
        return self.table.digest


class How(StrEnum):
    """What shows that an instance is there, from the strongest to the weakest."""

    READ_BACK = "read back, same digest"
    STATED = "digest stated by the receiver"
    ELEMENTS = "read back, same data elements"  # in other bytes: the receiver wrote the file anew
    FOUND = "status of success, found by a query"
    STATUS = "status of success"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The destination has the instance of this digest."""

    digest: str
    how: How

    def __str__(self) -> str:
        return f"{self.digest} {self.how}"


Answer: TypeAlias = Confirmed | Refused | Unavailable
"""`Unavailable`: this one could not be taken now, and others could."""


class Sender(Protocol):
    """One destination. It may be used by one thread at a time."""

    def send(self, project: str, parcels: Sequence[Parcel]) -> Sequence[Answer]:
        """Hand the parcels over; one answer each, in order.

        Raises `Unavailable` where the destination can take nothing now: nothing is lost, all of it is sent again
        later, and what it had taken already it must not take twice.
        """
        ...

    def send_table(self, project: str, parcel: TableParcel) -> Answer:
        """The same of one clinical table; `Refused` where the destination takes none."""
        ...

    def probe(self) -> None:
        """Return where the destination answers and lets this site in; `Unavailable` where not. Nothing is sent."""
        ...

    def close(self) -> None:
        """Let go of what was opened."""
        ...
