"""How the gateway is, for other processes: a small file beside the spool, and the wish that it drain."""

from __future__ import annotations

import json
import logging
import os
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic

from cohortium.gateway.notices import ALIVE, NOBODY, Notices
from cohortium.store import now

__all__ = ["Health", "Pulse", "ask_to_drain", "health", "is_asked_to_drain", "take_back"]

BEAT, DRAIN = "gateway.json", "gateway.drain"
SELDOM = 1.0  # seconds between two beats at least

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Health:
    """How the gateway was at `beat`; `trouble` maps what cannot do its work to why."""

    pid: int
    started: str
    beat: str
    trouble: dict[str, str] = field(default_factory=dict)


class Pulse:
    """Of the one gateway that is at work on this data root; each beat is for who started it, too."""

    def __init__(self, data: Path, tell: Notices = NOBODY) -> None:
        self._data, self._file = data, data / BEAT
        self._tell = tell
        self._started = now()
        self._next = 0.0
        self._trouble: dict[str, str] = {}
        self._lock = threading.Lock()

    def beat(self) -> None:
        """Say that it is alive, unless that was said a moment ago."""
        if monotonic() < self._next:
            return
        self._next = monotonic() + SELDOM
        self._tell(ALIVE)
        with self._lock:
            told = Health(os.getpid(), self._started, now(), dict(self._trouble))
            part = self._file.with_suffix(".part")
            part.write_text(json.dumps(asdict(told)))
            part.replace(self._file)

    def trouble(self, what: str, why: str) -> None:
        """Say that a part cannot do its work."""
        with self._lock:
            before = self._trouble.get(what)
            self._trouble[what] = why
        if why != before:
            log.error("%s: %s", what, why)

    def well(self, what: str) -> None:
        """Say that a part can."""
        with self._lock:
            before = self._trouble.pop(what, None)
        if before is not None:
            log.info("%s: well again", what)

    def is_draining(self) -> bool:
        """Whether it is to take nothing more in, send what it has, and stop."""
        return is_asked_to_drain(self._data)


def health(data: Path) -> Health | None:
    """How the gateway of that data root was when it last said so; None where it never ran."""
    try:
        return Health(**json.loads((data / BEAT).read_text()))
    except FileNotFoundError:
        return None


def ask_to_drain(data: Path) -> None:
    """Let the gateway take nothing more in, send what it has, and stop."""
    (data / DRAIN).touch(mode=0o600)


def is_asked_to_drain(data: Path) -> bool:
    """Whether somebody asked for that, and neither took it back nor had it done."""
    return (data / DRAIN).exists()


def take_back(data: Path) -> None:
    """Let the gateway go on as before, or be done with it."""
    (data / DRAIN).unlink(missing_ok=True)
