"""A person's own account: the API tokens that their programs use."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from cohortium.errors import Refused
from cohortium.govern import grants, tokens
from cohortium.govern.roles import May, Scope
from cohortium.web.auth import RowId, demand_form_token, reading, record, user
from cohortium.web.portal.templating import render

__all__ = ["account", "make_token", "revoke_token"]

Text = Annotated[str, Form()]
DAYS = (7, 30, 90, 365)


def account(request: Request) -> Response:
    """The person's standing and tokens."""
    return _page(request)


def make_token(
    request: Request, name: Text = "", scope: Text = "", project: Text = "", days: Text = "", form: Text = ""
) -> Response:
    """Make a token and show it, this once."""
    demand_form_token(request, form)
    if scope not in set(Scope) or not (days.isascii() and days.isdigit()) or int(days) not in DAYS:
        raise HTTPException(400)
    who, name = user(request), name.strip()
    try:
        with request.app.state.engine.begin() as connection:
            project_id = grants.id_of(connection, who, project, May.READ) if project else None
            made = tokens.make(connection, who, name, Scope(scope), int(days), project_id)
            record(request, connection, "make token", f"{scope} {project}".strip())
    except Refused as error:
        return _page(request, problem=str(error), status=422)
    return _page(request, made=made)


def revoke_token(request: Request, token_id: RowId, form: Text = "") -> Response:
    """End a token."""
    demand_form_token(request, form)
    with request.app.state.engine.begin() as connection:
        if tokens.revoke(connection, user(request), token_id) is None:
            raise HTTPException(404)
        record(request, connection, "revoke token", str(token_id))
    return RedirectResponse("/account", 303)


def _page(request: Request, *, made: str = "", problem: str = "", status: int = 200) -> Response:
    who = user(request)
    with reading(request).connect() as connection:
        held, projects = tokens.of(connection, who), grants.names(connection, who, May.READ)
    values = {"made": made, "problem": problem, "tokens": held, "projects": projects, "scopes": Scope, "days": DAYS}
    return render(request, "account.html", status, **values)
