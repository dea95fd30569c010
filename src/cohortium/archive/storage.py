"""Where the archive's bytes lie: a local folder, or a bucket (`bucket`). All sealed, under names that tell nothing.

`write` returns only after the bytes would survive a power cut. obstore writes under a temporary name and renames, but
flushes nothing to disk, so a name may outlive its bytes; therefore what is found in place is flushed too, and whoever
finds it reads it back: its writer may have been killed before. A folder's files are read without obstore, whose threads
cost more than the reading.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Protocol

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, GenericError
from obstore.store import LocalStore

from cohortium.config import Config
from cohortium.errors import Corrupt, Refused, Unavailable
from cohortium.sealed import sync_folder
from cohortium.store.room import FULL, SHUT

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
        self._store = LocalStore(path)
        self._synced: set[Path] = set()

    def write(self, name: str, content: bytes) -> bool:
        try:
            obstore.put(self._store, name, content, mode="create", use_multipart=False)
        except AlreadyExistsError:
            self._make_durable(name)
            return False
        except GenericError as error:
            raise _full(error) from None
        self._make_durable(name)
        return True

    def replace(self, name: str, content: bytes) -> None:
        try:
            obstore.put(self._store, name, content, use_multipart=False)
        except GenericError as error:
            raise _full(error) from None
        self._make_durable(name)

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
            with contextlib.suppress(OSError):  # others are kept beside it
                path.parent.rmdir()
                self._synced.discard(path.parent)

    def names(self, below: str = "") -> Iterator[tuple[str, int]]:
        for folder, _, files in os.walk(self.path / below):
            for file in files:
                path = Path(folder, file)
                with contextlib.suppress(FileNotFoundError):
                    yield path.relative_to(self.path).as_posix(), path.stat().st_size

    def _make_durable(self, name: str) -> None:
        path = self.path / name
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(path.parent)
        for folder in (path.parent, *path.parent.parents):
            if folder in self._synced:
                break
            self._synced.add(folder)
            if folder == self.path:
                break
            sync_folder(folder.parent)


def _range(file: FileIO, start: int, end: int) -> memoryview:
    file.seek(start)
    found = file.read(end - start)
    if not found and end > start:
        raise Corrupt(CUT)
    return memoryview(found)


def cut(error: BaseError) -> Exception:
    """`Corrupt` where the error says that the bytes end before those that were asked for; else the error."""
    return Corrupt(CUT) if "InvalidRange" in str(error) else error


def _full(error: GenericError) -> Exception:
    return Unavailable(FULL if "StorageFull" in str(error) else SHUT)
