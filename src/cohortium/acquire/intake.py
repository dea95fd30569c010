"""The one door into the spool for whatever comes by a connection: durable when it returns, or refused aloud."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from cohortium.acquire.kinds import HEAD, WITHOUT_BYTES, Kind, kind_of
from cohortium.acquire.unpacking import unpack
from cohortium.errors import Refused, Unavailable
from cohortium.spool import Arrival, Came, Spool
from cohortium.values import Reason, SetAside, State
from cohortium.wire.packages import Package

__all__ = ["Intake"]

PIECE = 1 << 20


class _TooLarge(Exception):
    """There is more of it than may be taken in."""


@dataclass(frozen=True, slots=True)
class Intake:
    """Where one source hands over; `limit` and `reserve` are bytes: of a file at most, of disk to stay free."""

    spool: Spool
    came: Came
    limit: int
    reserve: int

    def take(self, name: str, content: Iterable[bytes | memoryview]) -> str:
        """Take in what the sender calls `name`, which is identifying; returns the item's id.

        The content may still be on its way: it is sealed piece by piece, and never lies in memory as a whole. What it
        raises passes through, and nothing remains. `Unavailable` where there is no room now; `Refused` for what is no
        DICOM file or too large, which is accounted for without its bytes; the rest of `content` is then left.
        """
        pieces = iter(content)
        head = _head(pieces)
        kind = kind_of(b"".join(head)[:HEAD])
        return self._take(self.found(name, 0), Kind.OTHER if kind is Kind.PACKAGE else kind, chain(head, pieces))

    def take_any(self, name: str, file: Package) -> int:
        """Take in whatever file it is, each file of a zip by itself; returns how many were DICOM, or clinical tables.

        What is neither is accounted for. `Unavailable` as `take`; `Refused` for what is too large, and for a zip that
        cannot be unpacked, which is set aside whole.
        """
        file.seek(0)
        head = file.read(HEAD)
        found, kind = self.found(name, file.size), kind_of(head, name)
        if kind is Kind.PACKAGE:
            self.demand_room()
            return unpack(self.spool, found, self.came, file, self.limit, self._put)
        if kind in WITHOUT_BYTES:
            self.spool.refuse(found, self.came, *WITHOUT_BYTES[kind])
            return 0
        self._take(found, kind, chain([head], _pieces(file)))
        return 1

    def demand_room(self) -> None:
        """`Unavailable` where less disk is free than is to stay free."""
        if shutil.disk_usage(self.spool.folder).free < self.reserve:
            raise Unavailable("less disk is free than limits.free_megabytes; nothing more is taken in")

    def found(self, name: str, size: int) -> Arrival:
        """As what the spool knows it."""
        return Arrival(Path(f"{self.came.source}:{name}"), size, 0)

    def _take(self, found: Arrival, kind: Kind, content: Iterable[bytes | memoryview]) -> str:
        if kind in WITHOUT_BYTES:
            whole = replace(found, size=sum(map(len, content)))
            self.spool.refuse(whole, self.came, *WITHOUT_BYTES[kind])
            raise Refused(kind.value)
        try:
            return self._put(found, self.came, _at_most(self.limit, content))
        except _TooLarge:
            more = replace(found, size=max(found.size, self.limit + 1))
            self.spool.refuse(more, self.came, State.QUARANTINED, SetAside(Reason.TOO_LARGE))
            raise Refused(f"larger than the {self.limit} bytes of limits.file_megabytes") from None

    def _put(self, found: Arrival, came: Came, content: Iterable[bytes | memoryview]) -> str:
        self.demand_room()
        return self.spool.accept(found, came, content)


def _pieces(file: Package) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece


def _head(pieces: Iterator[bytes | memoryview]) -> list[bytes | memoryview]:
    """The first pieces, of as many bytes as tell what it is."""
    head: list[bytes | memoryview] = []
    while sum(map(len, head)) < HEAD and (piece := next(pieces, None)) is not None:
        head.append(piece)
    return head


def _at_most(limit: int, pieces: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    for piece in pieces:
        limit -= len(piece)
        if limit < 0:
            raise _TooLarge
        yield piece
