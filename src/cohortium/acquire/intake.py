"""The one door into the spool for whatever comes by a connection: durable when `take` returns, or refused aloud."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cohortium.dicom.filemeta import is_dicom
from cohortium.errors import Refused, Unavailable
from cohortium.spool import Arrival, Came, Spool
from cohortium.values import Reason, SetAside, State

__all__ = ["Intake"]

HEAD = 256


@dataclass(frozen=True, slots=True)
class Intake:
    """Where one source hands over; `limit` and `reserve` are bytes: of a file at most, of disk to stay free."""

    spool: Spool
    came: Came
    limit: int
    reserve: int

    def take(self, name: str, content: Sequence[bytes | memoryview]) -> str:
        """Take in what the sender calls `name`, which is identifying; returns the item's id.

        `Unavailable` where there is no room now; `Refused` for what is no DICOM file or too large, which is accounted
        for without its bytes.
        """
        size = sum(map(len, content))
        found = Arrival(Path(f"{self.came.source}:{name}"), size, 0)
        if not is_dicom(b"".join(bytes(piece[:HEAD]) for piece in content)[:HEAD]):
            self.spool.refuse(found, self.came, State.NOT_DICOM, None)
            raise Refused("no DICOM file")
        if size > self.limit:
            self.spool.refuse(found, self.came, State.QUARANTINED, SetAside(Reason.TOO_LARGE))
            raise Refused(f"larger than the {self.limit} bytes of limits.file_megabytes")
        self.demand_room()
        return self.spool.accept(found, self.came, content)

    def demand_room(self) -> None:
        """`Unavailable` where less disk is free than is to stay free."""
        if shutil.disk_usage(self.spool.folder).free < self.reserve:
            raise Unavailable("less disk is free than limits.free_megabytes; nothing more is taken in")
