"""Roles in projects, and the condition inside each query by which a person sees only what they may.

No list is filtered afterwards: what is asked for names what is to be done with it, and SQL leaves out the rest.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, Connection, Select, delete, exists, false, or_, select, update

from cohortium.errors import Refused
from cohortium.govern import quotas
from cohortium.govern.quotas import AS_CONFIGURED, Quota
from cohortium.govern.roles import ALLOWED, REACHED, May, Role, Standing, Visibility
from cohortium.govern.users import User
from cohortium.store import now
from cohortium.store.schema import grant, project, user

__all__ = [
    "Granted",
    "Role",
    "Shown",
    "basis",
    "give",
    "granted",
    "id_of",
    "make_visible",
    "names",
    "permitted",
    "shown",
    "trusted",
    "visible_projects",
    "withdraw",
]


@dataclass(frozen=True, slots=True)
class Granted:
    """A person's role in a project: since when, by whose word, and how much they may read."""

    name: str
    role: Role
    by: str
    since: str
    quota: Quota


@dataclass(frozen=True, slots=True)
class Shown:
    """What a project is called, and what it shows to who has no role in it."""

    id: int
    name: str
    title: str
    visibility: Visibility


def permitted(who: User, may: May) -> Select[tuple[int]]:
    """Ids of the projects with which the person may do this, for use as `column.in_(...)`."""
    query = select(project.c.id).where(project.c.closed == "")
    if who.must_choose or may not in who.scope:
        return query.where(false())
    if who.only is not None:
        query = query.where(project.c.id == who.only)
    if may in ALLOWED[who.standing]:
        return query
    return query.where(or_(_by_role(who, may), _by_visibility(who, may)))


def visible_projects(who: User) -> Select[tuple[int]]:
    """Ids of the projects whose data the person may read."""
    return permitted(who, May.READ)


def basis(connection: Connection, who: User, project_id: int, may: May) -> str:
    """Under which grant the person may do this, for the audit: a standing, a role, or the project's visibility."""
    if may in ALLOWED[who.standing]:
        return who.standing.value
    role = connection.scalar(select(grant.c.role).where(grant.c.user_id == who.id, grant.c.project_id == project_id))
    if role is not None and may in ALLOWED[Role(role)]:
        return str(role)
    return str(connection.scalar(select(project.c.visibility).where(project.c.id == project_id)))


def names(connection: Connection, who: User, may: May) -> list[str]:
    """Names of the projects with which the person may do this."""
    query = select(project.c.name).where(project.c.id.in_(permitted(who, may))).order_by(project.c.name)
    return list(connection.scalars(query))


def trusted(connection: Connection, who: User) -> list[str]:
    """Titles of the projects that the person may know of and that take in what nobody checked."""
    here = project.c.admit == "trusted", project.c.id.in_(permitted(who, May.SEE))
    return list(connection.scalars(select(project.c.title).where(*here).order_by(project.c.title)))


def id_of(connection: Connection, who: User, name: str, may: May) -> int:
    """The project's id; `Refused` where the person may not do this with it, or there is none."""
    query = select(project.c.id).where(project.c.name == name, project.c.id.in_(permitted(who, may)))
    found = connection.scalar(query)
    if found is None:
        raise Refused(f"there is no project {name!r} that {who.name} may {may.value}")
    return int(found)


def shown(connection: Connection, project_id: int) -> Shown:
    """Name, title and visibility of a project that is there."""
    columns = project.c.id, project.c.name, project.c.title, project.c.visibility
    row = connection.execute(select(*columns).where(project.c.id == project_id)).one()
    return Shown(row.id, row.name, row.title, Visibility(row.visibility))


def granted(connection: Connection, project_id: int) -> list[Granted]:
    """Who has a role in the project, by name."""
    rows = connection.execute(
        select(user.c.name, grant.c.role, grant.c.by, grant.c.since, *quotas.COLUMNS)
        .join(user, user.c.id == grant.c.user_id)
        .where(grant.c.project_id == project_id)
        .order_by(user.c.name)
    )
    return [Granted(row.name, Role(row.role), row.by, row.since, Quota(*row[4:])) for row in rows]


def give(
    connection: Connection, user_id: int, project_id: int, role: Role, by: str = "", quota: Quota | None = AS_CONFIGURED
) -> None:
    """Give a person one role in a project, in place of any other there, on the word of `by`.

    Where `quota` is None, that of the role before stays, with the day from which it counts.
    """
    standing = connection.scalar(select(user.c.standing).where(user.c.id == user_id))
    if standing == Standing.MAINTAINER:
        raise Refused("a maintainer sees no data and so has no role in a project; name another account")
    if quota is None:
        held = grant.c.user_id == user_id, grant.c.project_id == project_id
        if connection.execute(update(grant).where(*held).values(role=role.value, by=by)).rowcount:
            return
        quota = AS_CONFIGURED
    withdraw(connection, user_id, project_id)
    values = {"user_id": user_id, "project_id": project_id, "role": role.value, "by": by, "since": now()}
    values |= asdict(quota)
    connection.execute(grant.insert().values(**values))


def withdraw(connection: Connection, user_id: int, project_id: int) -> None:
    """Take away whatever role a person has in a project."""
    connection.execute(delete(grant).where(grant.c.user_id == user_id, grant.c.project_id == project_id))


def make_visible(connection: Connection, project_id: int, visibility: Visibility) -> None:
    """Let the project show this much of itself to who has no role in it."""
    connection.execute(update(project).where(project.c.id == project_id).values(visibility=visibility.value))


def _by_role(who: User, may: May) -> ColumnElement[bool]:
    if who.standing is Standing.MAINTAINER:
        return false()
    roles = [role.value for role in Role if may in ALLOWED[role]]
    return exists().where(grant.c.user_id == who.id, grant.c.project_id == project.c.id, grant.c.role.in_(roles))


def _by_visibility(who: User, may: May) -> ColumnElement[bool]:
    return project.c.visibility.in_([each.value for each in REACHED[who.standing] if may in ALLOWED[each]])
