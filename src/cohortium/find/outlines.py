"""What a project says of itself to who may know of it and read no data: no count, no subject, no image."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from cohortium.govern.grants import permitted
from cohortium.govern.roles import May, Visibility
from cohortium.govern.users import User
from cohortium.store.schema import project

__all__ = ["Outline", "outlines"]


@dataclass(frozen=True, slots=True)
class Outline:
    """`readable`: the person may read the project's data too; `manageable`: and say who else may."""

    id: int
    name: str
    title: str
    visibility: Visibility
    admit: str
    protocol: str
    protocol_digest: str
    readable: bool
    manageable: bool


def outlines(connection: Connection, who: User) -> list[Outline]:
    """Every project that the person may know of, by name."""
    columns = project.c.id, project.c.name, project.c.title, project.c.visibility, project.c.admit
    rules = project.c.protocol, project.c.protocol_digest
    readable = project.c.id.in_(permitted(who, May.READ)).label("readable")
    manageable = project.c.id.in_(permitted(who, May.MANAGE)).label("manageable")
    rows = connection.execute(
        select(*columns, *rules, readable, manageable)
        .where(project.c.id.in_(permitted(who, May.SEE)))
        .order_by(project.c.name)
    )
    return [
        Outline(row[0], row[1], row[2], Visibility(row[3]), row[4], row[5], row[6], bool(row[7]), bool(row[8]))
        for row in rows
    ]
