"""Logins: a random token in the browser, its SHA-256 in the store, and a time at which both end."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection, delete, insert, select

from cohortium.govern.users import COLUMNS, IS_ACTIVE, User, from_row
from cohortium.store import now
from cohortium.store.schema import login, user

__all__ = ["close", "open_login", "whose"]


def open_login(connection: Connection, who: User, hours: int) -> str:
    """A new login's token."""
    token = secrets.token_urlsafe(32)
    expires = (datetime.now(UTC) + timedelta(hours=hours)).isoformat(timespec="microseconds")
    connection.execute(
        insert(login).values(token_digest=_digest(token), user_id=who.id, created=now(), expires=expires)
    )
    return token


def whose(connection: Connection, token: str) -> User | None:
    """The account behind a token that is still good."""
    row = connection.execute(
        select(*COLUMNS)
        .join(login, login.c.user_id == user.c.id)
        .where(login.c.token_digest == _digest(token), login.c.expires > now(), IS_ACTIVE)
    ).one_or_none()
    return from_row(row) if row else None


def close(connection: Connection, token: str) -> None:
    """End the login of this token."""
    connection.execute(delete(login).where(login.c.token_digest == _digest(token)))


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()
