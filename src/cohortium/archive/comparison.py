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
from cohortium.store.schema import dataset_file, earlier_version, instance, tombstone, withdrawal

__all__ = ["Comparison", "Difference", "Gone", "Part", "compare", "differences", "gone"]


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
    a, b = dataset_file.alias("a"), dataset_file.alias("b")
    changed = (
        select(a.c.path, a.c.digest.label("first"), b.c.digest.label("second"))
        .join(b, and_(b.c.dataset_id == second.id, b.c.path == a.c.path))
        .where(a.c.dataset_id == first.id, a.c.digest != b.c.digest)
    )
    old, new = _alone(first, second).subquery(), _alone(second, first).subquery()
    removed = select(old.c.path, old.c.digest, literal(""))
    added = select(new.c.path, literal(""), new.c.digest)
    every = union_all(changed, removed, added).subquery()
    page = select(every).where(every.c.path > after).order_by(every.c.path).limit(limit)
    return [Difference(*row) for row in connection.execute(page)]


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
    """Whether the project has the bytes of a file, as an instance or as an earlier version of one."""
    tables = (instance, earlier_version)
    here = (
        exists().where(table.c.digest == dataset_file.c.digest, table.c.project_id == project_id) for table in tables
    )
    return or_(*here)


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
