"""Slows down guessing: after a few failed logins one has to wait, longer each time.

Failures are counted in the store, so that neither a restart nor a second process forgets them: for a name at an
address, where the wait becomes long; for an address; and for a name from everywhere, where the wait stays short, so
that nobody can keep somebody else out. The store holds digests of names and addresses, swept after a day. Every name is
treated alike, whether or not an account has it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection, case, delete, select, update

from cohortium.store import insert_once
from cohortium.store.schema import attempt

__all__ = ["begin", "succeed"]

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Limit:
    """`free` failures, then a wait that doubles up to `longest` seconds."""

    kind: str
    free: int
    longest: float

    def wait(self, failed: int) -> float:
        return min(self.longest, 2.0 ** min(failed - self.free, 30)) if failed >= self.free else 0.0


PAIR, ADDRESS, NAME = Limit("pair", 5, 300.0), Limit("address", 50, 300.0), Limit("name", 50, 5.0)


def begin(connection: Connection, name: str, address: str, clock: Clock = lambda: datetime.now(UTC)) -> float:
    """Seconds to wait before another try; 0 when it may be made now; it counts as failed until `succeed`."""
    moment, marks = clock(), _marks(name, address)
    for mark in sorted(marks):  # in one order, so that two of these cannot wait for each other
        insert_once(connection, attempt, {"mark": mark, "failed": 0, "until": _text(moment)})
    rows = connection.execute(
        select(attempt).where(attempt.c.mark.in_(marks)).order_by(attempt.c.mark).with_for_update()
    ).all()
    waits = [(datetime.fromisoformat(row.until) - moment).total_seconds() for row in rows]
    if max(waits) > 0:
        return max(waits)
    for row in rows:
        until = _text(moment + timedelta(seconds=marks[row.mark].wait(row.failed + 1)))
        values = {"failed": row.failed + 1, "until": until}
        connection.execute(update(attempt).where(attempt.c.mark == row.mark).values(**values))
    return 0.0


def succeed(connection: Connection, name: str, address: str) -> None:
    """Forget the failures of this name at this address, and that this try counted elsewhere."""
    marks = _marks(name, address)
    pair = next(mark for mark, limit in marks.items() if limit is PAIR)
    connection.execute(delete(attempt).where(attempt.c.mark == pair))
    fewer = case((attempt.c.failed > 0, attempt.c.failed - 1), else_=0)
    connection.execute(update(attempt).where(attempt.c.mark.in_(marks)).values(failed=fewer))


def _marks(name: str, address: str) -> dict[str, Limit]:
    said = {PAIR: f"{name}\0{address}", ADDRESS: address, NAME: name}
    return {sha256(f"{limit.kind}\0{text}".encode()).hexdigest(): limit for limit, text in said.items()}


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")
