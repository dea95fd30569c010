"""How many requests a person, or an address, may make: a bucket of tokens for each, in the memory of this process.

A bucket holds a minute's worth and fills up evenly, so that a viewer may ask for five hundred frames at once and nobody
for ever. With N processes the most that gets through is N times the setting; what is read is bound by `quotas`, which
hold across processes.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

from cohortium.errors import Later

__all__ = ["Buckets", "TooFast"]

MOST = 10_000  # buckets; who was longest away is forgotten, whose bucket is full by then


class TooFast(Later):
    """Too many requests in too short a time."""


class Buckets:
    """A bucket for each who asks: so many requests a minute, 0 for any number."""

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = float(a_minute), clock
        self._held: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def take(self, who: Hashable) -> None:
        """Take one token; `TooFast` where there is none, with the time until there is."""
        if not self._most:
            return
        moment = self._clock()
        with self._lock:
            left, last = self._held.get(who, (self._most, moment))
            left = min(self._most, left + (moment - last) * self._most / 60)
            self._held[who] = (left - 1 if left >= 1 else left, moment)
            self._held.move_to_end(who)
            if len(self._held) > MOST:
                self._held.popitem(last=False)
        if left < 1:
            raise TooFast("Too many requests. Please wait before the next.", (1 - left) * 60 / self._most)
