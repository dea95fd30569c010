"""Saved lists of scans: what somebody chose from a project, by name, to come back to or to freeze."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select

from cohortium.errors import Refused
from cohortium.store import now
from cohortium.store.schema import listed_scan, scan, scan_list

__all__ = ["NAME", "ScanList", "find", "lists", "remove", "save", "scans_of", "series_of"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
AT_ONCE = 5000  # UIDs a query


@dataclass(frozen=True, slots=True)
class ScanList:
    id: int
    name: str
    by: str
    created: str
    scans: int


def save(connection: Connection, project_id: int, name: str, series: Collection[str], by: str) -> ScanList:
    """Let the list of that name hold exactly these series of the project, whatever it held before."""
    if not NAME.fullmatch(name):
        raise Refused("a list's name has 1 to 64 letters, digits and . _ -, the first a letter or digit")
    scans = _scans(connection, project_id, sorted(set(series)))
    remove(connection, project_id, name)
    moment = now()
    values = {"project_id": project_id, "name": name, "by": by, "created": moment}
    list_id = connection.execute(insert(scan_list).values(**values).returning(scan_list.c.id)).scalar_one()
    connection.execute(insert(listed_scan), [{"list_id": list_id, "scan_id": each} for each in scans])
    return ScanList(list_id, name, by, moment, len(scans))


def lists(connection: Connection, project_id: int) -> list[ScanList]:
    """The project's lists, by name."""
    return [ScanList(*row) for row in connection.execute(_counted().where(scan_list.c.project_id == project_id))]


def find(connection: Connection, project_id: int, name: str) -> ScanList | None:
    """The list of that name."""
    wanted = _counted().where(scan_list.c.project_id == project_id, scan_list.c.name == name)
    row = connection.execute(wanted).one_or_none()
    return ScanList(*row) if row else None


def series_of(connection: Connection, list_id: int) -> list[str]:
    """SeriesInstanceUIDs of the list, sorted."""
    query = select(scan.c.SeriesInstanceUID).join(listed_scan, listed_scan.c.scan_id == scan.c.id)
    return list(connection.scalars(query.where(listed_scan.c.list_id == list_id).order_by(scan.c.SeriesInstanceUID)))


def scans_of(list_id: int) -> Select[tuple[int]]:
    """Ids of the list's scans, for use as `column.in_(...)`."""
    return select(listed_scan.c.scan_id).where(listed_scan.c.list_id == list_id)


def remove(connection: Connection, project_id: int, name: str) -> bool:
    """Forget the list; whether there was one. What was frozen from it stays."""
    gone = delete(scan_list).where(scan_list.c.project_id == project_id, scan_list.c.name == name)
    return connection.execute(gone).rowcount == 1


def _scans(connection: Connection, project_id: int, series: list[str]) -> list[int]:
    found: list[int] = []
    for at in range(0, len(series), AT_ONCE):
        some = series[at : at + AT_ONCE]
        wanted = scan.c.project_id == project_id, scan.c.SeriesInstanceUID.in_(some)
        found += connection.scalars(select(scan.c.id).where(*wanted))
    if len(found) != len(series) or not found:
        raise Refused(f"the project holds {len(found)} of the {len(series)} series of this list")
    return found


def _counted() -> Select[Any]:
    columns = scan_list.c.id, scan_list.c.name, scan_list.c.by, scan_list.c.created
    counted = select(*columns, func.count(listed_scan.c.scan_id)).outerjoin(listed_scan)
    return counted.group_by(*columns).order_by(scan_list.c.name)
