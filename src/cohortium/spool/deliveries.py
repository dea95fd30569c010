"""Rows of what is to be delivered where: an item leaves the outbox when every destination has confirmed it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, Table, delete, exists, func, insert, or_, select, update

from cohortium.spool import items
from cohortium.spool.items import Item, Move
from cohortium.store import insert_once, now
from cohortium.store.schema import delivery, item
from cohortium.store.schema import pause as pause_
from cohortium.values import State

__all__ = [
    "Backlog",
    "Delivery",
    "address",
    "backlogs",
    "confirm",
    "confirmed",
    "due",
    "forget",
    "forget_open",
    "is_done",
    "pause",
    "postpone",
    "refuse",
    "resume",
    "why_paused",
]

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=10), timedelta(hours=1)  # before a try after a failure; doubles


Addressed = tuple[Item, Collection[str]]
"""An item, and the names of the destinations that are to have it."""


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


def address(connection: Connection, addressed: Sequence[Addressed]) -> dict[str, State | None]:
    """Put items in the outbox, for those of their destinations that they were not addressed to before.

    One that has an item as it was before it was made anew is to have it as it is now. What all of them have already is
    sent. Returns where each is then; None of those that moved since they were found.
    """
    there = items.as_found(connection, [found for found, _ in addressed])
    going = [each for each in addressed if each[0].id in there]
    known = _known(connection, going)
    rows = [
        {"item_id": found.id, "destination": name, "number": found.number, "state": Delivery.WAITING, "due": ""}
        for found, destinations in going
        for name in destinations
        if (found.id, name) not in known
    ]
    if rows:
        connection.execute(insert(delivery), rows)
    wait = {row["item_id"] for row in rows} | {id for (id, _), state in known.items() if state != Delivery.SENT}
    done = [replace(found, state=State.OUTBOX) for found, _ in going if found.id not in wait]
    items.change_all(connection, [Move(found, State.OUTBOX) for found, _ in going])
    items.change_all(connection, [Move(found, State.SENT) for found in done])
    states: dict[str, State | None] = dict.fromkeys(found.id for found, _ in addressed)
    return states | dict.fromkeys(there, State.OUTBOX) | {found.id: State.SENT for found in done}


def _known(connection: Connection, going: Sequence[Addressed]) -> dict[tuple[str, str], Delivery]:
    """Where the items stand with destinations that they were addressed to before; what is outdated there waits anew."""
    columns = delivery.c.item_id, delivery.c.destination, delivery.c.state, delivery.c.receipt
    rows = connection.execute(select(*columns).where(delivery.c.item_id.in_([found.id for found, _ in going]))).all()
    known = {(id, name): Delivery(state) for id, name, state, _ in rows}
    held = {(id, name): receipt.partition(" ")[0] for id, name, _, receipt in rows if receipt}
    for found, destinations in going:
        for name in destinations:
            if held.get((found.id, name), found.digest) != found.digest:
                _set(connection, found.id, name, state=Delivery.WAITING, due="")
                known[found.id, name] = Delivery.WAITING
    return known


def due(connection: Connection, destination: str, limit: int) -> list[Item]:
    """The next items to deliver there: at most `limit`, what was never tried first, each in order of arrival."""
    moment = datetime.now(UTC)
    if connection.scalar(
        select(pause_.c.destination).where(pause_.c.destination == destination, ~_ripe(pause_, moment))
    ):
        return []
    ripe = _ripe(delivery, moment)
    here = delivery.c.destination == destination, delivery.c.state == Delivery.WAITING, ripe
    there = exists().where(item.c.id == delivery.c.item_id, item.c.state == State.OUTBOX)  # not set aside meanwhile
    waiting = select(delivery.c.item_id).where(*here, there).order_by(delivery.c.due, delivery.c.number).limit(limit)
    return items.of_ids(connection, connection.scalars(waiting).all())


def confirm(connection: Connection, id: str, destination: str, receipt: str) -> None:
    """The destination has the item, as its `receipt` says."""
    _set(connection, id, destination, state=Delivery.SENT, receipt=receipt, sent=now(), detail="")


def confirmed(connection: Connection, id: str, destination: str) -> frozenset[str]:
    """The digest under which the destination had the item when it confirmed it last; none where it never did."""
    here = delivery.c.item_id == id, delivery.c.destination == destination, delivery.c.receipt != ""
    receipt = connection.scalar(select(delivery.c.receipt).where(*here))
    return frozenset([receipt.partition(" ")[0]] if receipt else ())


def refuse(connection: Connection, id: str, destination: str, why: str) -> None:
    """The destination will never take the item."""
    _set(connection, id, destination, state=Delivery.REFUSED, detail=why)


def postpone(connection: Connection, id: str, destination: str, why: str) -> None:
    """The destination could not take this item now; each further try waits twice as long, up to an hour."""
    here = delivery.c.destination == destination, delivery.c.item_id == id
    tries = connection.scalar(select(delivery.c.tries).where(*here)) or 0
    connection.execute(update(delivery).where(*here).values(tries=tries + 1, due=_after(tries), detail=why))


def pause(connection: Connection, destination: str, why: str) -> None:
    """The destination could take nothing now; all that waits for it waits, each time twice as long, up to an hour."""
    here = pause_.c.destination == destination
    tries = connection.scalar(select(pause_.c.tries).where(here)) or 0
    values = {"tries": tries + 1, "due": _after(tries), "detail": why}
    if not insert_once(connection, pause_, {"destination": destination, **values}):
        connection.execute(update(pause_).where(here).values(**values))


def why_paused(connection: Connection, destination: str) -> str:
    """Why the destination could take nothing when it was tried last; empty where it could."""
    return connection.scalar(select(pause_.c.detail).where(pause_.c.destination == destination)) or ""


def resume(connection: Connection, destination: str) -> None:
    """The destination takes again."""
    connection.execute(delete(pause_).where(pause_.c.destination == destination))


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


def forget_open(connection: Connection, id: str) -> None:
    """Remove what an item that goes no further still waits for; where it arrived stays on record."""
    here = delivery.c.item_id == id, delivery.c.state == Delivery.WAITING
    connection.execute(delete(delivery).where(*here))


def _last_trouble(connection: Connection, destination: str) -> str:
    here = delivery.c.destination == destination, delivery.c.state == Delivery.WAITING, delivery.c.detail != ""
    return connection.scalar(select(delivery.c.detail).where(*here).order_by(delivery.c.due.desc()).limit(1)) or ""


def _set(connection: Connection, id: str, destination: str, **values: str) -> None:
    here = delivery.c.item_id == id, delivery.c.destination == destination
    connection.execute(update(delivery).where(*here).values(**values))


def _ripe(table: Table, moment: datetime) -> ColumnElement[bool]:
    return or_(table.c.due <= _text(moment), table.c.due > _text(moment + LONGEST_WAIT))  # the clock was set back


def _after(tries: int) -> str:
    """When to try again after so many tries and one more."""
    return _text(datetime.now(UTC) + min(FIRST_WAIT * 2 ** min(tries, 10), LONGEST_WAIT))


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")
