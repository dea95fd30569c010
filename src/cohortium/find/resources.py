"""Files beside the images, as far as the person who asks may see them.

Videos with a consent record are shown to the project's owners and to those whom the record names, and to nobody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, exists, false, func, or_, select

from cohortium.archive.objects import Address
from cohortium.archive.resources import Kind, Level
from cohortium.govern.grants import permitted, visible_projects
from cohortium.govern.roles import May
from cohortium.govern.users import User
from cohortium.store.schema import consent, consent_viewer, project, resource, resource_file, scan, session, subject

__all__ = ["FileRow", "ResourceRow", "place_named", "resource_file_of", "resource_versions", "resources"]


PLACE = subject.c.PatientID, session.c.StudyDate, scan.c.SeriesDescription


@dataclass(frozen=True, slots=True)
class FileRow:
    """One version of a file, and how many there are of its name."""

    id: int
    resource_id: int
    project_id: int
    project: str
    kind: Kind
    label: str
    name: str
    version: int
    versions: int
    digest: str
    size: int
    key_id: int | None
    media_type: str
    admitted: str
    site: str
    by: str
    created: str

    @property
    def address(self) -> Address:
        """Where its bytes are."""
        return Address(self.key_id, self.digest, self.size)


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """A resource with the newest version of each of its files, by name; `place` is what it belongs to, for people."""

    id: int
    project: str
    level: Level
    subject_id: int | None
    session_id: int | None
    scan_id: int | None
    kind: Kind
    label: str
    consent: str
    place: str
    by: str
    created: str
    files: tuple[FileRow, ...]


def resources(
    connection: Connection, who: User, project_id: int, level: Level | None = None, of: int | None = None
) -> list[ResourceRow]:
    """The resources of one place (`level`, and `of` its row below the project), or of the whole project."""
    query = (
        select(
            resource, project.c.name.label("project"), func.coalesce(consent.c.reference, "").label("consent"), *PLACE
        )
        .join(project, project.c.id == resource.c.project_id)
        .outerjoin(consent, consent.c.id == resource.c.consent_id)
        .outerjoin(subject, subject.c.id == resource.c.subject_id)
        .outerjoin(session, session.c.id == resource.c.session_id)
        .outerjoin(scan, scan.c.id == resource.c.scan_id)
        .where(resource.c.project_id == project_id, _shown(who))
        .order_by(resource.c.kind, resource.c.label, resource.c.id)
    )
    if level is not None:
        query = query.where(resource.c.level == level)
    if level not in (None, Level.PROJECT):
        query = query.where(resource.c[f"{level}_id"] == of)
    rows = connection.execute(query).mappings().all()
    files = _files(connection, who, [row["id"] for row in rows])
    plain = ResourceRow.__dataclass_fields__.keys() - {"files", "level", "kind", "place"}
    return [
        ResourceRow(
            **{name: row[name] for name in plain},
            level=Level(row["level"]),
            kind=Kind(row["kind"]),
            place=_place(row),
            files=tuple(files.get(row["id"], ())),
        )
        for row in rows
    ]


def resource_file_of(connection: Connection, who: User, file_id: int) -> FileRow | None:
    """A version by its row; None where there is none or the person may not see it."""
    row = connection.execute(_query(who).where(resource_file.c.id == file_id)).mappings().one_or_none()
    return None if row is None else _file(row)


def resource_versions(connection: Connection, who: User, file_id: int) -> list[FileRow]:
    """Every version of the file's name, the newest first."""
    named = select(resource_file.c.resource_id, resource_file.c.name).where(resource_file.c.id == file_id).subquery()
    same = (resource_file.c.resource_id == named.c.resource_id) & (resource_file.c.name == named.c.name)
    query = _query(who).join(named, same).order_by(resource_file.c.version.desc())
    return [_file(row) for row in connection.execute(query).mappings()]


def place_named(connection: Connection, who: User, project_id: int, level: Level, of: int | None) -> str | None:
    """What people call a place; None where the project has none such that the person may see."""
    if level is Level.PROJECT:
        return ""
    table = {Level.SUBJECT: subject, Level.SESSION: session, Level.SCAN: scan}[level]
    within = session.c.subject_id == subject.c.id if level is not Level.SUBJECT else false()
    query = select(*PLACE).select_from(subject).outerjoin(session, within)
    query = query.outerjoin(scan, scan.c.session_id == session.c.id if level is Level.SCAN else false())
    here = table.c.id == of, table.c.project_id == project_id, table.c.project_id.in_(visible_projects(who))
    row = connection.execute(query.where(*here)).mappings().first()
    return None if row is None else _place(row)


def _place(row: Any) -> str:
    return " · ".join(filter(None, (row["PatientID"], row["StudyDate"], row["SeriesDescription"])))


def _files(connection: Connection, who: User, of: Sequence[int]) -> dict[int, list[FileRow]]:
    newest = select(func.max(resource_file.c.id)).where(resource_file.c.resource_id.in_(of))
    query = _query(who).where(
        resource_file.c.id.in_(newest.group_by(resource_file.c.resource_id, resource_file.c.name))
    )
    rows = connection.execute(query.order_by(resource_file.c.resource_id, resource_file.c.name)).mappings()
    return {key: list(group) for key, group in groupby(map(_file, rows), key=lambda row: row.resource_id)}


def _query(who: User) -> Select[Any]:
    other = resource_file.alias()
    same = (other.c.resource_id == resource_file.c.resource_id) & (other.c.name == resource_file.c.name)
    count = select(func.count()).select_from(other).where(same).scalar_subquery().label("versions")
    return (
        select(resource_file, resource.c.kind, resource.c.label, project.c.name.label("project"), count)
        .join(resource, resource.c.id == resource_file.c.resource_id)
        .join(project, project.c.id == resource_file.c.project_id)
        .where(_shown(who))
    )


def _file(row: Any) -> FileRow:
    plain = FileRow.__dataclass_fields__.keys() - {"kind"}
    return FileRow(**{name: row[name] for name in plain}, kind=Kind(row["kind"]))


def _shown(who: User) -> ColumnElement[bool]:
    named = consent_viewer.c.consent_id == resource.c.consent_id, consent_viewer.c.user_id == who.id
    return resource.c.project_id.in_(visible_projects(who)) & or_(
        resource.c.kind != Kind.VIDEO,
        resource.c.project_id.in_(permitted(who, May.DELETE)),
        exists().where(*named),
    )
