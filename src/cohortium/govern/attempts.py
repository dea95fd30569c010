"""Slows down guessing: after a few failed logins a name has to wait, longer each time.

The count lives in memory and is bounded. It never shows whether an account exists: every name is treated alike.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

__all__ = ["Attempts"]

FREE = 5  # failures before waiting starts
LONGEST = 300.0  # seconds
REMEMBERED = 10_000  # names


class Attempts:
    """Failed logins by name."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._lock = Lock()

    def begin(self, name: str) -> float:
        """Seconds to wait before another try; 0 when it may be made now; it counts as failed until `succeed`."""
        with self._lock:
            count, until = self._failed.get(name, (0, 0.0))
            now = self._clock()
            if now < until:
                return until - now
            wait = min(LONGEST, 2.0 ** (count + 1 - FREE)) if count + 1 >= FREE else 0.0
            self._failed[name] = (count + 1, now + wait)
            self._failed.move_to_end(name)
            if len(self._failed) > REMEMBERED:
                self._failed.popitem(last=False)
        return 0.0

    def succeed(self, name: str) -> None:
        """Forget the failures of this name."""
        with self._lock:
            self._failed.pop(name, None)
