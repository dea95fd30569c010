"""A delivery: where its series, clinical tables and metadata lie, found out by one look at every file.

What always holds: every file below the folder is accounted for as part of a series, as a table, as metadata or
association table, or among the strays and the broken; of a slice no more is kept than its place. Links are not
followed. A series may lie elsewhere, too, and be brought when it is looked at (`Source`).
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from cohortium.check import naming, scan, sheet
from cohortium.check.outline import Outline
from cohortium.errors import ConfigError, Malformed

__all__ = [
    "FIRST_LINE",
    "Delivery",
    "Folder",
    "Here",
    "Kind",
    "Patient",
    "Place",
    "Progress",
    "Source",
    "Table",
    "find",
    "kind_of",
]

Progress = Callable[[str, int, int], None]
BATCH = 256  # files that a worker looks at in one go
FIRST_LINE = 1 << 14
METADATA = frozenset({"patient", "study_uid", "series_uid"})  # columns by which the metadata are known
ASSOCIATION = frozenset({"order", "relative_day"})  # one of them, by which an association table is known


@dataclass(frozen=True, slots=True)
class Place:
    """Where the files of a series lie: folders below the delivery, each with the names of its files."""

    SeriesInstanceUID: str
    parts: Mapping[str, tuple[str, ...]]

    def names(self) -> Iterator[str]:
        """Of each file, below the delivery."""
        return (f"{folder}/{name}" if folder else name for folder, names in self.parts.items() for name in names)


@dataclass(frozen=True, slots=True)
class Here:
    """Files of a series at hand: their names below a folder."""

    root: Path
    names: tuple[str, ...]


class Source(Protocol):
    """Where the files of series are taken from; it goes to workers with the work."""

    def at_hand(self, place: Place, most: int | None = None) -> AbstractContextManager[Here]:
        """The files of a series, or the first few of them, while the block runs."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder in which every series lies."""

    root: Path

    @contextmanager
    def at_hand(self, place: Place, most: int | None = None) -> Iterator[Here]:
        """They lie there."""
        yield Here(self.root, tuple(islice(place.names(), most)))


@dataclass(frozen=True, slots=True)
class Table:
    """A clinical table, called {partner}_{domain}.csv or .xpt; `domain` is in capitals."""

    path: Path
    name: str
    partner: str
    domain: str
    known: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Patient:
    """One patient identifier and the outlines of its series."""

    PatientID: str
    outlines: tuple[Outline, ...]
    known: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What lies where; `outlines` are there once every series was looked at.

    Tables and metadata lie below `root`, series come from `source`.
    """

    root: Path
    source: Source
    places: tuple[Place, ...]
    tables: tuple[Table, ...]
    metadata: tuple[str, ...]
    strays: tuple[str, ...]
    broken: tuple[scan.Broken, ...]
    associations: tuple[str, ...] = ()
    outlines: tuple[Outline, ...] = ()
    known: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def patients(self) -> Iterator[Patient]:
        """Each patient identifier with its series, in order."""
        groups: dict[str, list[Outline]] = defaultdict(list)
        for outline in self.outlines:
            for PatientID in outline.patients:
                groups[PatientID].append(outline)
        return (Patient(PatientID, tuple(groups[PatientID])) for PatientID in sorted(groups))


class Kind(Enum):
    """What a file is."""

    SERIES = 1
    TABLE = 2
    METADATA = 3
    STRAY = 4
    BROKEN = 5
    ASSOCIATION = 6


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at a file told: what it is, and the SeriesInstanceUID or what is wrong."""

    kind: Kind
    detail: str = ""


def find(root: Path, executor: Executor | None, progress: Progress) -> Delivery:
    """Look at every file below `root` once."""
    root = root.resolve()
    if not root.is_dir():
        raise ConfigError("FOLDER is not a folder")
    names = list(_walk(root))
    batches = [names[at : at + BATCH] for at in range(0, len(names), BATCH)]
    series: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    of_kind: dict[Kind, list[tuple[str, str]]] = defaultdict(list)
    done = 0
    for batch, looks in zip(batches, (executor.map if executor else map)(partial(_look, root), batches), strict=True):
        for name, seen in zip(batch, looks, strict=True):
            if seen.kind is Kind.SERIES:
                folder, _, file = name.rpartition("/")
                series[seen.detail][folder].append(file)
            else:
                of_kind[seen.kind].append((name, seen.detail))
        progress("files", done := done + len(batch), len(names))
    return Delivery(
        root=root,
        source=Folder(root),
        places=tuple(Place(uid, {at: tuple(files) for at, files in series[uid].items()}) for uid in sorted(series)),
        tables=tuple(_table(root, name) for name, _ in of_kind[Kind.TABLE]),
        metadata=tuple(name for name, _ in of_kind[Kind.METADATA]),
        associations=tuple(name for name, _ in of_kind[Kind.ASSOCIATION]),
        strays=tuple(name for name, _ in of_kind[Kind.STRAY]),
        broken=tuple(scan.Broken(*each) for each in of_kind[Kind.BROKEN]),
    )


def _walk(root: Path) -> Iterator[str]:
    """Every file below `root`, links and devices too, always in the same order; folders may nest deeper than calls."""
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            entries = sorted(os.scandir(root / folder), key=lambda entry: os.fsencode(entry.name))
        except OSError:
            yield folder  # it will be found unreadable
            continue
        below = []
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                below.append(name)
            else:
                yield name
        folders += reversed(below)


def _look(root: Path, names: Sequence[str]) -> list[Seen]:
    return [_seen(root / name) for name in names]


def _seen(path: Path) -> Seen:
    try:
        with scan.opened(path) as content:
            if scan.is_dicom(content):
                return Seen(Kind.SERIES, scan.series_of(content))
            head = bytes(content[:FIRST_LINE])
    except Malformed as error:
        return Seen(Kind.BROKEN, str(error))
    except OSError as error:
        return Seen(Kind.BROKEN, scan.unreadable(error))
    if path.suffix.lower() == ".dcm":
        return Seen(Kind.BROKEN, "it is called .dcm and is not a DICOM Part 10 file" if head else "it is empty")
    return Seen(kind_of(path.name, head))


def kind_of(name: str, head: bytes) -> Kind:
    """What a file is that is no DICOM, by its name and how it begins."""
    kind = _kind(sheet.heading(head)) if name.lower().endswith(".csv") else None
    return kind or (Kind.TABLE if naming.table(name) else Kind.STRAY)


def _kind(columns: Set[str]) -> Kind | None:
    """Of a CSV with such columns; the metadata table may have those of an association table, too."""
    scans = METADATA - {"patient"}
    if {"patient"} <= columns and columns & scans and columns & ASSOCIATION and "slices_number" not in columns:
        return Kind.ASSOCIATION
    return Kind.METADATA if columns >= METADATA else None


def _table(root: Path, name: str) -> Table:
    partner, domain = naming.table(name.rpartition("/")[2]) or ("", "")
    return Table(root / name, name, partner, domain)
