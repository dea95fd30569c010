"""Takes away what has ended: logins, invitations, tokens, and what is remembered of failed tries to log in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete

from cohortium.store.schema import attempt, invitation, login, token

__all__ = ["sweep"]

KEPT = (  # for how long after its end
    (login, login.c.expires, timedelta(0)),
    (invitation, invitation.c.expires, timedelta(0)),
    (attempt, attempt.c.until, timedelta(days=1)),
    (token, token.c.expires, timedelta(days=30)),  # so that its owner sees why a program stopped
)


def sweep(connection: Connection, moment: datetime) -> None:
    """Delete the rows whose time is over at that moment (UTC)."""
    for table, end, kept in KEPT:
        connection.execute(
            delete(table).where(end < (moment - kept).astimezone(UTC).isoformat(timespec="microseconds"))
        )
