"""The last lines of the log, for the portal of the same process. What Cohortium logs never holds a patient's value."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["Line", "kept", "lines"]

MOST = 500
LOGGER = logging.getLogger("cohortium")


@dataclass(frozen=True, slots=True)
class Line:
    """`level` as logging names it."""

    time: str
    level: str
    text: str


class _Ring(logging.Handler):
    """Only messages, never tracebacks: these quote what was worked on."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: deque[Line] = deque(maxlen=MOST)

    def emit(self, record: logging.LogRecord) -> None:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="seconds")
        self.lines.append(Line(moment, record.levelname, record.getMessage()))


@contextmanager
def kept() -> Iterator[None]:
    """Keep the last lines while the block runs; they are still written wherever they were written before."""
    ring = _Ring()
    if not LOGGER.hasHandlers() and logging.lastResort:
        LOGGER.addHandler(logging.lastResort)  # which a first handler would silence
    LOGGER.addHandler(ring)
    try:
        yield
    finally:
        LOGGER.removeHandler(ring)
        if logging.lastResort:
            LOGGER.removeHandler(logging.lastResort)


def lines() -> list[Line] | None:
    """The last lines, the newest first; None where no gateway is at work in this process."""
    ring = next((each for each in LOGGER.handlers if isinstance(each, _Ring)), None)
    return None if ring is None else list(reversed(ring.lines))
