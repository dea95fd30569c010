"""A file while a sender writes it: sealed in the spool, and gone with the one who wrote it unless it was taken in."""

from __future__ import annotations

import os

from cohortium.acquire.intake import Intake
from cohortium.errors import Refused
from cohortium.spool import Scratch

__all__ = ["Writing"]

AHEAD = 1 << 25  # bytes that may come before those in front of them: senders write many blocks at once


class Writing:
    """Takes blocks in about the order of the file."""

    def __init__(self, name: bytes, intake: Intake) -> None:
        self.name = name
        self._intake = intake
        self._scratch = Scratch(intake.spool.folder, intake.demand_room)
        self._ahead: dict[int, bytes] = {}
        self._waiting = 0

    @property
    def size(self) -> int:
        """Bytes that it has, holes included."""
        return max([self._scratch.size, *(at + len(data) for at, data in self._ahead.items())])

    def write(self, offset: int, data: bytes) -> None:
        """The bytes from there on; `Refused` where some were written before, or too far ahead of the others."""
        if offset < self._scratch.size or offset in self._ahead:
            raise Refused("what was written is not written again")
        if offset > self._scratch.size:
            self._waiting += len(data)
            if self._waiting > AHEAD:
                raise Refused("its blocks come too far from their order")
            self._ahead[offset] = data
            return
        self._scratch.take(data)
        while (following := self._ahead.pop(self._scratch.size, None)) is not None:
            self._waiting -= len(following)
            self._scratch.take(following)

    def take(self, name: bytes) -> int:
        """All of it is there: take it in under that name; returns how many DICOM files it was."""
        if self._ahead:
            raise Refused("a part of it is missing")
        self._scratch.finish()
        return self._intake.take_any(os.fsdecode(name), self._scratch)

    def close(self) -> None:
        """Let go of it."""
        self._scratch.close()
