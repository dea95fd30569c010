"""Where the images of a study are that a PACS listed: each one by the mark under which the spool knows it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from cohortium.spool.requests import Counts, Series, Study
from cohortium.spool.states import KEEPS
from cohortium.store.schema import arrival, delivery, item
from cohortium.values import State

__all__ = ["Account", "account"]

TOGETHER = 400  # marks in one statement
UNCOMPARED = re.compile("^$|^[0-9a-f]+ status of success")  # receipts that no comparison stands behind
ON_THEIR_WAY = (State.RECEIVED, State.DEIDENTIFIED, State.OUTBOX)


@dataclass(frozen=True, slots=True)
class Account:
    """Counts of one study; `missing` are series of which instances have not arrived.

    `complete` names (pipeline, SeriesInstanceUID of what was made) of every series that is there as the PACS listed it.
    """

    counts: Counts
    missing: tuple[Series, ...]
    complete: frozenset[tuple[str, str]]
    words: str
    is_over: bool  # whether everything that arrived has come to an end


@dataclass(frozen=True, slots=True)
class _Item:
    state: State
    place: tuple[str, str]
    is_made: bool
    is_confirmed: bool


def account(connection: Connection, study: Study, marks: Mapping[str, Series]) -> Account:
    """Count what the PACS listed of the study; `marks` as of `Requests.marks`."""
    found = dict(_items(connection, list(marks)))
    absent = Counter(series.SeriesInstanceUID for mark, series in marks.items() if mark not in found)
    unread = {marks[mark].SeriesInstanceUID for mark, each in found.items() if each.state is State.RECEIVED}
    complete = frozenset(
        each.place
        for mark, each in found.items()
        if each.is_made and not absent[marks[mark].SeriesInstanceUID] and marks[mark].SeriesInstanceUID not in unread
    )
    missing = tuple(each for each in study.series if absent[each.SeriesInstanceUID])
    states = Counter(each.state for each in found.values())
    is_over = not any(KEEPS[state] for state in states)
    counts = Counts(
        listed=study.listed,
        arrived=len(found),
        made=sum(each.is_made for each in found.values()),
        aside=sum(number for state, number in states.items() if state not in (*ON_THEIR_WAY, State.SENT)),
        sent=states[State.SENT],
        confirmed=sum(each.is_confirmed for each in found.values()),
    )
    return Account(counts, missing, complete, "; ".join(_words(study, counts, states)), is_over)


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
        sent = [row.id for row in rows if row.state == State.SENT]
        receipts = select(delivery.c.item_id, delivery.c.receipt).where(delivery.c.item_id.in_(sent))
        open_ones = {row.item_id for row in connection.execute(receipts) if UNCOMPARED.search(row.receipt)}
        for row in sorted(rows, key=lambda row: bool(row.digest)):
            state = State(row.state)
            is_made = bool(row.digest)
            confirmed = state is State.SENT and row.id not in open_ones
            yield row.path_mark, _Item(state, (row.pipeline, row.SeriesInstanceUID), is_made, confirmed)
