"""Where the archive's bytes lie: a local folder, or a bucket (`bucket`). All sealed, under names that tell nothing.

`write` returns only after the bytes would survive a power cut. In a folder they are flushed to disk before they get
their name, and the folder after it; what is found in place is flushed too, and whoever finds it reads it back, for
earlier releases named first. Of what comes together each step is taken for all before the next, so that the disk
writes in one go and a folder is flushed once.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from io import FileIO
from itertools import count
from pathlib import Path
from typing import Protocol

from obstore.exceptions import BaseError

from cohortium.config import Config
from cohortium.errors import Corrupt, Refused, Unavailable
from cohortium.sealed import sync_folder
from cohortium.store.room import room

__all__ = ["Cold", "Folder", "Storage", "cut", "storage_of"]

CUT = "stored bytes end too soon; restore them from a backup"


class Cold(Unavailable):
    """The bytes are in cold storage, and have to be fetched from there first."""


class Storage(Protocol):
    """Sealed bytes by name. A name that is not there raises `FileNotFoundError`, one in cold storage `Cold`."""

    has_cold: bool  # whether anything can be in cold storage

    def cool(self, name: str) -> None:
        """Move the bytes to cold storage."""

    def fetch(self, name: str) -> None:
        """Have the bytes brought back from cold storage, for some days; that takes hours."""

    def write(self, name: str, content: bytes) -> bool:
        """Keep the bytes unless there are some of that name; returns whether there were none. Durable either way."""

    def write_all(self, contents: Iterable[tuple[str, bytes]]) -> list[bool]:
        """The same for several names, of which a crash may keep some."""

    def replace(self, name: str, content: bytes) -> None:
        """Keep these bytes in place of what is there."""

    def has(self, name: str) -> bool:
        """Whether there are bytes of that name."""

    def modified(self, name: str) -> datetime | None:
        """When they were written; None where there are none."""

    def read(self, name: str) -> memoryview:
        """All the bytes of that name."""

    def ranges(self, name: str, spans: Sequence[tuple[int, int]]) -> list[memoryview]:
        """The bytes [start, end) for each span, fewer where they end before; `Corrupt` where they end before it."""

    def remove(self, names: Iterable[str]) -> None:
        """Let go of these; of what is gone already, nothing is said."""

    def names(self, below: str = "") -> Iterator[tuple[str, int]]:
        """Every name that begins with `below`, a folder, and how many bytes it has; also what a killed writer left."""


def storage_of(config: Config) -> Storage:
    """Where the configuration says that the objects are."""
    from cohortium.archive.bucket import Bucket

    if config.store.objects:
        return Bucket(config.store, config.file.parent)
    return Folder(config.site.data / "objects")


class Folder:
    """A storage in one local folder."""

    has_cold = False

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = path
        self._synced: set[Path] = set()
        self._number = count()  # makes temporary names unlike

    def write(self, name: str, content: bytes) -> bool:
        (is_new,) = self.write_all([(name, content)])
        return is_new

    def write_all(self, contents: Iterable[tuple[str, bytes]]) -> list[bool]:
        with room(), self._written(contents) as parts:
            made = [_linked(part, path) for part, path in parts.items()]
            for path, is_new in zip(parts.values(), made, strict=True):
                if not is_new:
                    with contextlib.suppress(FileNotFoundError):  # let go of just now
                        _sync(path)
        self._sync_folders({path.parent for path in parts.values()})
        return made

    def replace(self, name: str, content: bytes) -> None:
        with room(), self._written([(name, content)]) as parts:
            for part, path in parts.items():
                part.replace(path)
        self._sync_folders({path.parent for path in parts.values()})

    def cool(self, name: str) -> None:
        raise Refused(f"a folder has no cold storage for {name[-12:]}; see store.cold_class")

    fetch = cool

    def has(self, name: str) -> bool:
        return (self.path / name).is_file()

    def modified(self, name: str) -> datetime | None:
        try:
            return datetime.fromtimestamp((self.path / name).stat().st_mtime, UTC)
        except FileNotFoundError:
            return None

    def read(self, name: str) -> memoryview:
        return memoryview((self.path / name).read_bytes())

    def ranges(self, name: str, spans: Sequence[tuple[int, int]]) -> list[memoryview]:
        with (self.path / name).open("rb", buffering=0) as file:
            return [_range(file, start, end) for start, end in spans]

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            path = self.path / name
            path.unlink(missing_ok=True)
            self._synced.discard(path.parent)
            with contextlib.suppress(OSError):  # others are kept beside it
                path.parent.rmdir()

    def names(self, below: str = "") -> Iterator[tuple[str, int]]:
        for folder, _, files in os.walk(self.path / below):
            for file in files:
                path = Path(folder, file)
                with contextlib.suppress(FileNotFoundError):
                    yield path.relative_to(self.path).as_posix(), path.stat().st_size

    @contextlib.contextmanager
    def _written(self, contents: Iterable[tuple[str, bytes]]) -> Iterator[dict[Path, Path]]:
        """The bytes durable under temporary names, by which is said where they go; nothing of that name stays."""
        parts: dict[Path, Path] = {}
        try:
            for name, content in contents:
                path = self.path / name
                part = path.with_name(f"{path.name}#{os.getpid()}-{next(self._number)}")
                parts[part] = path
                _write(part, content)
            for part in parts:
                _sync(part)
            yield parts
        finally:
            for part in parts:
                part.unlink(missing_ok=True)

    def _sync_folders(self, folders: Iterable[Path]) -> None:
        """Flush these, and those above them once."""
        for parent in folders:
            sync_folder(parent)
            for folder in (parent, *parent.parents):
                if folder in self._synced:
                    break
                self._synced.add(folder)
                if folder == self.path:
                    break
                sync_folder(folder.parent)


def _write(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    while True:
        with contextlib.suppress(FileNotFoundError):  # no folder yet, or `remove` found it empty just now
            descriptor = os.open(path, flags, 0o600)
            break
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        rest = memoryview(content)
        while rest:
            rest = rest[file.write(rest) :]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _linked(part: Path, path: Path) -> bool:
    """Give the bytes their name, unless there are some of that name."""
    try:
        os.link(part, path)  # unlike a rename, this never replaces what is there
    except FileExistsError:
        return False
    return True


def _range(file: FileIO, start: int, end: int) -> memoryview:
    file.seek(start)
    found = file.read(end - start)
    if not found and end > start:
        raise Corrupt(CUT)
    return memoryview(found)


def cut(error: BaseError) -> Exception:
    """`Corrupt` where the error says that the bytes end before those that were asked for; else the error."""
    return Corrupt(CUT) if "InvalidRange" in str(error) else error
