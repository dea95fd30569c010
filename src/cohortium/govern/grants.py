"""Roles in projects. What a person may see is a condition inside the query, so no list is filtered afterwards."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import Connection, Select, delete, exists, or_, select

from cohortium.govern.users import User
from cohortium.store.schema import grant, project, user

__all__ = ["Role", "give", "visible_projects", "withdraw"]


class Role(StrEnum):
    OWNER = "owner"
    MEMBER = "member"
    COLLABORATOR = "collaborator"


def give(connection: Connection, user_id: int, project_id: int, role: Role) -> None:
    """Give a person one role in a project, in place of any other there."""
    withdraw(connection, user_id, project_id)
    connection.execute(grant.insert().values(user_id=user_id, project_id=project_id, role=role.value))


def withdraw(connection: Connection, user_id: int, project_id: int) -> None:
    """Take away whatever role a person has in a project."""
    connection.execute(delete(grant).where(grant.c.user_id == user_id, grant.c.project_id == project_id))


def visible_projects(who: User) -> Select[tuple[int]]:
    """Ids of the projects that a person may see, for use as `column.in_(...)`: all of them for an administrator."""
    granted = exists().where(grant.c.user_id == who.id, grant.c.project_id == project.c.id)
    administrator = exists().where(user.c.id == who.id, user.c.administrator, ~user.c.one_time)
    return select(project.c.id).where(or_(granted, administrator))
