"""Logins: a random token in the browser, its SHA-256 in the store, and a time at which both end.

A login is good for what it was opened for, `use`, and nothing else: that of an XNAT client opens no page of the portal.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection, delete, insert, select

from cohortium.govern.users import COLUMNS, IS_ACTIVE, User, from_row
from cohortium.store import now
from cohortium.store.schema import login, user

__all__ = ["close", "open_login", "whose"]


def open_login(connection: Connection, who: User, hours: int, use: str = "") -> str:
    """A new login's token."""
    token = secrets.token_urlsafe(32)
    expires = (datetime.now(UTC) + timedelta(hours=hours)).isoformat(timespec="microseconds")
    connection.execute(
        insert(login).values(token_digest=_digest(token, use), user_id=who.id, created=now(), expires=expires)
    )
    return token


def whose(connection: Connection, token: str, use: str = "") -> User | None:
    """The account behind a token that is still good."""
    row = connection.execute(
        select(*COLUMNS)
        .join(login, login.c.user_id == user.c.id)
        .where(login.c.token_digest == _digest(token, use), login.c.expires > now(), IS_ACTIVE)
    ).one_or_none()
    return from_row(row) if row else None


def close(connection: Connection, token: str, use: str = "") -> None:
    """End the login of this token."""
    connection.execute(delete(login).where(login.c.token_digest == _digest(token, use)))


def _digest(token: str, use: str) -> str:
    return sha256((f"{use}\0{token}" if use else token).encode()).hexdigest()
