"""What became of everything that ever arrived, counted so that nothing can be missing from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from cohortium.store import total
from cohortium.store.schema import arrival, finding, item
from cohortium.values import State

__all__ = ["Aside", "FindingCount", "Summary", "arrived", "summarise"]

SELDOM = (State.CONTAINER, State.WITHDRAWN, State.SUPERSEDED)  # told where there is one


@dataclass(frozen=True, slots=True)
class Aside:
    """An item that did not go on, by its short name."""

    item: str
    state: State
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class FindingCount:
    rule: str
    severity: str
    count: int


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts per arrival: `files` is the sum of `states`, in which a copy of a file counts as a duplicate.

    `de_identified` counts those that left de-identification, whatever came of them; `bytes` is what arrived;
    `new_files` and `new_bytes` are what this run brought, and `seconds` what it took.
    """

    files: int
    bytes: int
    new_files: int
    new_bytes: int
    seconds: float
    de_identified: int
    states: Mapping[str, int]
    quarantined: Mapping[str, int]
    findings: tuple[FindingCount, ...]
    set_aside: tuple[Aside, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        return asdict(self)


def arrived(connection: Connection) -> tuple[int, int]:
    """How many files ever arrived, and their bytes."""
    files, size = connection.execute(select(func.count(), total(arrival.c.size))).one()
    return files, size


def summarise(connection: Connection, seconds: float, before: tuple[int, int]) -> Summary:
    """The account of the whole spool, whichever run brought what; `before` is what had arrived when this one began."""
    states = {state.value: 0 for state in State if state not in SELDOM}
    quarantined: dict[str, int] = {}
    files = size = 0
    counts = (
        select(item.c.state, item.c.reason, arrival.c.duplicate, func.count(), total(arrival.c.size))
        .join(item, arrival.c.item_id == item.c.id)
        .group_by(item.c.state, item.c.reason, arrival.c.duplicate)
        .order_by(item.c.state, item.c.reason)
    )
    for state, reason, duplicate, number, volume in connection.execute(counts):
        counted = State.DUPLICATE if duplicate else State(state)
        states[counted] = states.get(counted, 0) + number
        files, size = files + number, size + volume
        if state == State.QUARANTINED and not duplicate:
            quarantined[reason] = number
    de_identified = connection.scalar(select(func.count()).where(item.c.digest != "")) or 0
    return Summary(
        files=files,
        bytes=size,
        new_files=files - before[0],
        new_bytes=size - before[1],
        seconds=seconds,
        de_identified=de_identified,
        states=states,
        quarantined=quarantined,
        findings=_findings(connection),
        set_aside=_asides(connection),
    )


def _findings(connection: Connection) -> tuple[FindingCount, ...]:
    counts = (
        select(finding.c.rule, finding.c.severity, func.count())
        .group_by(finding.c.rule, finding.c.severity)
        .order_by(finding.c.rule, finding.c.severity)
    )
    return tuple(FindingCount(*row) for row in connection.execute(counts))


def _asides(connection: Connection) -> tuple[Aside, ...]:
    rows = (
        select(item.c.id, item.c.state, item.c.reason, item.c.detail)
        .where(item.c.state.in_((State.QUARANTINED, State.HELD)))
        .order_by(item.c.number)
    )
    return tuple(Aside(id[:12], State(state), reason, detail) for id, state, reason, detail in connection.execute(rows))
