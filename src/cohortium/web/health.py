"""For what watches over the machine. Anyone may ask, so the answer names what is missing by one word each: no version,
no path and no cause.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from secrets import token_bytes, token_hex
from threading import Lock
from time import monotonic

from fastapi import Request
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.datastructures import State
from starlette.responses import PlainTextResponse, Response

from cohortium.archive.datakeys import folder
from cohortium.archive.objects import Objects
from cohortium.errors import CohortiumError
from cohortium.gateway.state import unwell
from cohortium.store import is_ready

__all__ = ["LEAST_FREE", "Probe", "gateway", "live", "ready"]

LEAST_FREE = 256_000_000  # bytes on the disk of the data root
GOOD_FOR = 5.0  # seconds that one try of the objects answers for: asking costs nothing to who asks


class Probe:
    """Whether the archive's objects can be written, read and deleted, as tried at most every few seconds."""

    def __init__(self, objects: Objects) -> None:
        self._storage = objects.storage
        self._lock = Lock()
        self._tried = float("-inf")
        self._worked = False

    def works(self) -> bool:
        """Try, unless somebody just did."""
        with self._lock:
            if monotonic() - self._tried > GOOD_FOR:
                self._worked = self._try()
                self._tried = monotonic()
            return self._worked

    def _try(self) -> bool:
        name, content = f"{folder(0)}{token_hex(16)}", token_bytes(32)  # no data key has the number 0
        try:
            self._storage.write(name, content)
            same = bytes(self._storage.read(name)) == content
            self._storage.remove([name])
        except (CohortiumError, OSError):
            return False
        return same


async def live() -> Response:
    """200 as long as this process answers: where it does not, starting it anew helps."""
    return PlainTextResponse("live\n")


def ready(request: Request) -> Response:
    """200 while all that a request may need is there; else 503: requests had better go to another server."""
    missing = [name for name, is_there in NEEDS.items() if not is_there(request.app.state)]
    return PlainTextResponse(f"not ready: {', '.join(missing)}\n", 503) if missing else PlainTextResponse("ready\n")


def gateway(request: Request) -> Response:
    """200 while a gateway is at work and every part of it can do its work; else 503, and which kind of part cannot."""
    wrong = unwell(request.app.state.config)
    return PlainTextResponse(f"not well: {', '.join(wrong)}\n", 503) if wrong else PlainTextResponse("well\n")


def _store(state: State) -> bool:
    try:
        return is_ready(state.engine)
    except (CohortiumError, PoolTimeout):
        return False


def _objects(state: State) -> bool:
    works: bool = state.probe.works()
    return works


def _disk(state: State) -> bool:
    data: Path = state.config.site.data
    try:
        return shutil.disk_usage(data).free >= LEAST_FREE
    except OSError:
        return False


NEEDS: Mapping[str, Callable[[State], bool]] = {"store": _store, "objects": _objects, "disk": _disk}
