"""Removing for good, with a reason: a subject, a session, a scan or an instance. A tombstone stays."""

from __future__ import annotations

from fastapi import Request
from sqlalchemy import ColumnElement, select
from starlette.exceptions import HTTPException

from cohortium.archive import Archive, Removable
from cohortium.archive.tombstones import LEVELS
from cohortium.govern import grants
from cohortium.govern.roles import May
from cohortium.store.schema import project
from cohortium.web.auth import RowId, grounds, reading, user
from cohortium.wire import api

__all__ = ["instance", "scan", "session", "subject"]


def subject(request: Request, name: str, subject: str, wish: api.Reason) -> api.Removed:
    """Remove a subject with all that belongs to it."""
    table, keyword = LEVELS[Removable.SUBJECT]
    project_id = select(project.c.id).where(project.c.name == name).scalar_subquery()
    return _remove(request, Removable.SUBJECT, (table.c[keyword] == subject) & (table.c.project_id == project_id), wish)


def session(request: Request, session_id: RowId, wish: api.Reason) -> api.Removed:
    """Remove a session with its scans."""
    return _remove(request, Removable.SESSION, LEVELS[Removable.SESSION][0].c.id == session_id, wish)


def scan(request: Request, scan_id: RowId, wish: api.Reason) -> api.Removed:
    """Remove a scan with its instances; an empty session goes too."""
    return _remove(request, Removable.SCAN, LEVELS[Removable.SCAN][0].c.id == scan_id, wish)


def instance(request: Request, instance_id: RowId, wish: api.Reason) -> api.Removed:
    """Remove an instance; an empty scan and session go too."""
    return _remove(request, Removable.INSTANCE, LEVELS[Removable.INSTANCE][0].c.id == instance_id, wish)


def _remove(request: Request, level: Removable, is_it: ColumnElement[bool], wish: api.Reason) -> api.Removed:
    table, keyword = LEVELS[level]
    who = user(request)
    place = select(project.c.name, project.c.id, table.c[keyword]).join_from(table, project)
    place = place.where(is_it, project.c.id.in_(grants.visible_projects(who)))
    with reading(request).connect() as connection:
        found = connection.execute(place).one_or_none()
        if found is None:
            raise HTTPException(404)
        if found[0] not in grants.names(connection, who, May.DELETE):
            raise HTTPException(403)
        basis = grants.basis(connection, who, found[1], May.DELETE)
    archive: Archive = request.app.state.archive
    said = {"reason": wish.reason, **grounds(request, basis)}
    removed = archive.remove(found[0], level, found[2], who=who.name, **said)
    return api.Removed.model_validate(removed)
