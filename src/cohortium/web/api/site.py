"""The site itself: its health for maintainers, its audit for administrators and for owners of a project."""

from __future__ import annotations

import shutil
from typing import Annotated

from fastapi import Query, Request, Response

from cohortium import __version__, config
from cohortium.errors import CohortiumError
from cohortium.prove import audit, trail
from cohortium.store import is_ready
from cohortium.web.api.paging import link_next
from cohortium.web.auth import reading, record
from cohortium.wire import api

__all__ = ["of_project", "of_site", "state"]


def state(request: Request) -> api.Site:
    """Health, configuration and heads of the audit."""
    settings: config.Config = request.app.state.config
    with reading(request).connect() as connection:
        heads = audit.heads(connection)
    rows = {name: str(value) for name, value, _ in config.in_force(settings)}
    return api.Site(
        version=__version__,
        ready=_ready(request),
        free=shutil.disk_usage(settings.site.data).free,
        heads=[api.Segment.model_validate(head) for head in heads],
        settings={name: value for name, value in rows.items() if not name.startswith(("project[", "pipeline["))},
    )


def of_site(request: Request, response: Response, wish: Annotated[api.SiteAuditSearch, Query()]) -> list[api.AuditRow]:
    """The audit of the whole site, newest first."""
    return _rows(request, response, wish.project, wish)


def of_project(
    request: Request, response: Response, name: str, wish: Annotated[api.AuditSearch, Query()]
) -> list[api.AuditRow]:
    """Who did what with the project, newest first."""
    return _rows(request, response, name, wish)


def _rows(request: Request, response: Response, project: str, wish: api.AuditSearch) -> list[api.AuditRow]:
    wanted = wish.model_dump(exclude={"project", "after"})
    with reading(request).connect() as connection:
        found = trail.rows(connection, project=project, before=wish.after, **wanted)
    with request.app.state.engine.begin() as connection:
        record(request, connection, "read audit", project or "site")
    if len(found) == wish.limit:
        link_next(request, response, found[-1]["id"])
    return [api.AuditRow.model_validate(row) for row in found]


def _ready(request: Request) -> bool:
    try:
        return is_ready(reading(request))
    except CohortiumError:
        return False
