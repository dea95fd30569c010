"""A folder of files into the spool, every single one accounted for.

It follows no links: what one inside the folder points at is reached by its own path, and what lies outside was not
offered. So there are no loops. Devices and pipes are not opened for reading. A zip brings the files that are in it.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from cohortium.acquire.kinds import HEAD, WITHOUT_BYTES, Kind, kind_of
from cohortium.acquire.unpacking import unpack
from cohortium.errors import Refused, Unavailable
from cohortium.spool import BATCH, Arrival, Came, Spool
from cohortium.values import Reason, SetAside, State
from cohortium.wire.packages import Opened

__all__ = ["acquire", "count", "found", "walk"]

PIECE = 1 << 20


class _Unreadable(Exception):
    """The file could not be read; not to be confused with a spool that cannot be written."""


class _Package(Opened):
    def read(self, size: int = -1, /) -> bytes:
        try:
            return super().read(size)
        except OSError as error:
            raise _Unreadable(_kind(error)) from None


def count(source: Path) -> int:
    """How many files `acquire` will account for."""
    return sum(1 for _ in walk(source))


def acquire(source: Path, spool: Spool, came: Came, limit: int, settle: float = 0) -> Iterator[None]:
    """Bring every file below `source` into the spool, unless it is there; one step of the iterator a file.

    Files of more than `limit` bytes are set aside; those that changed in the last `settle` seconds wait for another
    time.
    """
    spool.forget_unread(came.pipeline)
    files = walk(source)
    while batch := list(islice(files, BATCH)):
        packages = []
        with spool.together():
            for path, problem in batch:
                if problem:
                    spool.refuse(_stat(path), came, State.QUARANTINED, SetAside(Reason.UNREADABLE, problem))
                elif not (settle and _is_fresh(path, settle)) and _take(path, spool, came, limit) is Kind.PACKAGE:
                    packages.append(path)
                yield
        for path in packages:
            _unpack(path, spool, came, limit)


def found(source: Path) -> Iterator[Arrival]:
    """Every file below `source` as it stands there, unread."""
    return (_stat(path) for path, _ in walk(source))


def walk(source: Path) -> Iterator[tuple[Path, str]]:
    """(path, what keeps it from being read) of every file, always in the same order."""
    root = source.resolve()
    if not root.is_dir():
        raise Unavailable("a pipeline's source is not a folder; mount it, or mend `source` in the configuration")
    folders = [root]
    while folders:  # not by recursion, for folders can be nested deeper than calls
        folder = folders.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            yield folder, f"a folder that cannot be listed ({_kind(error)})"
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                continue
            problem = _problem(entry, root)
            if problem is not None:
                yield Path(entry.path), problem
        folders += [Path(entry.path) for entry in reversed(entries) if entry.is_dir(follow_symlinks=False)]


def _problem(entry: os.DirEntry[str], root: Path) -> str | None:
    """What keeps this entry, no folder, from being read; empty where nothing does, None where it does not count."""
    if not entry.is_symlink():
        return "" if entry.is_file(follow_symlinks=False) else "neither a file nor a folder"
    try:
        target = Path(entry.path).resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: a link that leads to itself, before Python 3.13
        return "a link that leads nowhere"
    return None if target.is_relative_to(root) else "a link that leads out of the source folder"


def _take(path: Path, spool: Spool, came: Came, limit: int) -> Kind | None:
    """Bring in the file, unless it is a package; what it is, where it had to be looked at."""
    found = _stat(path)
    if spool.knows(found):
        return None
    try:
        with _open(path) as file:
            found = _arrival(path, os.fstat(file.fileno()))
            head = file.read(HEAD)
            kind = kind_of(head)
            if kind in WITHOUT_BYTES:
                spool.refuse(found, came, *WITHOUT_BYTES[kind])
            elif kind is not Kind.PACKAGE and found.size > limit:
                spool.refuse(found, came, State.QUARANTINED, SetAside(Reason.TOO_LARGE))
            elif kind is not Kind.PACKAGE:
                spool.receive(found, came, _pieces(head, file))
            return kind
    except _Unreadable as error:
        spool.refuse(found, came, State.QUARANTINED, SetAside(Reason.UNREADABLE, str(error)))
        return None


def _unpack(path: Path, spool: Spool, came: Came, limit: int) -> None:
    found = _stat(path)
    try:
        with _open(path) as file, suppress(Refused):
            found = _arrival(path, os.fstat(file.fileno()))
            unpack(spool, found, came, _Package(file, found.size), limit, spool.receive)
    except _Unreadable as error:
        spool.refuse(found, came, State.QUARANTINED, SetAside(Reason.UNREADABLE, str(error)))


def _open(path: Path) -> BinaryIO:
    """The file for reading, if it still is a plain file; a pipe or a link put in its place is not waited for."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise _Unreadable(_kind(error)) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _Unreadable("neither a file nor a folder")
    return os.fdopen(descriptor, "rb", buffering=0)


def _pieces(head: bytes, file: BinaryIO) -> Iterator[bytes]:
    yield head
    try:
        while piece := file.read(PIECE):
            yield piece
    except OSError as error:
        raise _Unreadable(_kind(error)) from None


def _is_fresh(path: Path, settle: float) -> bool:
    """Whether it may still be written to; a time stamp of the future is none."""
    return 0 <= time.time() - _stat(path).changed / 1e9 < settle


def _stat(path: Path) -> Arrival:
    try:
        return _arrival(path, path.lstat())
    except OSError:  # gone since it was listed: opening it will say so
        return Arrival(path, 0, 0)


def _arrival(path: Path, status: os.stat_result) -> Arrival:
    return Arrival(path, status.st_size, status.st_mtime_ns)


def _kind(error: OSError) -> str:
    """What went wrong, without the path that an error of the system carries."""
    return error.strerror or type(error).__name__
