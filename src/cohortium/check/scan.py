"""A series with its files at hand: each read once, its header whole, its pixels not touched.

Reading is total: a file that is not to its last byte what it should be is read as far as pydicom can, and says so.
No message holds a value of the file.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cohortium.check.noticed import Notice, noticed
from cohortium.check.rule import Shown
from cohortium.check.series import Series
from cohortium.dicom import elements, meta
from cohortium.errors import Malformed
from cohortium.values import Instance

__all__ = ["Broken", "File", "Scan", "is_dicom", "middle", "opened", "read", "series_of", "unreadable"]

Content = bytes | mmap.mmap
PREFIX = 132  # bytes: the preamble and DICM
SERIES_INSTANCE_UID = 0x0020000E
LONGEST_UID = 64
ANOTHER_SYNTAX = (elements.BIG_ENDIAN, elements.DEFLATED)  # well formed, and not for the strict reader


@dataclass(frozen=True, slots=True)
class File:
    """One object of a series where it lies; `name` is its place below the delivery, and may identify.

    `notices` is None where its header could not be looked through.
    """

    path: Path
    name: str
    instance: Instance
    notices: frozenset[Notice] | None


@dataclass(frozen=True, slots=True)
class Broken:
    """A file that is not as DICOM files are: its place below the delivery, how, and its series if it can be told."""

    name: str
    problem: str
    SeriesInstanceUID: str = ""


@dataclass(frozen=True, slots=True)
class Scan:
    """A series as its files have it; a broken file is among `files` too where its header could be read."""

    SeriesInstanceUID: str
    series: Series
    files: tuple[File, ...]
    broken: tuple[Broken, ...]
    known: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)


@contextmanager
def opened(path: Path) -> Iterator[Content]:
    """The bytes of a regular file; a link, a pipe or a device is not opened (`OSError`)."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        if os.fstat(descriptor).st_size == 0:
            yield b""
        else:
            yield mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # closed when nothing looks at it any more


def is_dicom(content: Content) -> bool:
    """Whether the bytes call themselves DICOM."""
    return content[128:PREFIX] == b"DICM"


def series_of(content: Content) -> str:
    """The SeriesInstanceUID of a DICOM file; `Malformed` where it cannot be told."""
    try:
        found = elements.read(content).elements.get(SERIES_INSTANCE_UID, ("", b""))[1]
    except Malformed:
        return meta.describe(memoryview(content), "").SeriesInstanceUID
    UID = "" if isinstance(found, list) else bytes(found).decode("latin-1").strip("\0 ")
    if not 0 < len(UID) <= LONGEST_UID:
        raise Malformed("SeriesInstanceUID is missing or is none")
    return UID


def read(root: Path, SeriesInstanceUID: str, names: Iterable[str]) -> Scan:
    """The series whose files lie at `names` below `root`."""
    files, broken = [], []
    for name in names:
        problem = ""
        try:
            with opened(root / name) as content:
                instance, notices, problem = _described(content)
                files.append(File(root / name, name, instance, notices))
        except OSError as error:
            problem = unreadable(error)
        except Malformed as error:
            problem = str(error)
        if problem:
            broken.append(Broken(name, problem, SeriesInstanceUID))
    return Scan(SeriesInstanceUID, Series.of([file.instance for file in files]), tuple(files), tuple(broken))


def middle(scan: Scan) -> Shown:
    """The slice in the middle, for what is of the whole series."""
    stack = [plane.instance for plane in scan.series.planes] or list(scan.series.images)
    return [(each, "the middle of the series") for each in stack[len(stack) // 2 :][:1]]


def unreadable(error: OSError) -> str:
    """Why a file cannot be read, without its path, which the error carries."""
    return f"it cannot be read ({error.strerror or type(error).__name__})"


def _described(content: Content) -> tuple[Instance, frozenset[Notice] | None, str]:
    """What the object says of itself, what should not be in it, and what is wrong with its bytes."""
    try:
        file = elements.read(content)
        return meta.described(file, ""), noticed(file.elements), ""
    except Malformed as error:
        problem = str(error)
    instance = meta.describe(memoryview(content), "")
    if instance.TransferSyntaxUID not in ANOTHER_SYNTAX:
        return instance, None, problem
    with suppress(Malformed):  # pydicom reads more of such files than we do
        return instance, noticed(elements.read_any(content).elements), ""
    return instance, None, ""
