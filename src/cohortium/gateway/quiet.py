"""When a series is complete: no instance of it came for a while, or as many are there as the PACS announced."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

__all__ = ["Quiet"]


class Quiet:
    """Counts from what it saw itself, by a clock that nobody sets: after a restart every series is waited for anew."""

    def __init__(self, seconds: float, count: Callable[[str, str], int], clock: Callable[[], float] = monotonic):
        self._seconds = seconds
        self._count = count
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[int, float]] = {}

    def __call__(self, pipeline: str, SeriesInstanceUID: str) -> bool:
        """Whether the series of that pipeline has as many instances as it had for so many seconds."""
        series, now = (pipeline, SeriesInstanceUID), self._clock()
        number = self._count(pipeline, SeriesInstanceUID)
        before, since = self._seen.get(series, (-1, now))
        if number != before:
            self._seen[series] = (number, now)
            return self._seconds <= 0
        return now - since >= self._seconds

    def keep_only(self, waiting: set[tuple[str, str]]) -> None:
        """Forget every other series."""
        self._seen = {series: seen for series, seen in self._seen.items() if series in waiting}
