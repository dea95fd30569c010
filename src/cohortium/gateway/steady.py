"""Whether the date can be believed: nothing is deleted for its age because somebody set the clock."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Steady"]

LONG_ENOUGH = 3600.0  # seconds
TOLERANCE = 60.0  # seconds by which a clock that is kept right may be pushed


class Steady:
    """Compares the clock that shows the date with one that nobody sets; a jump, or a sleep, lets it begin anew."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._steady = wall, steady
        self._began = wall(), steady()

    def __call__(self) -> bool:
        """Whether both have gone alike for an hour."""
        wall, steady = self._wall() - self._began[0], self._steady() - self._began[1]
        if abs(wall - steady) > TOLERANCE:
            self._began = self._wall(), self._steady()
            return False
        return steady >= LONG_ENOUGH
