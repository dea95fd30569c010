"""Consent records, for the owners of the projects, and who may see the videos that refer to one."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from cohortium.govern.grants import permitted
from cohortium.govern.roles import May
from cohortium.govern.users import User
from cohortium.store.schema import consent, consent_viewer, resource, resource_file, user

__all__ = ["ConsentRow", "consents"]


@dataclass(frozen=True, slots=True)
class ConsentRow:
    """A record, its number of files, and the accounts named in it; `withdrawn` is empty while it holds."""

    id: int
    project_id: int
    reference: str
    scope: str
    holder: str
    date: str
    by: str
    created: str
    withdrawn: str
    files: int
    viewers: tuple[str, ...]


def consents(connection: Connection, who: User, project_id: int) -> list[ConsentRow]:
    """The project's records by reference; none for who is no owner."""
    files = (
        select(func.count(resource_file.c.id))
        .join(resource, resource.c.id == resource_file.c.resource_id)
        .where(resource.c.consent_id == consent.c.id)
        .scalar_subquery()
    )
    query = select(consent, files.label("files")).where(
        consent.c.project_id == project_id, consent.c.project_id.in_(permitted(who, May.DELETE))
    )
    rows = connection.execute(query.order_by(consent.c.reference)).mappings().all()
    viewers = _viewers(connection, [row["id"] for row in rows])
    plain = ConsentRow.__dataclass_fields__.keys() - {"viewers"}
    return [
        ConsentRow(**{name: row[name] for name in plain}, viewers=tuple(viewers.get(row["id"], ()))) for row in rows
    ]


def _viewers(connection: Connection, of: list[int]) -> dict[int, list[str]]:
    query = select(consent_viewer.c.consent_id, user.c.name).join(user, user.c.id == consent_viewer.c.user_id)
    found: dict[int, list[str]] = {}
    for row in connection.execute(query.where(consent_viewer.c.consent_id.in_(of)).order_by(user.c.name)):
        found.setdefault(row.consent_id, []).append(row.name)
    return found
