"""Rows of what is to be delivered where: an item leaves the outbox when every destination has confirmed it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, delete, exists, func, insert, or_, select, update

from cohortium.spool import items
from cohortium.spool.items import Item
from cohortium.store import now
from cohortium.store.schema import delivery, item
from cohortium.values import State

__all__ = ["Backlog", "Delivery", "address", "backlogs", "confirm", "due", "forget", "is_done", "postpone", "refuse"]

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=10), timedelta(hours=1)  # before a try after a failure; doubles


class Delivery(StrEnum):
    """Where an item stands on its way to one destination."""

    WAITING = "waiting"
    SENT = "sent"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Backlog:
    """What one destination still has to take, and why its last try failed."""

    destination: str
    waiting: int
    sent: int
    refused: int
    detail: str


def address(connection: Connection, found: Item, destinations: Collection[str]) -> None:
    """Let the item wait for each of those destinations."""
    rows = [
        {"item_id": found.id, "destination": name, "number": found.number, "state": Delivery.WAITING, "due": ""}
        for name in destinations
    ]
    connection.execute(insert(delivery), rows)


def due(connection: Connection, destination: str, limit: int) -> list[Item]:
    """The next items to deliver there, in order of arrival: at most `limit`."""
    moment = datetime.now(UTC)
    ripe = or_(delivery.c.due <= _text(moment), delivery.c.due > _text(moment + LONGEST_WAIT))  # the clock was set back
    here = delivery.c.destination == destination, delivery.c.state == Delivery.WAITING, ripe
    there = exists().where(item.c.id == delivery.c.item_id, item.c.state == State.OUTBOX)  # not set aside meanwhile
    waiting = select(delivery.c.item_id).where(*here, there).order_by(delivery.c.number).limit(limit)
    return items.of_ids(connection, connection.scalars(waiting).all())


def confirm(connection: Connection, id: str, destination: str, receipt: str) -> None:
    """The destination has the item, as its `receipt` says."""
    _set(connection, id, destination, state=Delivery.SENT, receipt=receipt, sent=now(), detail="")


def refuse(connection: Connection, id: str, destination: str, why: str) -> None:
    """The destination will never take the item."""
    _set(connection, id, destination, state=Delivery.REFUSED, detail=why)


def postpone(connection: Connection, ids: Sequence[str], destination: str, why: str) -> None:
    """The destination could not take the items now; each further try waits twice as long, up to an hour."""
    here = delivery.c.destination == destination, delivery.c.item_id.in_(ids)
    tries = connection.scalar(select(func.max(delivery.c.tries)).where(*here)) or 0
    wait = min(FIRST_WAIT * 2 ** min(tries, 10), LONGEST_WAIT)
    then = _text(datetime.now(UTC) + wait)
    connection.execute(update(delivery).where(*here).values(tries=tries + 1, due=then, detail=why))


def is_done(connection: Connection, id: str) -> bool:
    """Whether every destination of the item has confirmed it."""
    open_ones = exists().where(delivery.c.item_id == id, delivery.c.state != Delivery.SENT)
    return not connection.scalar(select(open_ones))


def backlogs(connection: Connection) -> list[Backlog]:
    """Each destination that ever was addressed, and how it stands."""
    found: dict[str, dict[str, int]] = {}
    counts = select(delivery.c.destination, delivery.c.state, func.count()).group_by(
        delivery.c.destination, delivery.c.state
    )
    for destination, state, count in connection.execute(counts):
        found.setdefault(destination, {})[state] = count
    return [
        Backlog(
            name,
            states.get(Delivery.WAITING, 0),
            states.get(Delivery.SENT, 0),
            states.get(Delivery.REFUSED, 0),
            _last_trouble(connection, name),
        )
        for name, states in sorted(found.items())
    ]


def forget(connection: Connection, id: str) -> None:
    """Remove the deliveries of an item, which begins anew."""
    connection.execute(delete(delivery).where(delivery.c.item_id == id))


def _last_trouble(connection: Connection, destination: str) -> str:
    here = delivery.c.destination == destination, delivery.c.state == Delivery.WAITING, delivery.c.detail != ""
    return connection.scalar(select(delivery.c.detail).where(*here).order_by(delivery.c.due.desc()).limit(1)) or ""


def _set(connection: Connection, id: str, destination: str, **values: str) -> None:
    here = delivery.c.item_id == id, delivery.c.destination == destination
    connection.execute(update(delivery).where(*here).values(**values))


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")
