"""How it went lately: what came and what was sent, day by day, and when each source brought something last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import ColumnElement, Connection, func, literal_column, select

from cohortium.store.schema import item
from cohortium.values import State

__all__ = ["Day", "days", "newest", "since"]


@dataclass(frozen=True, slots=True)
class Day:
    """A day (of UTC): how many items came, and how many that had come were sent everywhere."""

    day: date
    received: int
    sent: int


def days(connection: Connection, today: date, number: int = 14) -> list[Day]:
    """The last days, the oldest first, this one included."""
    shown = [today - timedelta(days=back) for back in reversed(range(number))]
    came = _by_day(connection, item.c.received, shown[0])
    went = _by_day(connection, item.c.changed, shown[0], item.c.state == State.SENT)
    return [Day(each, came.get(each.isoformat(), 0), went.get(each.isoformat(), 0)) for each in shown]


def since(connection: Connection, moment: str) -> tuple[int, int]:
    """How many items came, and how many were sent, since then."""
    came = connection.scalar(select(func.count()).where(item.c.received >= moment)) or 0
    sent = select(func.count()).where(item.c.state == State.SENT, item.c.changed >= moment)
    return came, connection.scalar(sent) or 0


def newest(connection: Connection) -> dict[str, str]:
    """When each source brought something last."""
    last = select(item.c.source, func.max(item.c.received).label("newest")).group_by(item.c.source)
    return {row.source: row.newest for row in connection.execute(last)}


def _by_day(
    connection: Connection, when: ColumnElement[str], first: date, *where: ColumnElement[bool]
) -> dict[str, int]:
    day = func.substr(when, literal_column("1"), literal_column("10"))
    counts = (
        select(day.label("day"), func.count().label("number")).where(when >= first.isoformat(), *where).group_by(day)
    )
    return {row.day: row.number for row in connection.execute(counts)}
