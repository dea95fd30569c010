"""Reads of images in the audit, without one row for each of the hundred frames that a viewer asks for.

A person who reads a scan makes a row at the first image, and another when they go on after a while: every read falls
within a few minutes after a row that names the person, the scan, from where and under which grant.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock

from fastapi import Request
from sqlalchemy import Engine

from cohortium.web.auth import record, user
from cohortium.web.credentials import address

__all__ = ["Watch", "note_read"]

SECONDS = 300.0
MOST = 10_000


class Watch:
    """Who read what a moment ago."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[int, str, str], float] = OrderedDict()
        self._lock = Lock()

    def is_new(self, who: int, where: str, what: str) -> bool:
        """Whether this read is to make a row; from then on it is known for a while."""
        key, moment = (who, where, what), time.monotonic()
        with self._lock:
            if moment < self._seen.get(key, 0.0):
                return False
            self._seen[key] = moment + SECONDS
            self._seen.move_to_end(key)
            if len(self._seen) > MOST:
                self._seen.popitem(last=False)
        return True


def note_read(request: Request, project_id: int, project: str, SeriesInstanceUID: str) -> None:
    """Let the audit say that the caller reads images of this scan."""
    watch: Watch = request.app.state.watch
    engine: Engine = request.app.state.engine
    what = f"{project}/{SeriesInstanceUID}"
    if watch.is_new(user(request).id, address(request), what):
        with engine.begin() as connection:
            record(request, connection, "read images", what, project_id)
