"""Files beside the images: where one belongs, what it is called, and its versions. Inside the caller's transaction.

A name with other bytes is a new version; no version is ever replaced. Labels and names are of characters that no file
system, URL or header reads otherwise, so that neither leads out of its place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Table, insert, select

from cohortium.archive.incoming import Unfit
from cohortium.archive.tombstones import LEVELS, Removable
from cohortium.errors import Refused
from cohortium.store import now, schema
from cohortium.store.schema import resource, resource_file

__all__ = [
    "Destination",
    "Kind",
    "Level",
    "ResourceFile",
    "add",
    "demand_names",
    "labelled",
    "opened",
    "place_named",
    "subject_of",
]

PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
LONGEST_NAME, DEEPEST = 255, 8


class Level(StrEnum):
    """What a resource belongs to."""

    PROJECT = "project"
    SUBJECT = "subject"
    SESSION = "session"
    SCAN = "scan"


class Kind(StrEnum):
    """What a resource is. A video is identifiable: it needs a consent record, and belongs to no subject."""

    RECONSTRUCTION = "reconstruction"
    ASSESSMENT = "assessment"
    MASK = "mask"
    FEATURES = "features"
    DOCUMENT = "document"
    CLINICAL = "clinical"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a file goes: `of` is the row of its subject, session or scan, and nothing for a project.

    `name` may have folders; `consent` is the reference number of the consent record, which a video needs.
    """

    level: Level
    of: int | None
    kind: Kind
    label: str
    name: str
    consent: str = ""


@dataclass(frozen=True, slots=True)
class ResourceFile:
    """One version of a file, as it was admitted: by a `receipt` of `site`, the archive's own `check`, or `trusted`."""

    id: int
    resource_id: int
    name: str
    version: int
    digest: str
    size: int
    media_type: str
    admitted: str
    site: str
    by: str
    created: str


COLUMNS = [resource_file.c[name] for name in ResourceFile.__dataclass_fields__]


def demand_names(to: Destination) -> None:
    """Raise `Unfit` unless label and name are of letters, digits and `._-`, the name perhaps in folders."""
    parts = to.name.split("/")
    if not PART.fullmatch(to.label):
        raise Unfit("not admitted: a label has letters, digits and ._-, begins with no mark, and has at most 64")
    if len(to.name) > LONGEST_NAME or len(parts) > DEEPEST or not all(map(PART.fullmatch, parts)):
        raise Unfit("not admitted: a file name has letters, digits and ._-, in folders that / parts; rename it")


def subject_of(connection: Connection, project_id: int, to: Destination) -> str:
    """The PatientID of whose the place is, empty for the project; `Refused` where the project has no such place."""
    of = _ancestors(connection, project_id, to).get("subject_id")
    found = connection.scalar(select(schema.subject.c.PatientID).where(schema.subject.c.id == of)) if of else ""
    return str(found)


def place_named(connection: Connection, project_id: int, level: Level, name: str) -> int:
    """The row of the project's subject, session or scan of that pseudonym or UID; `Refused` where there is none."""
    table, keyword = LEVELS[Removable(level.value)]
    found = connection.scalar(select(table.c.id).where(table.c.project_id == project_id, table.c[keyword] == name))
    if found is None:
        raise Refused(f"the project has no such {level}")
    return int(found)


def labelled(connection: Connection, project_id: int, level: Level, of: int | None, label: str) -> int:
    """The row of the resource of that label at the place; `Refused` where there is none."""
    where = [resource.c.project_id == project_id, resource.c.level == level, resource.c.label == label]
    where += [resource.c[f"{level}_id"] == of] if level is not Level.PROJECT else []
    found = connection.scalar(select(resource.c.id).where(*where))
    if found is None:
        raise Refused(f"the {level} has no resource of that label")
    return int(found)


def add(
    connection: Connection, project_id: int, to: Destination, file: dict[str, Any], consent: int | None
) -> tuple[ResourceFile, bool]:
    """The file's row, made with its resource's where that is missing, and whether it was: not for the same bytes."""
    of = opened(connection, project_id, to, consent, file["by"])
    newest = _newest(connection, of, to.name)
    if newest is not None and newest.digest == file["digest"]:
        return newest, False
    row = {"resource_id": of, "project_id": project_id, "name": to.name, "created": now(), **file}
    row["version"] = 1 if newest is None else newest.version + 1
    made = connection.execute(insert(resource_file).values(**row).returning(*COLUMNS)).one()
    return ResourceFile(*made), True


def opened(connection: Connection, project_id: int, to: Destination, consent: int | None, by: str) -> int:
    """The resource that the place names, made where it is missing; its label was checked."""
    of = _resource(connection, project_id, to, consent)
    if of is None:
        row = {"project_id": project_id, "level": to.level, "kind": to.kind, "label": to.label, "consent_id": consent}
        row |= _ancestors(connection, project_id, to) | {"by": by, "created": now()}
        of = int(connection.execute(insert(resource).values(**row).returning(resource.c.id)).scalar_one())
    return of


def _resource(connection: Connection, project_id: int, to: Destination, consent: int | None) -> int | None:
    """The resource of that label there; `Refused` where it is of another kind, or there is no such place."""
    place = _ancestors(connection, project_id, to)
    columns = resource.c.id, resource.c.kind, resource.c.consent_id
    where = [resource.c.project_id == project_id, resource.c.level == to.level, resource.c.label == to.label]
    where += [resource.c[name] == value for name, value in place.items()]
    row = connection.execute(select(*columns).where(*where)).one_or_none()
    if row is not None and row.kind != to.kind:
        raise Refused(f"not admitted: the {to.level} has a resource of that label already, of kind {row.kind}")
    if row is not None and row.consent_id != consent:
        raise Refused("not admitted: the resource of that label refers to another consent record")
    return None if row is None else int(row.id)


def _newest(connection: Connection, resource_id: int, name: str) -> ResourceFile | None:
    where = resource_file.c.resource_id == resource_id, resource_file.c.name == name
    row = connection.execute(select(*COLUMNS).where(*where).order_by(resource_file.c.version.desc()).limit(1)).first()
    return None if row is None else ResourceFile(*row)


def _ancestors(connection: Connection, project_id: int, to: Destination) -> dict[str, int]:
    """Ids of the subject, session and scan that the place is in, as far as it goes down."""
    if to.level is Level.PROJECT:
        return {}
    query = _path(to.level).where(_table(to.level).c.id == to.of, _table(to.level).c.project_id == project_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise Refused(f"not admitted: the project has no such {to.level}")
    return dict(row)


def _table(level: Level) -> Table:
    return {Level.SUBJECT: schema.subject, Level.SESSION: schema.session, Level.SCAN: schema.scan}[level]


def _path(level: Level) -> Any:
    subject, session, scan = schema.subject.c, schema.session.c, schema.scan.c
    if level is Level.SUBJECT:
        return select(subject.id.label("subject_id"))
    ids = [session.subject_id.label("subject_id"), session.id.label("session_id")]
    if level is Level.SESSION:
        return select(*ids)
    return select(*ids, scan.id.label("scan_id")).join_from(schema.scan, schema.session, scan.session_id == session.id)
