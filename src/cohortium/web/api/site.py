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

Before = Annotated[int, Query(alias="after", ge=0, lt=1 << 63, description="As the `Link` before had it.")]
Text = Annotated[str, Query(max_length=64)]
Day = Annotated[str, Query(pattern=r"^(\d{4}-\d\d-\d\d)?$", description="A day (UTC), included.")]
Limit = Annotated[int, Query(ge=1, le=1000)]


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


def of_site(
    request: Request,
    response: Response,
    project: Text = "",
    who: Text = "",
    what: Text = "",
    since: Day = "",
    until: Day = "",
    after: Before = 0,
    limit: Limit = 100,
) -> list[api.AuditRow]:
    """The audit of the whole site, newest first."""
    return _rows(request, response, project, who, what, since, until, after, limit)


def of_project(
    request: Request,
    response: Response,
    name: str,
    who: Text = "",
    what: Text = "",
    since: Day = "",
    until: Day = "",
    after: Before = 0,
    limit: Limit = 100,
) -> list[api.AuditRow]:
    """Who did what with the project, newest first."""
    return _rows(request, response, name, who, what, since, until, after, limit)


def _rows(
    request: Request,
    response: Response,
    project: str,
    who: str,
    what: str,
    since: str,
    until: str,
    before: int,
    limit: int,
) -> list[api.AuditRow]:
    wanted = {"project": project, "who": who, "what": what, "since": since, "until": until}
    with reading(request).connect() as connection:
        found = trail.rows(connection, **wanted, before=before, limit=limit)
    with request.app.state.engine.begin() as connection:
        record(request, connection, "read audit", project or "site")
    if len(found) == limit:
        link_next(request, response, found[-1]["id"])
    return [api.AuditRow.model_validate(row) for row in found]


def _ready(request: Request) -> bool:
    try:
        return is_ready(reading(request))
    except CohortiumError:
        return False
