"""Where the images of a study are that a PACS listed: each one by the mark under which the spool knows it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from cohortium.spool.deliveries import Delivery
from cohortium.spool.states import KEEPS
from cohortium.spool.wanted import Counts, Held, Series, Study
from cohortium.store.schema import arrival, delivery, item
from cohortium.values import State

__all__ = ["Account", "account"]

TOGETHER = 400  # marks in one statement
UNCOMPARED = re.compile("^$|^[0-9a-f]+ status of success")  # receipts that no comparison stands behind
ON_THEIR_WAY = (State.RECEIVED, State.DEIDENTIFIED, State.OUTBOX)


@dataclass(frozen=True, slots=True)
class Account:
    """Counts of one study, and of its series in their order; `missing` are series with what of them has not arrived.

    `held` counts images by destination and what shows that they are there.
    `complete` names (pipeline, SeriesInstanceUID of what was made) of every series that is there as the PACS listed it.
    """

    counts: Counts
    series: tuple[Counts, ...]
    held: Held
    missing: tuple[Series, ...]
    complete: frozenset[tuple[str, str]]
    words: str
    is_over: bool  # whether everything that arrived has come to an end


@dataclass(frozen=True, slots=True)
class _Item:
    state: State
    place: tuple[str, str]
    is_made: bool
    receipts: tuple[tuple[str, str], ...]  # destination, what shows that it is there
    is_confirmed: bool


def account(connection: Connection, study: Study, marks: Mapping[str, Series]) -> Account:
    """Count what the PACS listed of the study; `marks` as of `Requests.marks`."""
    found = dict(_items(connection, list(marks)))
    absent: dict[str, list[tuple[str, str]]] = {}
    for mark, one in marks.items():
        if mark not in found:
            absent.setdefault(one.SeriesInstanceUID, []).extend(one.instances)
    unread = {marks[mark].SeriesInstanceUID for mark, each in found.items() if each.state is State.RECEIVED}
    complete = frozenset(
        each.place
        for mark, each in found.items()
        if each.is_made and marks[mark].SeriesInstanceUID not in absent.keys() | unread
    )
    there = (each for each in study.series if each.SeriesInstanceUID in absent)
    missing = tuple(replace(each, instances=tuple(absent[each.SeriesInstanceUID])) for each in there)
    states = Counter(each.state for each in found.values())
    is_over = not any(KEEPS[state] for state in states)
    by_series: dict[str, list[_Item]] = {}
    for mark, each in found.items():
        by_series.setdefault(marks[mark].SeriesInstanceUID, []).append(each)
    counts = _counts(study.listed, found.values())
    series = tuple(_counts(each.listed, by_series.get(each.SeriesInstanceUID, ())) for each in study.series)
    words = "; ".join(_words(study, counts, states))
    return Account(counts, series, _held(found.values()), missing, complete, words, is_over)


def _counts(listed: int, found: Collection[_Item]) -> Counts:
    return Counts(
        listed=listed,
        arrived=len(found),
        made=sum(each.is_made for each in found),
        aside=sum(each.state not in (*ON_THEIR_WAY, State.SENT) for each in found),
        sent=sum(each.state is State.SENT for each in found),
        confirmed=sum(each.is_confirmed for each in found),
    )


def _held(found: Collection[_Item]) -> Held:
    numbers = Counter(receipt for each in found for receipt in each.receipts)
    held: dict[str, dict[str, int]] = {}
    for (destination, how), number in sorted(numbers.items()):
        held.setdefault(destination, {})[how] = number
    return held


def _words(study: Study, counts: Counts, states: Mapping[State, int]) -> Iterator[str]:
    named = sum(len(each.instances) for each in study.series)
    told = sum(each.told for each in study.series if each.told is not None)
    for what, number in (("for the study", study.told), ("for its series", told or None)):
        if number is not None and named and number != named:
            yield f"the PACS tells {number} images {what}, and names {named}"
            break
    if not named and counts.listed:
        yield "the PACS does not name its images, so that nobody can tell which arrived"
    elif counts.arrived < counts.listed:
        yield f"{counts.listed - counts.arrived} of {counts.listed} images have not arrived"
    aside = {state: number for state, number in states.items() if state not in (*ON_THEIR_WAY, State.SENT)}
    yield from (f"{number} {state.value}" for state, number in sorted(aside.items()))
    if unconfirmed := counts.sent - counts.confirmed:
        yield f"of {unconfirmed} sent no digest was compared"


def _items(connection: Connection, marks: Sequence[str]) -> Iterator[tuple[str, _Item]]:
    """What came under each mark; where other bytes came under it later, the one that went furthest."""
    columns = arrival.c.path_mark, item.c.id, item.c.state, item.c.pipeline, item.c.SeriesInstanceUID, item.c.digest
    for start in range(0, len(marks), TOGETHER):
        some = marks[start : start + TOGETHER]
        came = select(*columns).join(item).where(arrival.c.path_mark.in_(some)).order_by(item.c.number.desc())
        rows = connection.execute(came).all()
        receipts: dict[str, list[tuple[str, str]]] = {}
        here = delivery.c.item_id.in_([row.id for row in rows if row.digest]), delivery.c.state == Delivery.SENT
        told = select(delivery.c.item_id, delivery.c.destination, delivery.c.receipt).where(*here)
        for id, destination, receipt in connection.execute(told):
            receipts.setdefault(id, []).append((destination, receipt))
        for row in sorted(rows, key=lambda row: bool(row.digest)):
            state, said = State(row.state), receipts.get(row.id, [])
            compared = state is State.SENT and not any(UNCOMPARED.search(receipt) for _, receipt in said)
            ways = tuple((destination, _how(receipt)) for destination, receipt in said)
            yield row.path_mark, _Item(state, (row.pipeline, row.SeriesInstanceUID), bool(row.digest), ways, compared)


def _how(receipt: str) -> str:
    """What a receipt says after the digest."""
    return receipt.partition(" ")[2] or "its word alone"
