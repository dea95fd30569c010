"""Every account of the site, for its administrators: standings, and invitations to an account without a role."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Form, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from cohortium.errors import Refused
from cohortium.govern import harvest, invitations, users
from cohortium.govern.roles import Standing
from cohortium.govern.users import State
from cohortium.web.auth import RowId, demand_form_token, reading, record, user
from cohortium.web.portal.people import sent
from cohortium.web.portal.templating import render

__all__ = ["accounts", "change_standing", "change_state", "invite", "withdraw_invitation"]

Text = Annotated[str, Form()]
STANDINGS = tuple(each for each in Standing if each not in (Standing.GUEST, Standing.SITE))


def accounts(request: Request) -> Response:
    """The accounts and open invitations."""
    return _page(request)


def change_standing(request: Request, person: Text = "", standing: Text = "", form: Text = "") -> Response:
    """Say what an account is to the whole site; nobody changes their own, so that an administrator stays."""
    demand_form_token(request, form)
    if standing not in STANDINGS or person == user(request).name:
        raise HTTPException(400)
    try:
        with request.app.state.engine.begin() as connection:
            users.stand(connection, person, Standing(standing))
            record(request, connection, f"make {standing}", person)
    except Refused as error:
        return _page(request, problem=str(error), status=422)
    return RedirectResponse("/people", 303)


def change_state(request: Request, person: Text = "", state: Text = "", form: Text = "") -> Response:
    """Disable, enable or delete an account; nobody does so to their own."""
    demand_form_token(request, form)
    if state not in set(State) or person == user(request).name:
        raise HTTPException(400)
    try:
        with request.app.state.engine.begin() as connection:
            users.make(connection, person, State(state))
            record(request, connection, f"account {state}", person)
    except Refused as error:
        return _page(request, problem=str(error), status=422)
    return RedirectResponse("/people", 303)


def invite(request: Request, email: Text = "", form: Text = "") -> Response:
    """Invite somebody to an account without a role."""
    demand_form_token(request, form)
    try:
        with request.app.state.engine.begin() as connection:
            token = invitations.make(connection, user(request), email.strip())
            record(request, connection, "invite", "site")
    except Refused as error:
        return _page(request, problem=str(error), status=422)
    return _page(request, **sent(request, token, email.strip()))


def withdraw_invitation(request: Request, invitation_id: RowId, form: Text = "") -> Response:
    """End an invitation that nobody has accepted."""
    demand_form_token(request, form)
    with request.app.state.engine.begin() as connection:
        if not invitations.withdraw(connection, invitation_id, None):
            raise HTTPException(404)
        record(request, connection, "withdraw invitation", "site")
    return RedirectResponse("/people", 303)


def _page(request: Request, *, problem: str = "", status: int = 200, link: str = "", sent: str = "") -> Response:
    with reading(request).connect() as connection:
        held, pending = users.accounts(connection), invitations.pending(connection, None)
        alarms = harvest.alarms(connection)
    values: dict[str, Any] = {"alarms": alarms, "accounts": held, "pending": pending, "standings": STANDINGS}
    return render(request, "accounts.html", status, **values, problem=problem, link=link, sent=sent)
