"""Who has which role in a project, and what it shows to the others: the page of its owners."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from cohortium.errors import Refused
from cohortium.govern import grants, users
from cohortium.govern.roles import May, Role, Visibility
from cohortium.web.auth import demand_form_token, reading, record, user
from cohortium.web.portal.templating import render

__all__ = ["give_role", "make_visible", "people", "withdraw_role"]

Text = Annotated[str, Form()]
SAYS = {
    Visibility.PRIVATE: "Only who has a role in it knows that it exists.",
    Visibility.PROTECTED: "Everybody who is logged in sees its title and protocol, and can ask for a role.",
    Visibility.PUBLIC: "Everybody who is logged in reads its data.",
}


def people(request: Request, name: str) -> Response:
    """Roles and visibility of a project."""
    return _page(request, name)


def give_role(request: Request, name: str, person: Text = "", role: Text = "", form: Text = "") -> Response:
    """Give a person one role, in place of any other."""
    demand_form_token(request, form)
    if role not in set(Role):
        raise HTTPException(400)
    try:
        with request.app.state.engine.begin() as connection:
            project_id, account = _project(connection, request, name), users.named(connection, person.strip())
            grants.give(connection, account.id, project_id, Role(role), user(request).name)
            record(request, connection, f"grant {role}", f"{name}/{account.name}")
    except Refused as error:
        return _page(request, name, str(error), 422)
    return RedirectResponse(f"/projects/{name}/people", 303)


def withdraw_role(request: Request, name: str, person: Text = "", form: Text = "") -> Response:
    """Take away whatever role a person has."""
    demand_form_token(request, form)
    try:
        with request.app.state.engine.begin() as connection:
            project_id, account = _project(connection, request, name), users.named(connection, person)
            grants.withdraw(connection, account.id, project_id)
            record(request, connection, "revoke role", f"{name}/{account.name}")
    except Refused as error:
        return _page(request, name, str(error), 422)
    return RedirectResponse(f"/projects/{name}/people" if account.id != user(request).id else "/", 303)


def make_visible(request: Request, name: str, visibility: Text = "", form: Text = "") -> Response:
    """Say what the project shows to who has no role in it."""
    demand_form_token(request, form)
    if visibility not in set(Visibility):
        raise HTTPException(400)
    with request.app.state.engine.begin() as connection:
        grants.make_visible(connection, _project(connection, request, name), Visibility(visibility))
        record(request, connection, f"make {visibility}", name)
    return RedirectResponse(f"/projects/{name}/people", 303)


def _project(connection: Connection, request: Request, name: str) -> int:
    return grants.id_of(connection, user(request), name, May.MANAGE)


def _page(request: Request, name: str, problem: str = "", status: int = 200) -> Response:
    with reading(request).connect() as connection:
        project = grants.shown(connection, _project(connection, request, name))
        held = grants.granted(connection, project.id)
    values = {"project": project, "granted": held, "roles": Role, "says": SAYS, "problem": problem}
    return render(request, "people.html", status, **values)
