"""A full disk is one and the same answer, whoever noticed it first: the system or SQLite."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError

from cohortium.errors import Unavailable

__all__ = ["FULL", "room"]

FULL = "no space left below site.data; nothing is lost: free some space, then run the same command again"
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def room() -> Iterator[None]:
    """Run the block; raise `Unavailable` where it fails for want of space, everything else as it is."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise Unavailable(FULL) from None
        raise
    except OperationalError as error:
        if getattr(error.orig, "sqlite_errorname", "") in ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_WRITE"):
            raise Unavailable(FULL) from None
        raise
