"""How the gateway is, for other processes: a small file beside the spool, and the wish that it drain."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cohortium.store import now

__all__ = ["Health", "Pulse", "ask_to_drain", "health"]

BEAT, DRAIN = "gateway.json", "gateway.drain"


@dataclass(frozen=True, slots=True)
class Health:
    """How the gateway was at `beat`; `trouble` maps what cannot do its work to why."""

    pid: int
    started: str
    beat: str
    trouble: dict[str, str] = field(default_factory=dict)


class Pulse:
    """Of the one gateway that is at work on this data root."""

    def __init__(self, data: Path) -> None:
        self._file, self._drain = data / BEAT, data / DRAIN
        self._started = now()
        self._trouble: dict[str, str] = {}
        self._lock = threading.Lock()

    def beat(self) -> None:
        """Say that it is alive."""
        with self._lock:
            told = Health(os.getpid(), self._started, now(), dict(self._trouble))
            part = self._file.with_suffix(".part")
            part.write_text(json.dumps(asdict(told)))
            part.replace(self._file)

    def trouble(self, what: str, why: str) -> None:
        """Say that a part cannot do its work."""
        with self._lock:
            self._trouble[what] = why

    def well(self, what: str) -> None:
        """Say that a part can."""
        with self._lock:
            self._trouble.pop(what, None)

    def is_draining(self) -> bool:
        """Whether it is to take nothing more in, send what it has, and stop."""
        return self._drain.exists()

    def drained(self) -> None:
        """Say that it did."""
        self._drain.unlink(missing_ok=True)


def health(data: Path) -> Health | None:
    """How the gateway of that data root was when it last said so; None where it never ran."""
    try:
        return Health(**json.loads((data / BEAT).read_text()))
    except FileNotFoundError:
        return None


def ask_to_drain(data: Path) -> None:
    """Let the gateway take nothing more in, send what it has, and stop."""
    (data / DRAIN).touch(mode=0o600)
