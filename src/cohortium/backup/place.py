"""Where copies are kept: a folder or a bucket, named files in it, each whole or not there at all.

What always holds: a file appears under its name when all of its bytes are durable, and its owner alone can read it.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from cohortium.archive.storage import Storage
from cohortium.errors import Corrupt, Unavailable
from cohortium.sealed import sync_folder

__all__ = ["OBJECTS", "UNFINISHED", "Bucket", "Folder", "Missing", "Place"]

OBJECTS = "objects/"

PIECE = 1 << 20  # bytes read at once
LARGE = 16 << 20  # bytes asked of a bucket at once
UNFINISHED = ".unfinished"  # folder of files that are being written
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Missing(Corrupt):
    """There are no bytes of that name."""


class Place(Protocol):
    """Names are paths with `/`; a name is written once and then only replaced as a whole."""

    def sizes(self, below: str) -> dict[str, int]:
        """Every name that begins with `below` (a folder, with its `/`, or nothing), and how many bytes it has."""

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes in pieces; `Missing` where there are none of that name."""

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Put the bytes under the name, in place of what was there."""

    def settle(self) -> None:
        """Return when all names that were written would survive a power cut, as their bytes do already."""

    def delete(self, name: str) -> None:
        """Take the name away; nothing where it is not there."""


class Folder:
    """A folder of this machine, or one that it mounts; `what` names it in messages."""

    def __init__(self, root: Path, what: str) -> None:
        self._root = root
        self._what = what
        self._changed: set[Path] = set()

    def sizes(self, below: str) -> dict[str, int]:
        with self._in_words():
            return dict(self._walk(self._root / below, below))

    def read(self, name: str) -> Iterator[bytes]:
        with self._in_words(), self._open(name) as file:
            while piece := file.read(PIECE):
                yield piece

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        path, part = self._root / name, self._root / UNFINISHED / name.replace("/", "-")
        with self._in_words():
            for folder in (path.parent, part.parent):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                    file.writelines(pieces)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
            self._changed.add(path.parent)

    def settle(self) -> None:
        with self._in_words():
            shutil.rmtree(self._root / UNFINISHED, ignore_errors=True)
            for folder in {above for each in self._changed for above in (each, *each.parents)}:
                if folder.is_relative_to(self._root):
                    sync_folder(folder)
        self._changed.clear()

    def delete(self, name: str) -> None:
        with self._in_words():
            (self._root / name).unlink(missing_ok=True)

    def _open(self, name: str) -> BinaryIO:
        try:
            return (self._root / name).open("rb")
        except FileNotFoundError:
            raise Missing(f"{name} is missing in {self._what}") from None

    def _walk(self, folder: Path, prefix: str) -> Iterator[tuple[str, int]]:
        if not folder.is_dir():
            return
        for entry in os.scandir(folder):
            if entry.name.startswith(".") or "#" in entry.name:
                continue  # half-written, by this module or by the archive's
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(Path(entry.path), f"{prefix}{entry.name}/")
            elif entry.is_file(follow_symlinks=False):
                yield prefix + entry.name, entry.stat().st_size

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in FULL:
                raise Unavailable(f"no space left in {self._what}; make room and run the same command again") from None
            raise Unavailable(f"{self._what} cannot be used: {error.strerror}") from None


class Bucket:
    """A bucket that speaks S3, or another storage of the archive's; `what` names it in messages."""

    def __init__(self, storage: Storage, what: str) -> None:
        self._storage = storage
        self._what = what
        self._sizes: dict[str, int] = {}

    def sizes(self, below: str) -> dict[str, int]:
        found = dict(self._storage.names(below))
        self._sizes |= found
        return found

    def read(self, name: str) -> Iterator[bytes]:
        size = self._sizes.get(name, 0)
        try:
            if size <= LARGE:
                yield bytes(self._storage.read(name))
            for start in range(0, size if size > LARGE else 0, LARGE):
                yield bytes(self._storage.ranges(name, [(start, min(start + LARGE, size))])[0])
        except FileNotFoundError:
            raise Missing(f"{name} is missing in {self._what}") from None

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        self._storage.replace(name, b"".join(pieces))

    def settle(self) -> None:
        """What such a storage has taken is durable."""

    def delete(self, name: str) -> None:
        self._storage.remove([name])
