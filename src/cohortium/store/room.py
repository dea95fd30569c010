"""What keeps the store from working is told in one line, whoever noticed it: the system, SQLite or PostgreSQL."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import OperationalError, StatementError

from cohortium.errors import CohortiumError, Corrupt, Unavailable

__all__ = ["FULL", "SHUT", "in_words", "room"]

FULL = "no space left below site.data; nothing is lost: free some space, then run the same command again"
SHUT = "site.data cannot be written; give this user the right to, then run the same command again"
BUSY = "another process is writing to the store; run the same command again"
DAMAGED = "the store below site.data is damaged; restore it from a backup"
FULL_THERE = "no space left for the store's database; nothing is lost: free some space, then run the same command again"
NOT_THERE = "the store's database cannot be reached or refuses this user; look at store.url and at the server's log"
NO_RIGHT = "the user of store.url lacks a right in the store's database; let that user own it"
DAMAGED_THERE = "the store's database is damaged; restore it from a backup"

SYSTEM = {errno.ENOSPC: FULL, errno.EDQUOT: FULL, errno.EFBIG: FULL, errno.EACCES: SHUT, errno.EROFS: SHUT}
SQLITE: dict[str, tuple[type[CohortiumError], str]] = {
    "SQLITE_FULL": (Unavailable, FULL),
    "SQLITE_IOERR_SHMSIZE": (Unavailable, FULL),
    "SQLITE_IOERR_WRITE": (Unavailable, FULL),
    "SQLITE_READONLY": (Unavailable, SHUT),
    "SQLITE_CANTOPEN": (Unavailable, SHUT),
    "SQLITE_BUSY": (Unavailable, BUSY),
    "SQLITE_CORRUPT": (Corrupt, DAMAGED),
    "SQLITE_NOTADB": (Corrupt, DAMAGED),
}
POSTGRESQL: dict[str, tuple[type[CohortiumError], str]] = {  # by the first characters of SQLSTATE, longest first
    "53100": (Unavailable, FULL_THERE),
    "55P03": (Unavailable, BUSY),
    "42501": (Unavailable, NO_RIGHT),
    "3D000": (Unavailable, NOT_THERE),
    "25P03": (Unavailable, NOT_THERE),
    "XX001": (Corrupt, DAMAGED_THERE),
    "XX002": (Corrupt, DAMAGED_THERE),
    "08": (Unavailable, NOT_THERE),
    "28": (Unavailable, NOT_THERE),
    "40": (Unavailable, BUSY),
    "53": (Unavailable, NOT_THERE),
    "57P": (Unavailable, NOT_THERE),
}


@contextmanager
def room() -> Iterator[None]:
    """Run the block; raise `Unavailable` where the system, or SQLite itself, cannot write to the data root."""
    try:
        yield
    except OSError as error:
        if error.errno in SYSTEM:
            raise Unavailable(SYSTEM[error.errno]) from None
        raise
    except sqlite3.Error as error:
        if told := _of_sqlite(error):
            raise told from None
        raise


def in_words(context: ExceptionContext) -> BaseException | None:
    """SQLAlchemy's event `handle_error`: what to raise instead of the driver's error, if that is nobody's mistake.

    What stays an error of the driver's loses PostgreSQL's message, which quotes values that collide or do not parse.
    """
    error = context.original_exception
    if context.dialect.name == "sqlite":
        return _of_sqlite(error)
    state = getattr(error, "sqlstate", None)
    if context.is_pre_ping:
        return None  # a connection that ended meanwhile: the pool makes another
    if state is None and isinstance(context.sqlalchemy_exception, OperationalError):
        return Unavailable(NOT_THERE)  # no server ever answered
    for prefix, (kind, message) in POSTGRESQL.items():
        if str(state).startswith(prefix):
            return kind(message)
    _silence(error, context.sqlalchemy_exception)
    return None


def _of_sqlite(error: BaseException) -> CohortiumError | None:
    kind, message = SQLITE.get(getattr(error, "sqlite_errorname", ""), (None, ""))
    return kind(message) if kind else None


def _silence(error: BaseException, wrapped: StatementError | None) -> None:
    where = getattr(getattr(error, "diag", None), "constraint_name", None) or "no constraint"
    error.args = (f"SQLSTATE {getattr(error, 'sqlstate', None)}, {where}",)
    if wrapped is not None:
        wrapped.args = (f"({type(error).__name__}) {error.args[0]}",)
