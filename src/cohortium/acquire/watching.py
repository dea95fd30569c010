"""A folder looked through again and again: what is known costs a glance, and nothing is taken before it is whole.

What a file was like is kept in mind as a digest. Whether it still is written to is judged by this machine's own clock,
from one look to the next: a time stamp is that of another machine, or of the file that this is a copy of.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from time import monotonic

from cohortium.acquire.folder import Outcome, Seen, bring, demand_there, see, walk
from cohortium.acquire.intake import Intake
from cohortium.acquire.removing import Removal
from cohortium.config import Watched
from cohortium.errors import Unavailable
from cohortium.spool import BATCH

__all__ = ["Watch"]

GLANCE = 500  # files that the store is asked about at once
REST = 9  # times what a look took, after one that did not end well
AGAIN = 600.0  # seconds after which what could not be read is tried again


class Watch:
    """One folder, as it was seen since the gateway began."""

    def __init__(self, settings: Watched, intake: Intake, clock: Callable[[], float] = monotonic) -> None:
        self.intake = intake
        self._source, self._settle, self._clock = settings.path, settings.settle_seconds, clock
        self._is_mounted = settings.mount_point
        self._removal = Removal(settings.path, clock) if settings.remove else None
        self._problem, self._rest_until = "", 0.0
        self._known: set[bytes] | None = None  # nothing was looked at yet
        self._since: dict[bytes, float] = {}  # when what is not known yet was first seen as it is

    def look(self) -> Iterator[None]:
        """Bring in what is new and did not change for a while, and remove it where that is wanted.

        `Unavailable` where the folder is away, or does not let files be removed.
        """
        began = self._clock()
        if self._problem and began < self._rest_until:
            raise Unavailable(self._problem)
        self._demand_there()
        if self._known is None:
            self.intake.spool.forget_unread(self.intake.came.source)
            self._known = set()
        present: set[bytes] = set()
        files = walk(self._source)
        while batch := list(islice(files, GLANCE)):
            yield from self._glance(self._known, present, [seen for each in batch if (seen := see(*each))])
        self._demand_there()
        self._known &= present
        self._since = {mark: since for mark, since in self._since.items() if mark in present}
        self._problem = self._removal.carry_out() if self._removal else ""
        if self._problem:
            self._rest_until = self._clock() + REST * (self._clock() - began)
            raise Unavailable(self._problem)

    def _demand_there(self) -> None:
        """A share that went away leaves the empty folder at which it was mounted."""
        demand_there(self._source, mounted=self._is_mounted)
        self._is_mounted = self._is_mounted or os.path.ismount(self._source.resolve())

    def _glance(self, known: set[bytes], present: set[bytes], batch: list[Seen]) -> Iterator[None]:
        marks = {_mark(seen): seen for seen in batch}
        present.update(marks)
        fresh = {mark: seen for mark, seen in marks.items() if mark not in known and mark not in self._since}
        if not self._removal:  # else a new file may look like one that was removed
            there = self.intake.spool.known([seen.found for seen in fresh.values()])
            known.update(mark for mark, seen in fresh.items() if seen.found.path in there)
        now = self._clock()
        for mark in fresh.keys() - known:
            self._since[mark] = now
        ripe = [mark for mark in marks if now - self._since.get(mark, now + 1) >= self._settle]
        for start in range(0, len(ripe), BATCH):
            outcomes: list[tuple[Seen, Outcome]] = []
            some = [marks[mark] for mark in ripe[start : start + BATCH]]
            for seen, outcome in bring(some, self._source, self.intake.spool, self.intake.came, self.intake.limit):
                outcomes.append((seen, outcome))
                yield
            self._remember(known, outcomes)

    def _remember(self, known: set[bytes], outcomes: Sequence[tuple[Seen, Outcome]]) -> None:
        """To be called when all of them are durable; what is gone may come back as it was."""
        for seen, outcome in outcomes:
            mark = _mark(seen)
            del self._since[mark]
            if outcome in (Outcome.TAKEN, Outcome.LEFT):
                known.add(mark)
            elif outcome is Outcome.UNREADABLE:
                self._since[mark] = self._clock() + AGAIN
            if self._removal and outcome is Outcome.TAKEN:
                self._removal.add(seen)
        if self._removal:
            self._removal.carry_out()


def _mark(seen: Seen) -> bytes:
    """What the file is like; rights that changed count, for they may let it be read."""
    like = f"{seen.found.size} {seen.found.changed} {seen.touched} ".encode() + os.fsencode(seen.found.path)
    return blake2b(like, digest_size=16).digest()
