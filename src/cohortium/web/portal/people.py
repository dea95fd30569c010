"""Who has which role in a project, and what it shows to the others: the page of its owners."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Form, Request
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from cohortium.errors import Refused, Unavailable
from cohortium.govern import grants, harvest, invitations, quotas, users
from cohortium.govern.quotas import Quota
from cohortium.govern.roles import May, Role, Visibility
from cohortium.web import mail
from cohortium.web.auth import RowId, demand_form_token, reading, record, user
from cohortium.web.portal.templating import render

__all__ = ["give_role", "invite", "make_visible", "people", "sent", "withdraw_invitation", "withdraw_role"]

Text = Annotated[str, Form()]
ONCE = "The link makes one account, once, within two weeks.\n"
SAYS = {
    Visibility.PRIVATE: "Only who has a role in it knows that it exists.",
    Visibility.PROTECTED: "Everybody who is logged in sees its title and protocol, and can ask for a role.",
    Visibility.PUBLIC: "Everybody who is logged in reads its data.",
}


def people(request: Request, name: str) -> Response:
    """Roles and visibility of a project."""
    return _page(request, name)


def give_role(
    request: Request,
    name: str,
    person: Text = "",
    role: Text = "",
    gigabytes_day: Text = "",
    instances_day: Text = "",
    gigabytes_total: Text = "",
    instances_total: Text = "",
    form: Text = "",
) -> Response:
    """Give a person one role, in place of any other, and a quota where the site's own does not fit."""
    demand_form_token(request, form)
    if role not in set(Role):
        raise HTTPException(400)
    try:
        quota = Quota(
            _limit(gigabytes_day, quotas.GIGABYTE),
            _limit(instances_day),
            _limit(gigabytes_total, quotas.GIGABYTE),
            _limit(instances_total),
        )
        with request.app.state.engine.begin() as connection:
            project_id, account = _project(connection, request, name), users.named(connection, person.strip())
            grants.give(connection, account.id, project_id, Role(role), user(request).name, quota)
            record(request, connection, f"grant {role}", f"{name}/{account.name}", project_id, May.MANAGE)
    except Refused as error:
        return _page(request, name, problem=str(error), status=422)
    return RedirectResponse(f"/projects/{name}/people", 303)


def withdraw_role(request: Request, name: str, person: Text = "", form: Text = "") -> Response:
    """Take away whatever role a person has."""
    demand_form_token(request, form)
    try:
        with request.app.state.engine.begin() as connection:
            project_id, account = _project(connection, request, name), users.named(connection, person)
            grants.withdraw(connection, account.id, project_id)
            record(request, connection, "revoke role", f"{name}/{account.name}", project_id, May.MANAGE)
    except Refused as error:
        return _page(request, name, problem=str(error), status=422)
    return RedirectResponse(f"/projects/{name}/people" if account.id != user(request).id else "/", 303)


def make_visible(request: Request, name: str, visibility: Text = "", form: Text = "") -> Response:
    """Say what the project shows to who has no role in it."""
    demand_form_token(request, form)
    if visibility not in set(Visibility):
        raise HTTPException(400)
    with request.app.state.engine.begin() as connection:
        project_id = _project(connection, request, name)
        grants.make_visible(connection, project_id, Visibility(visibility))
        record(request, connection, f"make {visibility}", name, project_id, May.MANAGE)
    return RedirectResponse(f"/projects/{name}/people", 303)


def invite(request: Request, name: str, email: Text = "", role: Text = "", form: Text = "") -> Response:
    """Invite somebody without an account into the project."""
    demand_form_token(request, form)
    if role not in set(Role):
        raise HTTPException(400)
    try:
        with request.app.state.engine.begin() as connection:
            project_id = _project(connection, request, name)
            token = invitations.make(connection, user(request), email.strip(), project_id, Role(role))
            record(request, connection, f"invite {role}", name, project_id, May.MANAGE)
    except Refused as error:
        return _page(request, name, problem=str(error), status=422)
    return _page(request, name, **sent(request, token, email.strip()))


def withdraw_invitation(request: Request, name: str, invitation_id: RowId, form: Text = "") -> Response:
    """End an invitation that nobody has accepted."""
    demand_form_token(request, form)
    with request.app.state.engine.begin() as connection:
        project_id = _project(connection, request, name)
        if not invitations.withdraw(connection, invitation_id, project_id):
            raise HTTPException(404)
        record(request, connection, "withdraw invitation", name, project_id, May.MANAGE)
    return RedirectResponse(f"/projects/{name}/people", 303)


def sent(request: Request, token: str, email: str) -> dict[str, Any]:
    """The invitation mailed, where the site sends mail; else, and where that fails, its link to be handed over."""
    link = f"{request.app.state.public.address}/register?token={token}"
    if not request.app.state.config.mail.host:
        return {"link": link}
    text = f"{user(request).name} invites you to an archive of medical images for research:\n\n{link}\n\n" + ONCE
    try:
        mail.send(request.app.state.config, email, "Your invitation", text)
    except Unavailable as error:
        return {"link": link, "problem": str(error)}
    return {"link": link, "sent": email}


def _limit(text: str, unit: int = 1) -> int | None:
    """A limit as it was typed: nothing is the site's own, 0 is none."""
    text = text.strip()
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Refused("A limit is a whole number, 0 for none, or nothing for the site's own.")
    return int(text) * unit if text else None


def _project(connection: Connection, request: Request, name: str) -> int:
    return grants.id_of(connection, user(request), name, May.MANAGE)


def _page(
    request: Request, name: str, *, problem: str = "", status: int = 200, link: str = "", sent: str = ""
) -> Response:
    with reading(request).connect() as connection:
        project = grants.shown(connection, _project(connection, request, name))
        held, pending = grants.granted(connection, project.id), invitations.pending(connection, project.id)
        used, alarms = (
            quotas.used(connection, project.id, datetime.now(UTC)),
            harvest.alarms(connection, [project.name]),
        )
    default = quotas.defaults(request.app.state.config.quota)
    quota = {each.name: quotas.in_force(each.quota, default) for each in held}
    values: dict[str, Any] = {"project": project, "granted": held, "pending": pending, "roles": Role, "says": SAYS}
    values |= {"used": used, "quota": quota, "default": default, "alarms": alarms}
    return render(request, "people.html", status, **values, problem=problem, link=link, sent=sent)
