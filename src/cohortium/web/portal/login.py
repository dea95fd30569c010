"""Logging in and out, and replacing a one-time password."""

from __future__ import annotations

from math import ceil
from typing import Annotated, Any

from fastapi import Form, Request
from starlette.responses import RedirectResponse, Response

from cohortium.errors import Refused
from cohortium.govern import logins, passwords, users
from cohortium.govern.users import User
from cohortium.prove import audit
from cohortium.web.auth import COOKIE, demand_form_token, new_visitor, set_cookie, user
from cohortium.web.credentials import TooManyTries, address, try_password
from cohortium.web.portal.templating import render

__all__ = ["as_visitor", "choose_password", "enter", "log_in", "log_out", "login_page", "password_page"]

Text = Annotated[str, Form()]
WRONG = "Name and password do not match. A one-time password opens one login only; the administrator makes another."


def login_page(request: Request) -> Response:
    """The form to log in."""
    return _login_form(request)


def log_in(request: Request, name: Text = "", password: Text = "", form: Text = "") -> Response:
    """Open a login where name and password match."""
    demand_form_token(request, form)
    name = name.strip()[: users.LONGEST]
    try:
        who = try_password(request, name, password, first=True)
    except TooManyTries as error:
        return _login_form(request, f"Too many tries. Please wait {ceil(error.wait)} seconds.", name, 429)
    if who is None:
        return _login_form(request, WRONG, name, 403)
    return enter(request, who, "login")


def password_page(request: Request) -> Response:
    """The form to choose one's own password."""
    return _password_form(request)


def choose_password(request: Request, password: Text = "", again: Text = "", form: Text = "") -> Response:
    """Replace the one-time password, and log in anew under the chosen one."""
    demand_form_token(request, form)
    who = user(request)
    try:
        passwords.demand(password, again, who.name)
    except Refused as error:
        return _password_form(request, str(error), 422)
    with request.app.state.hashing, request.app.state.engine.begin() as connection:
        users.choose_password(connection, who, password)
    return enter(request, who, "choose password")


def log_out(request: Request, form: Text = "") -> Response:
    """End the login."""
    demand_form_token(request, form)
    token = request.cookies[COOKIE]
    with request.app.state.engine.begin() as connection:
        who = logins.whose(connection, token)
        logins.close(connection, token)
        if who is not None:
            audit.record(connection, who.name, "logout", "portal", address=address(request))
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


def enter(request: Request, who: User, what: str) -> Response:
    """Open a login for the person and go on."""
    hours = request.app.state.config.serve.login_hours
    with request.app.state.engine.begin() as connection:
        token = logins.open_login(connection, who, hours)
        audit.record(connection, who.name, what, "portal", address=address(request))
    response = RedirectResponse("/password" if who.must_choose and what == "login" else "/", 303)
    set_cookie(request, response, token, hours)
    return response


def as_visitor(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A page with a form for who is not logged in, tied to this browser."""
    visitor = request.cookies.get(COOKIE) or new_visitor()
    request.cookies[COOKIE] = visitor
    settings = request.app.state.config.oidc
    response = render(request, template, status, provider=settings.label if settings.issuer else "", **values)
    set_cookie(request, response, visitor, hours=1)
    return response


def _login_form(request: Request, problem: str = "", name: str = "", status: int = 200) -> Response:
    return as_visitor(request, "login.html", status, problem=problem, name=name)


def _password_form(request: Request, problem: str = "", status: int = 200) -> Response:
    return render(request, "password.html", status, problem=problem, shortest=passwords.SHORTEST)
