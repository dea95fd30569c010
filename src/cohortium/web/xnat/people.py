"""Roles in a project and what it shows to others, as XNAT's clients list and change them. For owners alone."""

from __future__ import annotations

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from cohortium.errors import Refused
from cohortium.govern import grants, users
from cohortium.govern.roles import May, Role, Visibility
from cohortium.web.auth import reading, record, user
from cohortium.web.xnat.tables import table

__all__ = ["accessibility", "give", "list_users", "make_visible", "withdraw"]

COLUMNS = ("GROUP_ID", "displayname", "login", "firstname", "lastname", "email")


def list_users(request: Request, project: str) -> Response:
    """Who has a role in the project; names and addresses of people are told to administrators in the portal alone."""
    with reading(request).connect() as connection:
        held = grants.granted(connection, grants.id_of(connection, user(request), project, May.MANAGE))
    rows = [
        {"login": each.name, "displayname": f"{each.role.title()}s", "GROUP_ID": f"{project}_{each.role}"}
        for each in held
    ]
    return table(request, rows, COLUMNS)


def give(request: Request, project: str, role: str, login: str) -> Response:
    """Give an account that role in place of any other; the quota that it had there stays."""
    named = _role(role)
    with request.app.state.engine.begin() as connection:
        project_id = grants.id_of(connection, user(request), project, May.MANAGE)
        try:
            account = users.named(connection, login)
            grants.give(connection, account.id, project_id, named, user(request).name, None)
        except Refused:
            raise HTTPException(404) from None
        record(request, connection, f"grant {named}", f"{project}/{login}", project_id, May.MANAGE)
    return PlainTextResponse("")


def withdraw(request: Request, project: str, role: str, login: str) -> Response:
    """Take the role away."""
    _role(role)
    with request.app.state.engine.begin() as connection:
        project_id = grants.id_of(connection, user(request), project, May.MANAGE)
        if login not in {each.name for each in grants.granted(connection, project_id)}:
            raise HTTPException(404)
        grants.withdraw(connection, users.named(connection, login).id, project_id)
        record(request, connection, "revoke role", f"{project}/{login}", project_id, May.MANAGE)
    return PlainTextResponse("")


def accessibility(request: Request, project: str) -> Response:
    """What the project shows to who has no role in it."""
    with reading(request).connect() as connection:
        project_id = grants.id_of(connection, user(request), project, May.SEE)
        return PlainTextResponse(grants.shown(connection, project_id).visibility)


def make_visible(request: Request, project: str, visibility: str) -> Response:
    """Let the project show this much."""
    if visibility not in set(Visibility):
        raise HTTPException(404)
    with request.app.state.engine.begin() as connection:
        project_id = grants.id_of(connection, user(request), project, May.MANAGE)
        grants.make_visible(connection, project_id, Visibility(visibility))
        record(request, connection, f"make {visibility}", project, project_id, May.MANAGE)
    return PlainTextResponse("")


def _role(text: str) -> Role:
    """XNAT's clients write `Owners`, `owner` and the like."""
    name = text.lower().rstrip("s")
    if name not in set(Role):
        raise HTTPException(404)
    return Role(name)
