"""From an invitation to an account, and the terms of use that everybody accepts."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from cohortium.errors import Refused
from cohortium.govern import invitations, passwords, terms
from cohortium.prove import audit
from cohortium.web.auth import demand_form_token, reading, record, user
from cohortium.web.credentials import address
from cohortium.web.portal.login import as_visitor, enter
from cohortium.web.portal.templating import render

__all__ = ["accept_terms", "register", "register_page", "terms_page"]

Text = Annotated[str, Form()]


def register_page(request: Request, token: str = "") -> Response:
    """The form to make an account, for who has an invitation."""
    return _form(request, token)


def register(
    request: Request,
    token: Text = "",
    name: Text = "",
    password: Text = "",
    again: Text = "",
    agreed: Text = "",
    form: Text = "",
) -> Response:
    """Make the account, and log in."""
    demand_form_token(request, form)
    in_force, name = request.app.state.terms, name.strip()
    try:
        if in_force is not None and agreed != in_force.digest:
            raise Refused("Please read the terms of use and accept them.")
        passwords.demand(password, again, name)
        with request.app.state.hashing, request.app.state.engine.begin() as connection:
            digest = in_force.digest if in_force else ""
            who = invitations.accept(connection, token, name, password, digest)
            audit.record(connection, who.name, "register", "portal", address=address(request))
    except Refused as error:
        return _form(request, token, str(error), name, 422)
    return enter(request, who, "first login")


def terms_page(request: Request) -> Response:
    """The terms of use in force."""
    if request.app.state.terms is None:
        raise HTTPException(404)
    return render(request, "terms.html", terms=request.app.state.terms)


def accept_terms(request: Request, agreed: Text = "", form: Text = "") -> Response:
    """Accept exactly the version that was shown."""
    demand_form_token(request, form)
    in_force = request.app.state.terms
    if in_force is None:
        raise HTTPException(404)
    if agreed == in_force.digest:
        with request.app.state.engine.begin() as connection:
            terms.accept(connection, user(request), in_force)
            record(request, connection, "accept terms", in_force.digest)
        return RedirectResponse("/", 303)
    return RedirectResponse("/terms", 303)


def _form(request: Request, token: str, problem: str = "", name: str = "", status: int = 200) -> Response:
    with reading(request).connect() as connection:
        invitation = invitations.find(connection, token)
    values = {"invitation": invitation, "token": token, "problem": problem, "name": name}
    shortest, in_force = passwords.SHORTEST, request.app.state.terms
    return as_visitor(request, "register.html", status, **values, shortest=shortest, terms=in_force)
