"""Saved lists of a project's scans."""

from __future__ import annotations

from fastapi import Request
from starlette.exceptions import HTTPException

from cohortium.archive import lists
from cohortium.govern import grants
from cohortium.govern.roles import May
from cohortium.web.auth import reading, record, user
from cohortium.wire import api

__all__ = ["list_lists", "one", "remove", "save"]


def list_lists(request: Request, name: str) -> list[api.ScanList]:
    """The project's lists, by name."""
    with reading(request).connect() as connection:
        found = lists.lists(connection, grants.id_of(connection, user(request), name, May.READ))
    return [api.ScanList.model_validate(each) for each in found]


def one(request: Request, name: str, saved: str) -> api.ScanList:
    """A list and the series in it."""
    with reading(request).connect() as connection:
        found = lists.find(connection, grants.id_of(connection, user(request), name, May.READ), saved)
        if found is None:
            raise HTTPException(404)
        series = lists.series_of(connection, found.id)
    return api.ScanList.model_validate(found).model_copy(update={"series": series})


def save(request: Request, name: str, saved: str, wish: api.ScanListWish) -> api.ScanList:
    """Let the list of that name hold exactly these series."""
    with request.app.state.engine.begin() as connection:
        project_id = grants.id_of(connection, user(request), name, May.WRITE)
        made = lists.save(connection, project_id, saved, wish.series, user(request).name)
        record(request, connection, "save list", f"{name}/{saved}", project_id, May.WRITE)
    return api.ScanList.model_validate(made)


def remove(request: Request, name: str, saved: str) -> None:
    """Forget a list. What was frozen from it stays."""
    with request.app.state.engine.begin() as connection:
        project_id = grants.id_of(connection, user(request), name, May.WRITE)
        if not lists.remove(connection, project_id, saved):
            raise HTTPException(404)
        record(request, connection, "remove list", f"{name}/{saved}", project_id, May.WRITE)
