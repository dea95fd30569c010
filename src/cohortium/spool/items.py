"""Rows of the spool. An item is some bytes on their way; an arrival is a path that brought them.

Nothing here is readable to who holds the database without the site's key: items are named by keyed digests, paths are
sealed. What follows de-identification stands in the clear.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, bindparam, delete, func, insert, null, select, update

from cohortium.errors import Corrupt
from cohortium.prove.provenance import Provenance
from cohortium.spool.states import CLAIMS, KEEPS, move
from cohortium.store import insert_once, now
from cohortium.store.schema import arrival, delivery, item
from cohortium.values import ClinicalTable, Finding, Instance, Reason, SetAside, Severity, State

__all__ = [
    "BATCH",
    "Arrival",
    "Came",
    "Item",
    "Listing",
    "Made",
    "Move",
    "arrive",
    "arrive_all",
    "as_found",
    "change",
    "change_all",
    "columns",
    "count",
    "count_of_series",
    "digest_of",
    "earlier_digests",
    "forget",
    "forget_unread",
    "in_state",
    "known",
    "of_ids",
    "of_series",
    "pipelines",
    "sealed_paths",
    "series_in",
    "state_of",
    "states_of",
]

BATCH = 32  # items to be worked on before what came of them is committed
MOST_EARLIER = 64
NOTHING_YET: dict[str, Any] = {
    "digest": "",
    "PatientID": "",
    "SeriesInstanceUID": "",
    "SOPInstanceUID": "",
    "instance": null(),
    "clinical": null(),
    "findings": [],
    "subject_mark": "",
}
COMES_AGAIN = (State.SUPERSEDED, State.DUPLICATE)  # what is made of it is not what its destinations hold
INSTANCE = tuple(each.name for each in fields(Instance))
TRY_AGAIN = (Reason.UNREADABLE, Reason.TOO_LARGE)  # mended by permissions or a setting, which no time stamp shows


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file as it was found. `path` is identifying: it is stored sealed and never shown.

    What comes by a connection has the path `SOURCE:NAME`, by which it is known when it comes again.
    """

    path: Path
    size: int
    changed: int  # st_mtime_ns; of a connection 0


@dataclass(frozen=True, slots=True)
class Came:
    """By which source something came; `pipeline` is the first that reads it."""

    source: str
    pipeline: str


@dataclass(frozen=True, slots=True)
class Made:
    """What de-identification made of an item, and the record of how."""

    pipeline: str
    instance: Instance
    findings: tuple[Finding, ...]
    subject_mark: str
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Item:
    """Some bytes on their way through the site; `id` is their keyed digest, `number` their order of arrival."""

    id: str
    number: int
    state: State
    set_aside: SetAside | None
    source: str
    pipeline: str
    size: int
    received: str
    changed: str
    series: str  # its SeriesInstanceUID; of what was not made, the one it would have where UIDs are mapped
    instance: Instance | None
    table: ClinicalTable | None
    findings: tuple[Finding, ...]
    subject_mark: str
    told: str  # what could be told of its series as it was set aside

    @property
    def name(self) -> str:
        """What people and logs call it."""
        return self.id[:12]

    @property
    def outline(self) -> str:
        """Modality, number and description of its series, as far as they identify nobody."""
        if self.instance is None:
            return self.told
        of = self.instance.attributes
        told = (self.instance.Modality, of.get("SeriesNumber"), of.get("SeriesDescription"))
        return " ".join(str(each) for each in told if each)

    @property
    def digest(self) -> str:
        """Of what was made of it; empty while nothing is."""
        made = self.instance or self.table
        return made.digest if made else ""


class Move(NamedTuple):
    """An item, the state that it is to enter, and what else is set with it."""

    found: Item
    state: State
    set_aside: SetAside | None = None
    more: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Listing:
    """What a path brought, as it is noted: the path by its keyed digest, and sealed."""

    id: str
    path_mark: str
    sealed_path: bytes
    found: Arrival
    came: Came
    state: State
    set_aside: SetAside | None = None


def known(connection: Connection, marks: Mapping[str, Arrival]) -> set[str]:
    """The marks of those paths that brought a file of this size and time before, in place of which no other came."""
    brought = select(arrival.c.path_mark, arrival.c.size, arrival.c.changed).join(item)
    here = arrival.c.path_mark.in_(marks), item.c.state != State.SUPERSEDED
    rows = connection.execute(brought.where(*here))
    return {mark for mark, size, changed in rows if (size, changed) == (marks[mark].size, marks[mark].changed)}


def arrive(connection: Connection, listing: Listing) -> State:
    """Note that the path brought these bytes; returns the state of their item, which may be there already."""
    known: str | None = connection.scalar(select(item.c.state).where(item.c.id == listing.id))
    if known is None:
        connection.execute(insert(item), [_new(listing, _last(connection) + 1)])
    then = State(known) if known else listing.state
    if then in COMES_AGAIN and listing.state is State.RECEIVED:
        then = _begin_again(connection, listing, then)
    row = _arrival(listing, then, is_duplicate=known is not None)
    if not insert_once(connection, arrival, row):
        here = (arrival.c.path_mark == listing.path_mark) & (arrival.c.item_id == listing.id)
        connection.execute(
            update(arrival).where(here).values(**{name: row[name] for name in ("path", "size", "changed")})
        )
    return then


def _begin_again(connection: Connection, listing: Listing, state: State) -> State:
    values = {"state": move(state, State.RECEIVED), "pipeline": listing.came.pipeline, "changed": now(), **NOTHING_YET}
    connection.execute(update(item).where(item.c.id == listing.id).values(**values))
    connection.execute(delete(delivery).where(delivery.c.item_id == listing.id))
    return State.RECEIVED


def arrive_all(connection: Connection, listings: Collection[Listing]) -> dict[str, State]:
    """The same of many, of which few are there already, in as many statements as for one; returns the states by id."""
    known = states_of(connection, [each.id for each in listings])
    fresh: dict[str, Listing] = {}
    again = [each for each in listings if each.id in known or fresh.setdefault(each.id, each) is not each]
    if fresh:
        last = _last(connection)
        connection.execute(insert(item), [_new(each, last + n) for n, each in enumerate(fresh.values(), start=1)])
        rows = [_arrival(each, each.state, is_duplicate=False) for each in fresh.values()]
        connection.execute(insert(arrival), rows)
    return {id: each.state for id, each in fresh.items()} | {each.id: arrive(connection, each) for each in again}


def _last(connection: Connection) -> int:
    return connection.scalar(select(func.max(item.c.number))) or 0


def _new(listing: Listing, number: int) -> dict[str, Any]:
    values = {"id": listing.id, "number": number, "state": move(None, listing.state), "size": listing.found.size}
    values |= {"source": listing.came.source, "pipeline": listing.came.pipeline, "received": now(), "changed": now()}
    return values | _aside(listing.set_aside) | NOTHING_YET


def _arrival(listing: Listing, state: State, *, is_duplicate: bool) -> dict[str, Any]:
    path = listing.sealed_path if KEEPS[state] else b""
    row = {"path_mark": listing.path_mark, "item_id": listing.id, "path": path, "duplicate": is_duplicate}
    return row | {"size": listing.found.size, "changed": listing.found.changed}


def forget(connection: Connection, ids: Collection[str]) -> None:
    """Remove items that stood for files without bytes, and their arrivals; nothing where there is none."""
    connection.execute(delete(arrival).where(arrival.c.item_id.in_(ids)))
    connection.execute(delete(item).where(item.c.id.in_(ids)))


def forget_unread(connection: Connection, source: str) -> None:
    """Remove what could not be read of this source, with its arrivals."""
    unread = select(item.c.id).where(item.c.source == source, item.c.reason.in_(TRY_AGAIN))
    connection.execute(delete(arrival).where(arrival.c.item_id.in_(unread)))
    connection.execute(delete(item).where(item.c.id.in_(unread)))


def change(connection: Connection, found: Item, state: State, set_aside: SetAside | None = None, **more: Any) -> bool:
    """Move the item to `state`, as `states.move` allows, and set more columns with it; returns whether it did.

    With its bytes go the paths that brought them. It does not where somebody else moved the item since it was `found`:
    who came first is right, in whatever process.
    """
    values = {"state": move(found.state, state), "changed": now(), **_aside(set_aside), **more}
    here = (
        item.c.id == found.id,
        item.c.state == found.state,
        item.c.digest == found.digest,
    )  # in the same state it may be another
    moved = connection.execute(update(item).where(*here).values(**values)).rowcount == 1
    if moved and not KEEPS[state]:
        connection.execute(update(arrival).where(arrival.c.item_id == found.id).values(path=b""))
    return moved


def as_found(connection: Connection, found: Collection[Item]) -> set[str]:
    """The ids of those that nobody moved, or made anew, since they were `found`."""
    here = select(item.c.id, item.c.state, item.c.digest).where(item.c.id.in_([each.id for each in found]))
    rows = {tuple(row) for row in connection.execute(here)}
    return {each.id for each in found if (each.id, each.state, each.digest) in rows}


def change_all(connection: Connection, moves: Collection[Move]) -> None:
    """Move many items, all `as_found`, in as many statements as there are sets of columns."""
    rows = [
        {"this": each.found.id, "state": move(each.found.state, each.state), "changed": now()}
        | _aside(each.set_aside)
        | dict(each.more)
        for each in moves
    ]
    for _, alike in groupby(sorted(rows, key=list), key=list):
        connection.execute(update(item).where(item.c.id == bindparam("this")), list(alike))
    if gone := [each.found.id for each in moves if not KEEPS[each.state]]:
        connection.execute(update(arrival).where(arrival.c.item_id.in_(gone)).values(path=b""))


def in_state(connection: Connection, state: State, after: int = 0) -> list[Item]:
    """The next items in that state, in order of arrival: at most a batch, of numbers beyond `after`."""
    batch = select(item).where(item.c.state == state, item.c.number > after).order_by(item.c.number).limit(BATCH)
    return [_item(row) for row in connection.execute(batch).mappings()]


def of_series(connection: Connection, pipelines: Collection[str], SeriesInstanceUID: str) -> list[Item]:
    """Every de-identified item of the series in those pipelines, deposited ones too, in order of arrival."""
    whole = select(item).where(
        item.c.SeriesInstanceUID == SeriesInstanceUID, item.c.pipeline.in_(pipelines), item.c.state.in_(CLAIMS)
    )
    return [_item(row) for row in connection.execute(whole.order_by(item.c.number)).mappings()]


def state_of(connection: Connection, id: str) -> State:
    """The state of the item; `Corrupt` where there is none."""
    found: str | None = connection.scalar(select(item.c.state).where(item.c.id == id))
    if found is None:
        raise Corrupt(f"item {id[:12]} is not in the spool")
    return State(found)


def sealed_paths(connection: Connection, id: str) -> list[bytes]:
    """The paths that brought the item, as far as they are kept."""
    here = arrival.c.item_id == id, arrival.c.path != b""
    return list(connection.scalars(select(arrival.c.path).where(*here)))


def digest_of(connection: Connection, id: str) -> str:
    """The digest of what was made of the item; empty while nothing is."""
    return connection.scalar(select(item.c.digest).where(item.c.id == id)) or ""


def of_ids(connection: Connection, ids: Collection[str]) -> list[Item]:
    """The items of those ids, in order of arrival."""
    rows = connection.execute(select(item).where(item.c.id.in_(ids)).order_by(item.c.number)).mappings()
    return [_item(row) for row in rows]


def states_of(connection: Connection, ids: Collection[str]) -> dict[str, State]:
    """The states of those of the items that there are."""
    rows = connection.execute(select(item.c.id, item.c.state).where(item.c.id.in_(ids)))
    return {id: State(state) for id, state in rows}


def count(connection: Connection, state: State) -> int:
    """How many items are in that state."""
    return connection.scalar(select(func.count()).where(item.c.state == state)) or 0


def count_of_series(connection: Connection, pipeline: str, SeriesInstanceUID: str) -> int:
    """How many items of the series the pipeline ever had."""
    here = item.c.SeriesInstanceUID == SeriesInstanceUID, item.c.pipeline == pipeline
    return connection.scalar(select(func.count()).where(*here)) or 0


def pipelines(connection: Connection, states: Collection[State]) -> set[str]:
    """The pipelines that items in those states belong to."""
    return set(connection.scalars(select(item.c.pipeline).distinct().where(item.c.state.in_(states))))


def series_in(connection: Connection, states: Collection[State]) -> list[tuple[str, str]]:
    """(pipeline, SeriesInstanceUID) of every series with an item in one of the states, in order of arrival."""
    waiting = (
        select(item.c.pipeline, item.c.SeriesInstanceUID)
        .where(item.c.state.in_(states))
        .group_by(item.c.pipeline, item.c.SeriesInstanceUID)
        .order_by(func.min(item.c.number))
    )
    return [(pipeline, uid) for pipeline, uid in connection.execute(waiting)]


def earlier_digests(connection: Connection, found: Item) -> frozenset[str]:
    """What the items that this one superseded were, as they left; of very many, the last."""
    uid = found.instance.SOPInstanceUID if found.instance else found.table.name if found.table else ""
    here = item.c.SOPInstanceUID == uid, item.c.pipeline == found.pipeline, item.c.state == State.SUPERSEDED
    newest = select(item.c.digest).where(*here).order_by(item.c.changed.desc()).limit(MOST_EARLIER)
    return frozenset(connection.scalars(newest))


def columns(made: Made) -> dict[str, Any]:
    """The columns of an item that its de-identification fills."""
    return {
        "pipeline": made.pipeline,
        "digest": made.instance.digest,
        "PatientID": made.instance.PatientID,
        "SeriesInstanceUID": made.instance.SeriesInstanceUID,
        "SOPInstanceUID": made.instance.SOPInstanceUID,
        "instance": {name: getattr(made.instance, name) for name in INSTANCE},
        "findings": [asdict(finding) for finding in made.findings],
        "subject_mark": made.subject_mark,
    }


def _aside(set_aside: SetAside | None) -> dict[str, str]:
    return {"reason": set_aside.reason, "detail": set_aside.detail} if set_aside else {"reason": "", "detail": ""}


def _item(row: RowMapping) -> Item:
    return Item(
        id=row["id"],
        number=row["number"],
        state=State(row["state"]),
        set_aside=SetAside(Reason(row["reason"]), row["detail"]) if row["reason"] else None,
        source=row["source"],
        pipeline=row["pipeline"],
        size=row["size"],
        received=row["received"],
        changed=row["changed"],
        series=row["SeriesInstanceUID"],
        instance=Instance(**row["instance"]) if row["instance"] else None,
        table=ClinicalTable(**row["clinical"]) if row["clinical"] else None,
        findings=tuple(Finding(**{**each, "severity": Severity(each["severity"])}) for each in row["findings"]),
        subject_mark=row["subject_mark"],
        told=row["outline"],
    )
