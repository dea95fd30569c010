"""The audit as people read it: who did what, newest first, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, or_, select

from cohortium.store.schema import audit

__all__ = ["rows"]


def rows(
    connection: Connection,
    *,
    project: str = "",
    who: str = "",
    what: str = "",
    since: str = "",
    until: str = "",
    before: int = 0,
    limit: int = 100,
) -> Sequence[RowMapping]:
    """Rows older than the row `before` (0: from the newest), of one project, person or kind of event where asked.

    `since` and `until` are days or moments of UTC, both included, as ISO 8601 writes them.
    """
    query = select(audit)
    if project:
        begins = (audit.c.object.startswith(f"{project}{mark}", autoescape=True) for mark in "/?")
        query = query.where(or_(audit.c.object == project, *begins))
    if who:
        query = query.where(audit.c.who == who)
    if what:
        query = query.where(audit.c.what == what)
    if since:
        query = query.where(audit.c.time >= since)
    if until:
        query = query.where(audit.c.time < f"{until}~")  # behind whatever that day or moment begins with
    if before:
        query = query.where(audit.c.id < before)
    return connection.execute(query.order_by(audit.c.id.desc()).limit(limit)).mappings().all()
