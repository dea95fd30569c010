"""A body that must be there as a whole before it can be read, as a zip must: sealed while it waits.

The key is in memory and nowhere else, and the file has no name, so that nothing can be read of it once it is closed.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile

from cohortium import sealed
from cohortium.errors import Malformed
from cohortium.store.room import room
from cohortium.wire.multipart import TooLarge
from cohortium.wire.packages import AT_ONCE

__all__ = ["Scratch"]

CHUNK = sealed.CHUNK
LARGEST = 1 << 36  # bytes of a body


class Scratch(io.RawIOBase):
    """Take pieces, `finish`, then read anywhere."""

    def __init__(self, folder: Path, demand_room: Callable[[], None]) -> None:
        self._demand_room = demand_room  # raises where the disk has none, whatever waits there
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115  closed with this
        self._key = os.urandom(32)
        self._tail = bytearray()
        self._at, self.size = 0, 0
        self._chunk: tuple[int, bytes] = (-1, b"")

    def take(self, piece: bytes) -> None:
        """The next piece of the body."""
        self._tail += piece
        self.size += len(piece)
        if self.size > LARGEST:
            raise TooLarge("the body is larger than what is taken")
        while len(self._tail) >= CHUNK:
            self._write(bytes(self._tail[:CHUNK]))
            del self._tail[:CHUNK]

    def finish(self) -> None:
        """The body is whole."""
        self._write(bytes(self._tail))
        self._tail.clear()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        if begin + offset < 0:
            raise Malformed("the body points to what lies before it")
        self._at = begin + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        """As many bytes as are asked for, or all that are left."""
        end = self.size if size < 0 else min(self.size, self._at + size)
        if end - self._at > AT_ONCE:
            raise TooLarge("a part of the body is larger than what is taken")
        found = bytearray()
        while self._at < end:
            number, skip = divmod(self._at, CHUNK)
            piece = self._opened(number)[skip : skip + end - self._at]
            found += piece
            self._at += len(piece)
        return bytes(found)

    def close(self) -> None:
        with room():  # what a full disk did not take is tried again here
            self._file.close()
        super().close()

    def _write(self, chunk: bytes) -> None:
        self._demand_room()
        with room():
            self._file.write(sealed.sealed(self._key, chunk))
            self._file.flush()

    def _opened(self, number: int) -> bytes:
        if self._chunk[0] != number:
            each = sealed.length(CHUNK)
            self._file.seek(number * each)
            whole = memoryview(self._file.read(each))
            size = min(CHUNK, self.size - number * CHUNK)
            content = b"".join(sealed.opened(self._key, size, whole[: sealed.HEAD], whole[sealed.HEAD :]))
            self._chunk = (number, content)
        return self._chunk[1]
