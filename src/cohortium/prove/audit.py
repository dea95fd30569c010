"""The audit: append-only rows, each carrying the digest of the one before.

A row can be neither changed nor cut out unseen. That rows are missing at the end shows only to who noted an earlier
`head` elsewhere. Rows name people by login, objects by digest or UID; never a patient's value.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select

from cohortium.errors import Corrupt
from cohortium.prove.canonical import canonical
from cohortium.store import now
from cohortium.store.schema import audit

__all__ = ["count", "head", "record", "says", "verify_chain"]

FIELDS = ("time", "who", "what", "object", "previous")
START = "0" * 64


def record(connection: Connection, who: str, what: str, object: str) -> str:
    """Append a row in the caller's transaction, which holds the write lock; returns its digest."""
    row = {"time": now(), "who": who, "what": what, "object": object, "previous": head(connection)}
    digest = _digest(row)
    connection.execute(insert(audit).values(**row, digest=digest))
    return digest


def count(connection: Connection, what: str, since: str) -> int:
    """How many rows say `what` from the moment `since` on."""
    query = select(func.count()).select_from(audit).where(audit.c.what == what, audit.c.time >= since)
    return connection.scalar(query) or 0


def says(connection: Connection, what: str, object: str) -> bool:
    """Whether a row says `what` of `object`."""
    query = select(func.count()).select_from(audit).where(audit.c.what == what, audit.c.object == object)
    return bool(connection.scalar(query))


def head(connection: Connection) -> str:
    """Digest of the newest row: noted outside this store, it proves that nothing before it was removed."""
    return connection.scalar(select(audit.c.digest).order_by(audit.c.id.desc()).limit(1)) or START


def verify_chain(connection: Connection) -> int:
    """The number of rows, after every one was recomputed; `Corrupt` at the first that does not follow."""
    previous, count = START, 0
    for row in connection.execute(select(audit).order_by(audit.c.id)).mappings():
        if row["previous"] != previous or row["digest"] != _digest(row):
            raise Corrupt(f"audit row {row['id']} was changed, or rows before it were removed; compare with a backup")
        previous, count = row["digest"], count + 1
    return count


def _digest(row: dict[str, Any] | RowMapping) -> str:
    return sha256(canonical({key: row[key] for key in FIELDS}).encode()).hexdigest()
