"""Projects with their counts: one query a table, whatever the number of projects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Table, func, select

from cohortium.govern.grants import visible_projects
from cohortium.govern.users import User
from cohortium.store import total
from cohortium.store.schema import finding, instance, project, scan, session, subject

__all__ = ["Bar", "ProjectCard", "project_named", "projects"]


@dataclass(frozen=True, slots=True)
class Bar:
    """One modality of a project, and how many images it has."""

    modality: str
    scans: int
    instances: int


@dataclass(frozen=True, slots=True)
class ProjectCard:
    id: int
    name: str
    title: str
    admit: str
    protocol: str
    protocol_digest: str
    subjects: int
    sessions: int
    scans: int
    instances: int
    size: int
    modalities: tuple[Bar, ...]
    findings: Mapping[str, int]  # by severity


def projects(connection: Connection, who: User) -> list[ProjectCard]:
    """Every project that the person may see, by name."""
    return _cards(connection, project.c.id.in_(visible_projects(who)))


def project_named(connection: Connection, who: User, name: str) -> ProjectCard | None:
    """The project of that name; None where there is none or the person may not see it."""
    found = _cards(connection, project.c.name == name, project.c.id.in_(visible_projects(who)))
    return found[0] if found else None


def _cards(connection: Connection, *where: ColumnElement[bool]) -> list[ProjectCard]:
    rows = connection.execute(select(project).where(*where).order_by(project.c.name)).mappings().all()
    ids = [row["id"] for row in rows]
    counts = {table.name: _counts(connection, table, ids) for table in (subject, session, scan)}
    images, findings, bars = _images(connection, ids), _findings(connection, ids), _bars(connection, ids)
    return [
        ProjectCard(
            **{key: row[key] for key in ("id", "name", "title", "admit", "protocol", "protocol_digest")},
            subjects=counts["subject"].get(row["id"], 0),
            sessions=counts["session"].get(row["id"], 0),
            scans=counts["scan"].get(row["id"], 0),
            instances=images.get(row["id"], (0, 0))[0],
            size=images.get(row["id"], (0, 0))[1],
            modalities=tuple(bars.get(row["id"], ())),
            findings=findings.get(row["id"], {}),
        )
        for row in rows
    ]


def _counts(connection: Connection, table: Table, ids: Sequence[int]) -> dict[int, int]:
    column = table.c.project_id
    rows = connection.execute(select(column, func.count()).where(column.in_(ids)).group_by(column))
    return {row[0]: row[1] for row in rows}


def _images(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    column = instance.c.project_id
    rows = connection.execute(
        select(column, func.count(), total(instance.c.size)).where(column.in_(ids)).group_by(column)
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def _findings(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, int]]:
    columns = finding.c.project_id, finding.c.severity
    found: dict[int, dict[str, int]] = {}
    for row in connection.execute(
        select(*columns, func.count()).where(finding.c.project_id.in_(ids)).group_by(*columns)
    ):
        found.setdefault(row[0], {})[row[1]] = row[2]
    return found


def _bars(connection: Connection, ids: Sequence[int]) -> dict[int, list[Bar]]:
    columns = scan.c.project_id, scan.c.Modality
    number = func.count(instance.c.id)
    found: dict[int, list[Bar]] = {}
    for row in connection.execute(
        select(*columns, func.count(scan.c.id.distinct()), number)
        .join(instance, instance.c.scan_id == scan.c.id)
        .where(scan.c.project_id.in_(ids))
        .group_by(*columns)
        .order_by(number.desc(), scan.c.Modality)
    ):
        found.setdefault(row[0], []).append(Bar(*row[1:]))
    return found
