"""Connecting as XNAT's clients do: a JSESSIONID for a password or an API token, and what they ask about the site.

A JSESSIONID opens nothing but these addresses. Who connects with an API token gets that very token as the JSESSIONID,
so that it can do no more than the token, and ends with it.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from cohortium.govern import logins, tokens, users
from cohortium.govern.roles import Standing
from cohortium.govern.users import User
from cohortium.prove import audit
from cohortium.web import credentials
from cohortium.web.auth import XNAT_COOKIE, reading, user
from cohortium.web.portal.home import home as portal_home

__all__ = ["auth", "build_info", "end", "home", "jsession", "log_in", "version"]

VERSION = "1.8.10"  # the release of XNAT whose addresses these are
GUEST = '<span id="user_info">Logged in as: <span style="color:red;">Guest</span></span>'
Text = Annotated[str, Form(max_length=1024)]


def home(request: Request) -> Response:
    """The portal; for xnatpy, which looks at the first page to tell a guest, a line that says who connects."""
    if not request.headers.get("user-agent", "").startswith("xnatpy/"):
        return portal_home(request)
    if user(request).standing is Standing.GUEST:
        return HTMLResponse(GUEST)
    return _opened(request)


def log_in(request: Request, username: Text = "", password: Text = "") -> Response:
    """Open a session for a name and a password, or an API token in place of one."""
    if not password:
        raise HTTPException(401)
    if password.startswith(tokens.MARK):
        with reading(request).connect() as connection:
            who = tokens.whose(connection, password)
        opened = password
    else:
        who = credentials.try_password(request, username[: users.LONGEST], password, first=False)
        opened = _open(request, who) if who else ""
    if who is None:
        raise HTTPException(401)
    return _set(request, PlainTextResponse(opened), opened)


def jsession(request: Request) -> Response:
    """The session in use, or a new one for whom the request itself names; empty for a guest."""
    if "authorization" in request.headers:
        return _opened(request)
    return PlainTextResponse("" if user(request).standing is Standing.GUEST else request.cookies.get(XNAT_COOKIE, ""))


def end(request: Request) -> Response:
    """Close the session, if there is one."""
    held = request.cookies.get(XNAT_COOKIE, "")
    if held:
        with request.app.state.engine.begin() as connection:
            logins.close(connection, held, "xnat")
    response = PlainTextResponse("")
    response.delete_cookie(XNAT_COOKIE, path="/", httponly=True, samesite="strict")
    return response


def auth(request: Request) -> Response:
    """Who is connected."""
    return PlainTextResponse(f"User '{user(request).name}' is logged in")


def version() -> Response:
    """XNAT has no such address since 1.7; clients then ask `build_info`."""
    raise HTTPException(404)


def build_info() -> Response:
    """The release of XNAT that this speaks like, and nothing about the machine."""
    return JSONResponse({"version": VERSION, "buildNumber": "Cohortium", "isDirty": "false"})


def _opened(request: Request) -> Response:
    """A session for who came with a password or a token in the request itself."""
    by_password = user(request).in_person
    opened = _open(request, user(request)) if by_password else credentials.secret(request)
    return _set(request, PlainTextResponse(opened), opened)


def _open(request: Request, who: User) -> str:
    hours = request.app.state.config.serve.login_hours
    with request.app.state.engine.begin() as connection:
        audit.record(connection, who.name, "login", "xnat", address=credentials.address(request))
        return logins.open_login(connection, who, hours, "xnat")


def _set(request: Request, response: Response, token: str) -> Response:
    hours = request.app.state.config.serve.login_hours
    secure = request.app.state.public.is_secure
    response.set_cookie(
        XNAT_COOKIE, token, max_age=hours * 3600, path="/", httponly=True, samesite="strict", secure=secure
    )
    return response
