"""When a series is complete: no instance of it came for a while, or as many are there as the PACS announced."""

from __future__ import annotations

from collections.abc import Callable, Collection
from time import monotonic

__all__ = ["Quiet"]


class Quiet:
    """Counts from what it saw itself, by a clock that nobody sets: after a restart every series is waited for anew."""

    def __init__(self, seconds: float, count: Callable[[str, str], int], clock: Callable[[], float] = monotonic):
        self._seconds = seconds
        self._count = count
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[int, float]] = {}
        self._complete: set[tuple[str, str]] = set()

    def tell(self, complete: Collection[tuple[str, str]]) -> None:
        """These series have as many instances as they were announced with: nothing is waited for."""
        self._complete.update(complete)

    def __call__(self, pipeline: str, SeriesInstanceUID: str) -> bool:
        """Whether the series of that pipeline is told to be complete, or has not grown for so many seconds."""
        series, now = (pipeline, SeriesInstanceUID), self._clock()
        if series in self._complete:
            return True
        number = self._count(pipeline, SeriesInstanceUID)
        before, since = self._seen.get(series, (-1, now))
        if number != before:
            self._seen[series] = (number, now)
            return self._seconds <= 0
        return now - since >= self._seconds

    def keep_only(self, waiting: set[tuple[str, str]]) -> None:
        """Forget every other series."""
        self._seen = {series: seen for series, seen in self._seen.items() if series in waiting}
        self._complete &= waiting
