"""Checks of what a project or a dataset version holds: asked for, looked at, and their findings worked through.

Who may write may ask for a check, who may read sees what came of it, and owners alone let a finding be.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Query, Request, Response
from sqlalchemy import Connection
from starlette.exceptions import HTTPException

from cohortium import curate
from cohortium.archive import datasets
from cohortium.check.specification import shipped
from cohortium.config import Config
from cohortium.curate import Entry, Run, Wanted
from cohortium.errors import Refused
from cohortium.govern import grants
from cohortium.govern.roles import May
from cohortium.store import now
from cohortium.web.api.paging import link_next
from cohortium.web.auth import RowId, reading, record, user
from cohortium.wire import api

__all__ = ["ask", "findings", "list_checks", "one", "reopen", "report", "waive"]

Before = Annotated[int | None, Query(ge=0, lt=1 << 63, description="As the `Link` before had it.")]
Limit = Annotated[int, Query(ge=1, le=1000)]


def list_checks(
    request: Request, response: Response, name: str, after: Before = None, limit: Limit = 100
) -> list[api.Check]:
    """The project's checks, newest first."""
    with reading(request).connect() as connection:
        page = curate.latest(connection, _project(connection, request, name, May.READ), before=after, limit=limit)
    if len(page) == limit:
        link_next(request, response, page[-1].id)
    return [api.Check.model_validate(each) for each in page]


def ask(request: Request, name: str, wish: api.CheckWish) -> api.Check:
    """Ask for a check of the project, or of a version of it. The same again is the one that is not done yet."""
    own = _own(request, name)
    specification = wish.specification or own
    if specification not in (own, *shipped()):
        raise Refused("only shipped specifications, and the project's own, are known here")
    with request.app.state.engine.begin() as connection:
        project_id = _project(connection, request, name, May.WRITE)
        digest = _digest(connection, project_id, wish.dataset)
        found = curate.ask(connection, project_id, digest, specification, wish.ocr, user(request).name)
        record(request, connection, "ask for check", f"{name}/{found.id}", project_id, May.WRITE)
    return api.Check.model_validate(found)


def one(request: Request, name: str, check_id: RowId) -> api.CheckTold:
    """A check: how far it is, and what became of each rule."""
    with reading(request).connect() as connection:
        return api.CheckTold.model_validate(_run(connection, request, name, check_id))


def report(request: Request, name: str, check_id: RowId) -> dict[str, Any]:
    """The report of the newest check, as `cohortium check --json` writes it, waivers as they are now."""
    with reading(request).connect() as connection:
        return curate.report(connection, _run(connection, request, name, check_id))


def findings(
    request: Request, response: Response, name: str, wish: Annotated[api.FindingSearch, Query()]
) -> list[api.FindingRow]:
    """The work list of the project, or of a version of it: every finding that any check made, with its state."""
    asked = wish.model_dump(exclude={"after", "limit"})
    with reading(request).connect() as connection:
        project_id = _project(connection, request, name, May.READ)
        wanted = Wanted(**asked | {"dataset": _digest(connection, project_id, wish.dataset)})
        page = curate.entries(connection, project_id, wanted, after=wish.after, limit=wish.limit)
    if len(page) == wish.limit:
        link_next(request, response, page[-1].number)
    return list(map(_shown, page))


def waive(request: Request, name: str, wish: api.WaiverWish) -> list[api.FindingRow]:
    """Let findings be, with a reason; returns those that were not waived so before."""
    with request.app.state.engine.begin() as connection:
        project_id = _project(connection, request, name, May.DELETE)
        digest = _digest(connection, project_id, wish.dataset)
        by = user(request).name
        changed = curate.waive(connection, project_id, digest, wish.findings, wish.reason, by, now())
        _record(request, connection, "waive finding", name, project_id, changed)
    return list(map(_shown, changed))


def reopen(request: Request, name: str, wish: api.ReopenWish) -> list[api.FindingRow]:
    """Take back that findings were waived; returns those that were."""
    with request.app.state.engine.begin() as connection:
        project_id = _project(connection, request, name, May.DELETE)
        changed = curate.reopen(connection, project_id, _digest(connection, project_id, wish.dataset), wish.findings)
        _record(request, connection, "reopen finding", name, project_id, changed)
    return list(map(_shown, changed))


def _project(connection: Connection, request: Request, name: str, may: May) -> int:
    return grants.id_of(connection, user(request), name, may)


def _run(connection: Connection, request: Request, name: str, check_id: int) -> Run:
    found = curate.run(connection, _project(connection, request, name, May.READ), check_id)
    if found is None:
        raise HTTPException(404)
    return found


def _digest(connection: Connection, project_id: int, called: str) -> str:
    """The version's digest; nothing where the project itself is meant, 404 where there is no such version."""
    if not called:
        return ""
    version = datasets.find(connection, project_id, called)
    if version is None:
        raise HTTPException(404)
    return version.digest


def _own(request: Request, name: str) -> str:
    """The specification that the project is configured to be checked by."""
    config: Config = request.app.state.config
    return next((each.specification for each in config.projects if each.name == name), api.DRAGON)


def _record(
    request: Request, connection: Connection, what: str, name: str, project_id: int, changed: list[Entry]
) -> None:
    for each in changed:
        record(request, connection, what, f"{name}/{each.row.id}", project_id, May.DELETE)


def _shown(entry: Entry) -> api.FindingRow:
    about = {"subject_id": entry.subject_id, "session_id": entry.session_id, "scan_id": entry.scan_id}
    checks = {"first_check": entry.first_run_id, "last_check": entry.last_run_id}
    return api.FindingRow.model_validate({**asdict(entry.row), "number": entry.number, **checks, **about})
