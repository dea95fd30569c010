"""What waits in prearchives, for the owners of the projects alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from cohortium.archive.prearchive import Held, of
from cohortium.govern.grants import permitted
from cohortium.govern.roles import May
from cohortium.govern.users import User
from cohortium.store.schema import prearchive, project

__all__ = ["Queue", "queues", "waiting", "waiting_in"]


@dataclass(frozen=True, slots=True)
class Queue:
    """How much waits in a project's prearchive, and when the first of it goes."""

    name: str
    title: str
    entries: int
    expires: str


def queues(connection: Connection, who: User) -> list[Queue]:
    """The prearchives of the person's projects in which anything waits, the most urgent first."""
    first = func.min(prearchive.c.expires)
    rows = connection.execute(
        select(project.c.name, project.c.title, func.count(), first)
        .join(prearchive)
        .where(project.c.id.in_(permitted(who, May.DELETE)))
        .group_by(project.c.name, project.c.title)
        .order_by(first, project.c.name)
    )
    return [Queue(*row) for row in rows]


def waiting_in(connection: Connection, who: User, project_id: int, limit: int = 500) -> list[Held]:
    """The project's entries, the newest first; none for who is no owner."""
    query = _query(who).where(prearchive.c.project_id == project_id).order_by(prearchive.c.id.desc()).limit(limit)
    return [of(row) for row in connection.execute(query).mappings()]


def waiting(connection: Connection, who: User, entry: int) -> Held | None:
    """An entry; None where there is none or the person is no owner."""
    row = connection.execute(_query(who).where(prearchive.c.id == entry)).mappings().one_or_none()
    return None if row is None else of(row)


def _query(who: User) -> Any:
    return select(prearchive).where(prearchive.c.project_id.in_(permitted(who, May.DELETE)))
