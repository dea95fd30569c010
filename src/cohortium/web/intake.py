"""What uploads may take of the machine: bytes in memory at once, over all requests of this process, and the disk.

An upload alone is bound by the largest file that the site takes; others wait outside while there is no room for theirs
too. The disk keeps a reserve, in which the store and whoever mends the machine can still work.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from cohortium.config import Config
from cohortium.errors import Unavailable
from cohortium.store.room import room

__all__ = ["Held", "Intake"]

MEGABYTE = 1_000_000
BUSY = "Other uploads fill the memory that this site gives them. Nothing is lost: send it again later."
FULL = "The disk of this site is nearly full, so nothing is taken now. Its administrator frees some space; try later."


class Intake:
    """The bounds of one process; any thread may ask."""

    def __init__(self, most: int, folder: Path, reserve: int) -> None:
        self._lock = Lock()
        self._most, self._folder, self._reserve = most, folder, reserve
        self._held = 0

    @classmethod
    def of(cls, config: Config) -> Intake:
        limits = config.limits
        return cls(limits.intake_megabytes * MEGABYTE, config.site.data, limits.free_megabytes * MEGABYTE)

    @contextmanager
    def holding(self) -> Iterator[Held]:
        """An upload, whose bytes count until it is done."""
        held = Held(self)
        try:
            yield held
        finally:
            self.count(held.size, 0)

    def demand_room(self) -> None:
        """Raise `Unavailable` where the disk has no more than its reserve."""
        with room():
            if self._reserve and shutil.disk_usage(self._folder).free < self._reserve:
                raise Unavailable(FULL)

    def count(self, before: int, size: int) -> None:
        """Of an upload that held `before` bytes so many are in memory now; `Unavailable` where that is too much."""
        with self._lock:
            self._held += size - before
            is_too_much = self._held > self._most and self._held > size > before
        if is_too_much:
            raise Unavailable(BUSY)


@dataclass(slots=True)
class Held:
    """One upload's bytes that are in memory."""

    intake: Intake
    size: int = 0

    def now(self, size: int) -> None:
        """So many they are from here on; `Unavailable` where there is no room for them, in memory or on the disk."""
        self.intake.demand_room()
        before, self.size = self.size, size
        self.intake.count(before, size)
