"""What must happen later, or again: one table, from which workers take jobs under a lease.

A job is known by its kind and arguments, so that asking twice makes one. Who takes it holds it for a while and renews
that while at work; where a worker dies, its lease ends and another takes the job. So a job may be begun twice, and what
it does must bear that; that it was done is written once, by who holds it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, delete, or_, select, update

from cohortium.store.engine import insert_once
from cohortium.store.schema import job

__all__ = ["Job", "Trouble", "done", "elect", "failed", "is_waiting", "lease", "put", "renew", "trouble", "troubles"]

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=10), timedelta(hours=1)  # before a try after a failure; doubles
ELECTION = "(election)"  # the kind of a row that is only ever held, never done


@dataclass(frozen=True, slots=True)
class Job:
    """A job that this worker holds; `tries` counts this one."""

    id: int
    kind: str
    arguments: Mapping[str, Any]
    tries: int
    holder: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """A job whose last try failed; `due` is None where it was given up."""

    kind: str
    tries: int
    why: str
    due: str | None


def put(
    connection: Connection, kind: str, arguments: Mapping[str, Any] | None = None, after: datetime | None = None
) -> None:
    """Ask for a job, at once or not before `after`, in the caller's transaction.

    One that waits already is done at the earlier of the two times; one that is being done is done once more; one that
    was given up is tried anew.
    """
    due = _text(after or _now())
    key, values = _key(kind, arguments or {}), {"kind": kind, "arguments": dict(arguments or {}), "due": due}
    if insert_once(connection, job, {"key": key, **values}):
        return
    free, tries = job.c.holder == "", case((job.c.due.is_(None), 0), else_=job.c.tries)
    waits = update(job).where(job.c.key == key, free)
    connection.execute(waits.values(due=_earlier(job.c.due, due), tries=tries))
    connection.execute(update(job).where(job.c.key == key, ~free).values(again=_earlier(job.c.again, due)))


def is_waiting(connection: Connection, kinds: Collection[str]) -> bool:
    """Whether a job of these kinds is due, for a look that writes nothing."""
    return connection.execute(select(job.c.id).where(_is_due(kinds, _text(_now()))).limit(1)).first() is not None


def lease(connection: Connection, kinds: Collection[str], lasting: timedelta) -> Job | None:
    """Take the job of these kinds that has been due longest; None where none is."""
    moment = _now()
    oldest = select(job.c.id).where(_is_due(kinds, _text(moment))).order_by(job.c.due, job.c.id).limit(1)
    holder = secrets.token_hex(16)
    taken = update(job).where(job.c.id == oldest.scalar_subquery())
    taken = taken.values(holder=holder, until=_text(moment + lasting), tries=job.c.tries + 1)
    row = connection.execute(taken.returning(job.c.id, job.c.kind, job.c.arguments, job.c.tries)).one_or_none()
    return Job(row.id, row.kind, row.arguments, row.tries, holder) if row else None


def renew(connection: Connection, held: Job, lasting: timedelta) -> bool:
    """Hold the job for longer; False where somebody else has it by now."""
    longer = update(job).where(*_held(held)).values(until=_text(_now() + lasting))
    return connection.execute(longer).rowcount == 1


def done(connection: Connection, held: Job, again: datetime | None = None) -> bool:
    """The job is done, and comes `again` if that is given; False where somebody else has it by now."""
    row = connection.execute(select(job.c.again).where(*_held(held))).one_or_none()
    if row is None:
        return False
    following = min((each for each in (row.again, again and _text(again)) if each), default=None)
    if following is None:
        connection.execute(delete(job).where(job.c.id == held.id))
    else:
        _free(connection, held, due=following, again=None, tries=0, why="")
    return True


def failed(connection: Connection, held: Job, why: str, *, retry: bool) -> None:
    """The job failed: it is tried again, later each time, or given up until somebody puts it again."""
    if retry:
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(held.tries - 1, 20))
        _free(connection, held, due=_text(_now() + wait), why=why[:255])
    else:
        _free(connection, held, due=job.c.again, again=None, why=why[:255])


def troubles(connection: Connection) -> list[Trouble]:
    """Jobs whose last try failed."""
    rows = connection.execute(select(job).where(job.c.why != "").order_by(job.c.id))
    return [Trouble(row.kind, row.tries, row.why, row.due) for row in rows]


def trouble(connection: Connection, kind: str, arguments: Mapping[str, Any]) -> Trouble | None:
    """What went wrong with a job at its last try, if anything did and it is not being tried again just now."""
    mine = job.c.key == _key(kind, arguments), job.c.why != "", job.c.holder == ""
    row = connection.execute(select(job).where(*mine)).one_or_none()
    return Trouble(row.kind, row.tries, row.why, row.due) if row else None


def elect(connection: Connection, holder: str, lasting: timedelta) -> bool:
    """Whether `holder` is the one elected: until that lease ends, and longer by each call."""
    key, moment = _key(ELECTION, {}), _now()
    insert_once(connection, job, {"key": key, "kind": ELECTION, "arguments": {}})
    mine = update(job).where(job.c.key == key, or_(job.c.holder == holder, job.c.until < _text(moment)))
    return connection.execute(mine.values(holder=holder, until=_text(moment + lasting))).rowcount == 1


def _is_due(kinds: Collection[str], moment: str) -> ColumnElement[bool]:
    return (job.c.due <= moment) & (job.c.until < moment) & job.c.kind.in_(kinds)


def _held(held: Job) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return job.c.id == held.id, job.c.holder == held.holder


def _free(connection: Connection, held: Job, **values: Any) -> None:
    connection.execute(update(job).where(*_held(held)).values(holder="", until="", **values))


def _earlier(column: ColumnElement[Any], moment: str) -> ColumnElement[Any]:
    return case((column < moment, column), else_=moment)


def _key(kind: str, arguments: Mapping[str, Any]) -> str:
    return sha256(json.dumps([kind, arguments], sort_keys=True).encode()).hexdigest()


def _now() -> datetime:
    return datetime.now(UTC)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")
