"""What was set aside, for those who decide about it: in heaps by reason, each explained, and one by one."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from sqlalchemy import ColumnElement, Connection, func, select

from cohortium.errors import Refused
from cohortium.spool import items
from cohortium.spool.items import Item
from cohortium.store.schema import item
from cohortium.values import Reason, State

__all__ = ["ASIDE", "Explanation", "Heap", "choose", "explanations", "heap", "heaps", "last", "named", "next_after"]

ASIDE = (State.QUARANTINED, State.HELD)
NAME = re.compile("[0-9a-f]{12}")
SHORTEST = 6  # characters of a name that may stand for an item
IDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Explanation:
    """A reason in plain words, and what can be done."""

    means: str
    do: str


@dataclass(frozen=True, slots=True)
class Heap:
    """How many items wait for one reason, in one state, and since when the first does."""

    state: State
    reason: Reason
    count: int
    since: str


@cache
def explanations() -> Mapping[Reason, Explanation]:
    """Every reason, explained."""
    table = tomllib.loads(files("cohortium.spool").joinpath("reasons.toml").read_text("utf-8"))
    return {Reason(reason): Explanation(**entry) for reason, entry in table.items()}


def heaps(connection: Connection) -> list[Heap]:
    """Every reason for which something waits, the most frequent first."""
    counts = (
        select(item.c.state, item.c.reason, func.count(), func.min(item.c.changed))
        .where(item.c.state.in_(ASIDE))
        .group_by(item.c.state, item.c.reason)
        .order_by(func.count().desc(), item.c.reason)
    )
    return [Heap(State(row[0]), Reason(row[1]), row[2], row[3]) for row in connection.execute(counts)]


def heap(connection: Connection, reason: Reason, after: int = 0, limit: int = 50) -> list[Item]:
    """The next items that wait for this reason, in order of arrival: of numbers beyond `after`, at most `limit`."""
    waiting = select(item.c.id).where(item.c.state.in_(ASIDE), item.c.reason == reason, item.c.number > after)
    return items.of_ids(connection, connection.scalars(waiting.order_by(item.c.number).limit(limit)).all())


def last(connection: Connection, reason: Reason) -> int:
    """The number of the item that came last of those that wait for this reason; 0 where none does."""
    waiting = select(func.max(item.c.number)).where(item.c.state.in_(ASIDE), item.c.reason == reason)
    return connection.scalar(waiting) or 0


def choose(
    connection: Connection, names: Collection[str] = (), *, series: str = "", reason: str = "", pipeline: str = ""
) -> list[Item]:
    """The items set aside that are meant, in order of arrival; `Refused` where a name means none, or several.

    All that is asked for must hold; a name is the beginning of an id.
    """
    conditions: list[ColumnElement[bool]] = [item.c.state.in_(ASIDE)]
    if names:
        conditions.append(item.c.id.in_([_id(connection, name) for name in names]))
    for column, value in ((item.c.SeriesInstanceUID, series), (item.c.reason, reason), (item.c.pipeline, pipeline)):
        if value:
            conditions.append(column == value)
    ids = list(connection.scalars(select(item.c.id).where(*conditions).order_by(item.c.number)))
    batches = (ids[at : at + IDS_AT_ONCE] for at in range(0, len(ids), IDS_AT_ONCE))
    return [each for batch in batches for each in items.of_ids(connection, batch)]


def named(connection: Connection, name: str) -> Item | None:
    """The item that people call so."""
    if not NAME.fullmatch(name):
        return None
    found = select(item.c.id).where(item.c.id >= name, item.c.id < name + "g").limit(1)
    return next(iter(items.of_ids(connection, connection.scalars(found).all())), None)


def next_after(connection: Connection, reason: Reason, number: int, *, back: bool = False) -> Item | None:
    """The item that waits next, or before, for the same reason."""
    beyond = item.c.number < number if back else item.c.number > number
    order = item.c.number.desc() if back else item.c.number
    waiting = select(item.c.id).where(item.c.state.in_(ASIDE), item.c.reason == reason, beyond)
    return next(iter(items.of_ids(connection, connection.scalars(waiting.order_by(order).limit(1)).all())), None)


def _id(connection: Connection, name: str) -> str:
    begins = item.c.id.startswith(name, autoescape=True)
    found = list(connection.scalars(select(item.c.id).where(begins).limit(2))) if len(name) >= SHORTEST else []
    if len(found) != 1:
        raise Refused(f"{name}: {'several items begin so' if found else 'no item is called so'}")
    return str(found[0])
