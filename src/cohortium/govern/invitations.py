"""Invitations: nobody has an account for whom an owner or an administrator did not vouch.

An invitation is a link for one person, good once and for two weeks. The store holds SHA-256 of its token; who invited
stays on record with the account that came of it.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from cohortium.errors import Refused
from cohortium.govern import grants, users
from cohortium.govern.roles import Role
from cohortium.govern.users import User
from cohortium.store import now
from cohortium.store.schema import invitation, project

__all__ = ["Invitation", "accept", "find", "make", "pending", "withdraw"]

LIFE = timedelta(days=14)
EMAIL = re.compile(r"[^@\s<>,;:\"\x00-\x1f\x7f]{1,64}@[A-Za-z0-9.-]{1,189}")


@dataclass(frozen=True, slots=True)
class Invitation:
    """For whom, by whom, and with which role in which project, if any (`project` is empty for a mere account)."""

    id: int
    email: str
    project_id: int | None
    project: str
    role: str
    by: str
    expires: str


COLUMNS = (
    invitation.c.id,
    invitation.c.email,
    invitation.c.project_id,
    project.c.name,
    invitation.c.role,
    invitation.c.by,
    invitation.c.expires,
)


def make(connection: Connection, by: User, email: str, project_id: int | None = None, role: Role | None = None) -> str:
    """A new invitation's token; one that the address had for the same project ends."""
    if not EMAIL.fullmatch(email):
        raise Refused("that is no e-mail address")
    same = invitation.c.email == email, invitation.c.project_id.is_not_distinct_from(project_id)
    connection.execute(delete(invitation).where(*same))
    token = secrets.token_urlsafe(32)
    expires = (datetime.now(UTC) + LIFE).isoformat(timespec="microseconds")
    values = {"email": email, "project_id": project_id, "role": role.value if role else "", "by": by.name}
    connection.execute(insert(invitation).values(digest=_digest(token), created=now(), expires=expires, **values))
    return token


def find(connection: Connection, token: str) -> Invitation | None:
    """The invitation behind a link that is still good."""
    good = invitation.c.digest == _digest(token), invitation.c.expires > now()
    row = connection.execute(select(*COLUMNS).outerjoin(project).where(*good)).one_or_none()
    return _of(row) if row else None


def pending(connection: Connection, project_id: int | None) -> list[Invitation]:
    """Invitations into this project (None: to an account alone) that nobody has accepted yet."""
    wanted = invitation.c.project_id.is_not_distinct_from(project_id), invitation.c.expires > now()
    rows = connection.execute(select(*COLUMNS).outerjoin(project).where(*wanted).order_by(invitation.c.id))
    return [_of(row) for row in rows]


def withdraw(connection: Connection, invitation_id: int, project_id: int | None) -> bool:
    """End an invitation into this project; whether there was one."""
    same = invitation.c.id == invitation_id, invitation.c.project_id.is_not_distinct_from(project_id)
    return connection.execute(delete(invitation).where(*same)).rowcount == 1


def accept(connection: Connection, token: str, name: str, password: str | None, terms: str) -> User:
    """Use the invitation up: the account, with the role that came with it. Without a password, none opens it."""
    found = find(connection, token)
    if found is None:
        raise Refused("This invitation was used already or has ended. Ask for another.")
    users.register(connection, name, password, email=found.email, vouched=found.by, terms=terms)
    who = users.named(connection, name)
    if found.project_id is not None:
        grants.give(connection, who.id, found.project_id, Role(found.role), found.by)
    connection.execute(delete(invitation).where(invitation.c.id == found.id))
    return who


def _of(row: Any) -> Invitation:
    id, email, project_id, name, role, by, expires = row
    return Invitation(id, email, project_id, name or "", role, by, expires)


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()
