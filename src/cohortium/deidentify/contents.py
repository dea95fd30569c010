"""The bytes of input files: small ones in memory that is used again for the next, large ones mapped."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

__all__ = ["Buffer", "Reading"]

MAPPED = 1 << 26  # larger files are mapped instead of read


class Buffer:
    """Hands out a file's bytes: small files in memory that is used again for the next, large ones mapped."""

    def __init__(self) -> None:
        self.memory = bytearray(1 << 20)

    def reading(self, path: Path) -> Reading:
        return Reading(self, path)


class Reading:
    """A context in which a file's bytes are at hand."""

    def __init__(self, buffer: Buffer, path: Path) -> None:
        self.buffer = buffer
        self.descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
        self.map: mmap.mmap | None = None

    def __enter__(self) -> memoryview:
        size = os.fstat(self.descriptor).st_size
        if size > MAPPED:
            self.map = mmap.mmap(self.descriptor, 0, access=mmap.ACCESS_READ)
            return memoryview(self.map)
        if size > len(self.buffer.memory):
            self.buffer.memory = bytearray(size)
        view = memoryview(self.buffer.memory)
        filled = 0
        with open(self.descriptor, "rb", buffering=0, closefd=False) as file:
            while filled < size:
                count = file.readinto(view[filled:size])
                if not count:
                    break
                filled += count
        return view[:filled]

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)
