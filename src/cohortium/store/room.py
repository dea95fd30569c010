"""What keeps the data root from being written is one and the same answer, whoever noticed it: the system or SQLite."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from cohortium.errors import CohortiumError, Corrupt, Unavailable

__all__ = ["FULL", "room"]

FULL = "no space left below site.data; nothing is lost: free some space, then run the same command again"
SHUT = "site.data cannot be written; give this user the right to, then run the same command again"
BUSY = "another process is writing to the store; run the same command again"
DAMAGED = "the store below site.data is damaged; restore it from a backup"

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


@contextmanager
def room() -> Iterator[None]:
    """Run the block; raise `Unavailable` or `Corrupt` where the data root is the reason that it fails."""
    try:
        yield
    except OSError as error:
        if error.errno in SYSTEM:
            raise Unavailable(SYSTEM[error.errno]) from None
        raise
    except DBAPIError as error:
        kind, message = SQLITE.get(getattr(error.orig, "sqlite_errorname", ""), (None, ""))
        if kind:
            raise kind(message) from None
        raise
