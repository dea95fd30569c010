"""A folder of files into the spool, every single one accounted for.

It follows no links: what one inside the folder points at is reached by its own path, and what lies outside was not
offered. So there are no loops. Devices and pipes are not opened for reading. A zip brings the files that are in it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from cohortium.acquire.kinds import HEAD, WITHOUT_BYTES, Kind, kind_of
from cohortium.acquire.unpacking import unpack
from cohortium.errors import Refused, Unavailable
from cohortium.spool import BATCH, Arrival, Came, Spool
from cohortium.values import Reason, SetAside, State
from cohortium.wire.packages import Opened

__all__ = ["Outcome", "Seen", "acquire", "bring", "count", "demand_there", "found", "see", "walk"]

PIECE = 1 << 20


class _Unreadable(Exception):
    """The file could not be read; not to be confused with a spool that cannot be written."""


class Outcome(Enum):
    """What came of a file: all of it that is wanted was taken in, or nothing can be, or it is to be tried again."""

    TAKEN = "taken"
    LEFT = "left"
    UNREADABLE = "unreadable"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was found; `problem` is what keeps it from being read, `touched` when its rights changed, too."""

    found: Arrival
    touched: int  # st_ctime_ns
    problem: str


class _Package(Opened):
    def read(self, size: int = -1, /) -> bytes:
        try:
            return super().read(size)
        except OSError as error:
            raise _Unreadable(_kind(error)) from None


def count(source: Path) -> int:
    """How many files `acquire` will account for."""
    return sum(1 for _ in walk(source))


def acquire(source: Path, spool: Spool, came: Came, limit: int) -> Iterator[None]:
    """Bring every file below `source` into the spool, unless it is there; one step of the iterator a file.

    Files of more than `limit` bytes are set aside.
    """
    spool.forget_unread(came.source)
    files = walk(source)
    while batch := list(islice(files, BATCH)):
        found = [seen for each in batch if (seen := see(*each))]
        there = spool.known([seen.found for seen in found])
        for _ in bring([seen for seen in found if seen.found.path not in there], source, spool, came, limit):
            yield
        yield from [None] * (len(batch) - len(found) + len(there))


def bring(batch: Sequence[Seen], root: Path, spool: Spool, came: Came, limit: int) -> Iterator[tuple[Seen, Outcome]]:
    """Bring those files in, and tell of each what came of it; durable when the iterator ends."""
    packages = []
    with spool.together():
        for seen in batch:
            try:
                outcome = None if seen.problem else _take(seen.found.path, spool, came, limit)
                problem = seen.problem
            except _Unreadable as error:
                outcome, problem = None, str(error)
            if problem:
                yield seen, _refused(seen, root, spool, came, problem)
            elif outcome:
                yield seen, outcome
            else:
                packages.append(seen)
    for seen in packages:
        try:
            yield seen, _unpack(seen.found.path, spool, came, limit)
        except _Unreadable as error:
            yield seen, _refused(seen, root, spool, came, str(error))


def demand_there(source: Path, *, mounted: bool = False) -> None:
    """`Unavailable` where the folder is away, as a share whose server does not answer, or that is not `mounted`."""
    try:
        os.scandir(source).close()
    except OSError as error:
        raise Unavailable(f"a source's folder cannot be read ({_kind(error)}); it is looked for again") from None
    if mounted and not os.path.ismount(source.resolve()):
        raise Unavailable("nothing is mounted at a source's folder; mount its share again")


def see(path: Path, problem: str) -> Seen | None:
    """What a file is like now; None where it is gone."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        return Seen(Arrival(path, 0, 0), 0, problem or _kind(error))
    return Seen(_arrival(path, status), status.st_ctime_ns, problem)


def found(source: Path) -> Iterator[Arrival]:
    """Every file below `source` as it stands there, unread."""
    return (seen.found for each in walk(source) if (seen := see(*each)))


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
        except FileNotFoundError:
            demand_there(root)
            continue  # gone since it was listed
        except OSError as error:
            demand_there(root)
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


def _take(path: Path, spool: Spool, came: Came, limit: int) -> Outcome | None:
    """Bring in the file; None where it is a package, which is to be unpacked."""
    if (opened := _open(path)) is None:
        return Outcome.GONE
    with opened as file:
        found = _arrival(path, os.fstat(file.fileno()))
        head = next(_pieces(file, HEAD), b"")
        kind = kind_of(head, path.name)
        if kind is Kind.PACKAGE:
            return None
        if kind in WITHOUT_BYTES:
            spool.refuse(found, came, *WITHOUT_BYTES[kind])
            return Outcome.TAKEN if kind is Kind.DIRECTORY else Outcome.LEFT
        if found.size > limit:
            spool.refuse(found, came, State.QUARANTINED, SetAside(Reason.TOO_LARGE))
            return Outcome.LEFT
        spool.receive(found, came, chain([head], _pieces(file, PIECE)))
        return Outcome.TAKEN


def _unpack(path: Path, spool: Spool, came: Came, limit: int) -> Outcome:
    """Bring in what is in the package."""
    if (opened := _open(path)) is None:
        return Outcome.GONE
    with opened as file, suppress(Refused):
        found = _arrival(path, os.fstat(file.fileno()))
        unpack(spool, found, came, _Package(file, found.size), limit, spool.receive)
        return Outcome.TAKEN
    return Outcome.LEFT


def _refused(seen: Seen, root: Path, spool: Spool, came: Came, problem: str) -> Outcome:
    """Say that the file cannot be read, unless that is so because the whole folder is away."""
    demand_there(root)
    spool.refuse(seen.found, came, State.QUARANTINED, SetAside(Reason.UNREADABLE, problem))
    return Outcome.UNREADABLE


def _open(path: Path) -> BinaryIO | None:
    """The file for reading, None where it is gone; a pipe or a link put in its place is not waited for."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _Unreadable(_kind(error)) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _Unreadable("neither a file nor a folder")
    return os.fdopen(descriptor, "rb", buffering=0)


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    try:
        while piece := file.read(size):
            yield piece
    except OSError as error:
        raise _Unreadable(_kind(error)) from None


def _arrival(path: Path, status: os.stat_result) -> Arrival:
    return Arrival(path, status.st_size, status.st_mtime_ns)


def _kind(error: OSError) -> str:
    """What went wrong, without the path that an error of the system carries."""
    return error.strerror or type(error).__name__
