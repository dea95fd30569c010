"""Two dataset versions side by side, and one version beside what the archive holds today."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
)

from cohortium.archive.datasets import Version
from cohortium.store import total
from cohortium.store.schema import dataset_file, earlier_version, instance, resource_file, scan, tombstone, withdrawal

__all__ = ["Comparison", "Difference", "Gone", "Part", "ScanDifference", "compare", "differences", "gone", "scans"]


@dataclass(frozen=True, slots=True)
class Part:
    """How much there is of something."""

    subjects: int
    series: int
    files: int
    size: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """`removed` is in the first version alone, `added` in the second; `changed` has one path and other bytes."""

    same: Part
    removed: Part
    added: Part
    changed: Part


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that is not the same in both; a digest is empty where the version has no such file."""

    path: str
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class ScanDifference:
    """How many files of a scan differ, and how; what it is, where the archive still holds it (`scan_id`).

    Without a SeriesInstanceUID they are files of the subject and its sessions, without a PatientID of the project.
    """

    PatientID: str
    SeriesInstanceUID: str
    removed: int
    added: int
    changed: int
    scan_id: int | None
    Modality: str
    SeriesDescription: str


@dataclass(frozen=True, slots=True)
class Gone:
    """A file of a version that the archive no longer gives: `how` it went, why, and when."""

    path: str
    digest: str
    how: str  # removed | withdrawn | missing
    reason: str
    time: str


def compare(connection: Connection, first: Version, second: Version) -> Comparison:
    """How much two versions share, and how much each has alone."""
    a, b = dataset_file.alias("a"), dataset_file.alias("b")
    both = select(a).join(b, and_(b.c.dataset_id == second.id, b.c.path == a.c.path)).where(a.c.dataset_id == first.id)
    return Comparison(
        same=_part(connection, both.where(a.c.digest == b.c.digest)),
        removed=_part(connection, _alone(first, second)),
        added=_part(connection, _alone(second, first)),
        changed=_part(connection, both.where(a.c.digest != b.c.digest)),
    )


def differences(
    connection: Connection, first: Version, second: Version, *, after: str = "", limit: int = 100
) -> list[Difference]:
    """Files that are not the same in both, by path, behind the path `after`."""
    every = _different(first, second)
    columns = every.c.path, every.c.first, every.c.second
    page = select(*columns).where(every.c.path > after).order_by(every.c.path).limit(limit)
    return [Difference(*row) for row in connection.execute(page)]


def scans(connection: Connection, first: Version, second: Version, *, limit: int = 100) -> list[ScanDifference]:
    """Scans that are not the same in both, by subject."""
    every = _different(first, second)
    which = every.c.PatientID, every.c.SeriesInstanceUID
    kinds = (
        func.count().filter(every.c.second == ""),
        func.count().filter(every.c.first == ""),
        func.count().filter(every.c.first != "", every.c.second != ""),
    )
    grouped = select(*which, *(kind.label(f"n{n}") for n, kind in enumerate(kinds))).group_by(*which).subquery()
    held = and_(scan.c.project_id == first.project_id, scan.c.SeriesInstanceUID == grouped.c.SeriesInstanceUID)
    about = scan.c.id, func.coalesce(scan.c.Modality, ""), func.coalesce(scan.c.SeriesDescription, "")
    page = select(*grouped.c, *about).outerjoin_from(grouped, scan, held)
    rows = connection.execute(page.order_by(grouped.c.PatientID, grouped.c.SeriesInstanceUID).limit(limit))
    return [ScanDifference(*tuple(row)) for row in rows]


def gone(connection: Connection, version: Version) -> Iterator[Gone]:
    """Files of the version that were removed, or whose subject was withdrawn, since it was frozen, by path."""
    here = version.project_id
    stones = tombstone.alias("stones")
    of_file = stones.c.project_id == here, stones.c.digest == dataset_file.c.digest
    newest = select(func.max(stones.c.id)).where(*of_file).correlate(dataset_file)
    left = and_(withdrawal.c.project_id == here, withdrawal.c.PatientID == dataset_file.c.PatientID)
    how = case((withdrawal.c.id.is_not(None), "withdrawn"), (tombstone.c.id.is_not(None), "removed"), else_="missing")
    said = (func.coalesce(withdrawal.c[key], tombstone.c[key], "") for key in ("reason", "time"))
    query = (
        select(dataset_file.c.path, dataset_file.c.digest, how, *said)
        .outerjoin(withdrawal, left)
        .outerjoin(tombstone, tombstone.c.id == newest.scalar_subquery())
        .where(dataset_file.c.dataset_id == version.id, ~_held(here))
        .order_by(dataset_file.c.path)
    )
    return (Gone(*row) for row in connection.execute(query))


def _held(project_id: int) -> ColumnElement[bool]:
    """Whether the project has the bytes of a file: as an instance, an earlier version of one, or beside the images."""
    tables = (instance, earlier_version, resource_file)
    here = (
        exists().where(table.c.digest == dataset_file.c.digest, table.c.project_id == project_id) for table in tables
    )
    return or_(*here)


def _different(first: Version, second: Version) -> FromClause:
    """Every file that is not the same in both, with its digests, empty where there is none."""
    a, b = dataset_file.alias("a"), dataset_file.alias("b")
    changed = (
        select(a.c.path, a.c.PatientID, a.c.SeriesInstanceUID, a.c.digest.label("first"), b.c.digest.label("second"))
        .join(b, and_(b.c.dataset_id == second.id, b.c.path == a.c.path))
        .where(a.c.dataset_id == first.id, a.c.digest != b.c.digest)
    )
    old, new = _alone(first, second).subquery(), _alone(second, first).subquery()
    removed = select(old.c.path, old.c.PatientID, old.c.SeriesInstanceUID, old.c.digest, literal(""))
    added = select(new.c.path, new.c.PatientID, new.c.SeriesInstanceUID, literal(""), new.c.digest)
    return union_all(changed, removed, added).subquery()


def _alone(version: Version, other: Version) -> Select[Any]:
    """Rows of the first that have no path in the second."""
    there = dataset_file.alias("there")
    found = exists().where(there.c.dataset_id == other.id, there.c.path == dataset_file.c.path)
    return select(dataset_file).where(dataset_file.c.dataset_id == version.id, ~found)


def _part(connection: Connection, rows: Select[Any]) -> Part:
    found: FromClause = rows.subquery()
    whose, of = (func.nullif(found.c[key], "").distinct() for key in ("PatientID", "SeriesInstanceUID"))
    counted = select(func.count(whose), func.count(of), func.count(), total(found.c.size)).select_from(found)
    return Part(*connection.execute(counted).one())
