"""The nouns of what people ask a PACS for: a request, its studies and their series, and where their images are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum

__all__ = [
    "CHANGES",
    "COUNTED",
    "ENDED",
    "MISSING",
    "TO_DO",
    "Asked",
    "Counts",
    "Held",
    "Line",
    "Plan",
    "Query",
    "Series",
    "Stage",
    "Standing",
    "Study",
    "Wanted",
]

Query = Mapping[str, str]
"""Keywords of attributes at STUDY level, and what they are to be. Identifying."""

Held = Mapping[str, Mapping[str, int]]
"""By destination, and by what shows that they are there: images."""


class Standing(StrEnum):
    """Of a request."""

    OPEN = "open"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    DONE = "done"


class Stage(StrEnum):
    """Of a study in a request."""

    WAITING = "waiting"  # to be asked for
    ASKED = "asked"  # the PACS is at it
    INCOMPLETE = "incomplete"  # the PACS did not send all of it, however often it was asked
    ARRIVED = "arrived"  # all that the PACS listed is there, and on its way
    SETTLED = "settled"  # and every image has come to an end: sent and confirmed, or set aside for good
    NOT_FOUND = "not found"  # no study: a query that nothing answered


#                       from              by a person's word
CHANGES: Mapping[Standing, frozenset[Standing]] = {
    Standing.OPEN: frozenset({Standing.OPEN, Standing.PAUSED, Standing.CANCELLED}),
    Standing.PAUSED: frozenset({Standing.OPEN, Standing.CANCELLED}),
    Standing.DONE: frozenset({Standing.OPEN}),
    Standing.CANCELLED: frozenset(),
}
ENDED = (Standing.DONE, Standing.CANCELLED)
TO_DO = (Stage.WAITING, Stage.ASKED)
MISSING = (Stage.INCOMPLETE, Stage.NOT_FOUND)  # asked for again when a request that is open or done is opened again


@dataclass(frozen=True, slots=True)
class Series:
    """A series as a PACS lists it: how many instances it tells, and each that it names with its SOP class."""

    SeriesInstanceUID: str
    told: int | None
    instances: tuple[tuple[str, str], ...]

    @property
    def listed(self) -> int:
        """How many there are: as many as are named; where none is, as many as are told."""
        return len(self.instances) or self.told or 0


@dataclass(frozen=True, slots=True)
class Study:
    """A study as a PACS lists it, for the query of that number; `series` are not known before it is its turn."""

    query: int
    StudyInstanceUID: str
    told: int | None = None
    series: tuple[Series, ...] = ()

    @property
    def unnamed(self) -> tuple[Series, ...]:
        """Series of which the PACS names no instance: what came of them cannot be counted."""
        return tuple(each for each in self.series if each.told != 0 and not each.instances)

    @property
    def listed(self) -> int:
        """How many instances there are."""
        return sum(each.listed for each in self.series) or self.told or 0


@dataclass(frozen=True, slots=True)
class Counts:
    """Instances of a study: listed by the PACS, arrived, made, set aside, sent, and held by every receiver."""

    listed: int = 0
    arrived: int = 0
    made: int = 0
    aside: int = 0
    sent: int = 0
    confirmed: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A study that somebody asked for at a source; without a StudyInstanceUID, a query that nothing answered yet."""

    id: int
    request: int
    source: str
    stage: Stage
    tries: int
    study: Study
    counts: Counts
    detail: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, in counts: of queries, of studies, of instances. `trouble` says in words what is amiss, how often.

    `hours` and `studies_hour` narrow what the configuration says of the source; `has_lists` until they were let go of.
    """

    id: int
    source: str
    standing: Standing
    by: str
    created: str
    queries: int
    answered: int
    detail: str
    hours: str = ""
    studies_hour: int = 0
    has_lists: bool = True
    stages: Mapping[str, int] = field(default_factory=dict)
    counts: Counts = Counts()
    trouble: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """A study of a request, or a query that nothing answered, in counts: of the study, and of each of its series.

    `held` counts images by destination and by what shows that they are there. `query` and `study` are for who may see
    whom it is about; `study` is None for a query that nothing answered.
    """

    number: int
    stage: Stage
    counts: Counts
    series: tuple[Counts, ...]
    held: Held
    detail: str
    query: Query | None = None
    study: Study | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """An open request: in which hours of the day it may be asked for, how many studies within any 60 minutes at most
    (0: no limit), how many it was in the last, and how many studies and queries are left."""

    id: int
    hours: str
    studies_hour: int
    asked: int
    left: int


COUNTED = tuple(each.name for each in fields(Counts))
