"""The one door into the spool for whatever comes by a connection: durable when it returns, or refused aloud."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Intake:
    """Where one source hands over; `limit` and `reserve` are bytes: of a file at most, of disk to stay free."""

    spool: Spool
    came: Came
    limit: int
    reserve: int

    def take(self, name: str, content: Sequence[bytes | memoryview]) -> str:
        """Take in the DICOM file that the sender calls `name`, which is identifying; returns the item's id.

        `Unavailable` where there is no room now; `Refused` for what is no DICOM file or too large, which is accounted
        for without its bytes.
        """
        head = b"".join(bytes(piece[:HEAD]) for piece in content)[:HEAD]
        found = self._found(name, sum(map(len, content)))
        return self._take(found, Kind.OTHER if kind_of(head) is Kind.PACKAGE else kind_of(head), content)

    def take_any(self, name: str, file: Package) -> int:
        """Take in whatever file it is, each file of a zip by itself; returns how many were DICOM.

        What is none is accounted for. `Unavailable` as `take`; `Refused` for what is too large, and for a zip that
        cannot be unpacked, which is set aside whole.
        """
        file.seek(0)
        head = file.read(HEAD)
        found, kind = self._found(name, file.size), kind_of(head)
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

    def _found(self, name: str, size: int) -> Arrival:
        return Arrival(Path(f"{self.came.source}:{name}"), size, 0)

    def _take(self, found: Arrival, kind: Kind, content: Iterable[bytes | memoryview]) -> str:
        if kind in WITHOUT_BYTES:
            self.spool.refuse(found, self.came, *WITHOUT_BYTES[kind])
            raise Refused(kind.value)
        if found.size > self.limit:
            self.spool.refuse(found, self.came, State.QUARANTINED, SetAside(Reason.TOO_LARGE))
            raise Refused(f"larger than the {self.limit} bytes of limits.file_megabytes")
        return self._put(found, self.came, content)

    def _put(self, found: Arrival, came: Came, content: Iterable[bytes | memoryview]) -> str:
        self.demand_room()
        return self.spool.accept(found, came, content)


def _pieces(file: Package) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece
