"""Who is asking, and whether they may: the conditions that routes name, and the token that forms carry.

A route without one of these conditions does not exist: `routes.Route` demands it.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from enum import Enum
from hashlib import sha256
from typing import Annotated

from fastapi import Path, Request
from sqlalchemy import Engine
from starlette.responses import Response

from cohortium.errors import Refused
from cohortium.govern import logins
from cohortium.govern.users import User

__all__ = [
    "COOKIE",
    "Access",
    "LoginNeeded",
    "PasswordNeeded",
    "RowId",
    "Stale",
    "demand_form_token",
    "form_token",
    "guard",
    "new_visitor",
    "reading",
    "set_cookie",
    "user",
]

COOKIE = "cohortium"
RowId = Annotated[int, Path(ge=0, lt=1 << 63)]  # what the store can hold


class Access(Enum):
    """Who may call a route."""

    ANYONE = "anyone"
    CHOOSING = "logged in, with a one-time password still to be replaced"
    LOGGED_IN = "logged in; what of the archive is seen depends on grants"


class LoginNeeded(Refused):
    """Nobody is logged in."""


class PasswordNeeded(Refused):
    """The one-time password must be replaced first."""


class Stale(Refused):
    """A form came without the token that belongs to this visitor."""


def guard(access: Access) -> Callable[[Request], None]:
    """The dependency that enforces `access`, and on every POST the form's origin."""

    def enforce(request: Request) -> None:
        if request.method not in ("GET", "HEAD"):
            _same_origin(request)
        if access is Access.ANYONE:
            return
        who = _whose(request)
        if who is None:
            raise LoginNeeded
        if who.must_choose is not (access is Access.CHOOSING):
            raise PasswordNeeded if who.must_choose else LoginNeeded
        request.state.user = who

    return enforce


def user(request: Request) -> User:
    """The person whom `guard` let in."""
    found: User = request.state.user
    return found


def form_token(request: Request) -> str:
    """What a form of this visitor must carry: known to who holds the cookie, and to nobody else."""
    return sha256(b"form\0" + request.cookies.get(COOKIE, "").encode()).hexdigest()


def demand_form_token(request: Request, token: str) -> None:
    """Raise `Stale` unless the form was made for this visitor."""
    if COOKIE not in request.cookies or not hmac.compare_digest(form_token(request).encode(), token.encode()):
        raise Stale


def new_visitor() -> str:
    """A token for a visitor who is not logged in: it opens nothing, and ties the login form to the browser."""
    return secrets.token_urlsafe(32)


def set_cookie(request: Request, response: Response, token: str, hours: int) -> None:
    """Hand the token to the browser, for this server alone and out of reach of scripts."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=hours * 3600,
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def reading(request: Request) -> Engine:
    """The store, for queries that write nothing."""
    engine: Engine = request.app.state.engine
    return engine.execution_options(reading=True)


def _whose(request: Request) -> User | None:
    token = request.cookies.get(COOKIE)
    if not token:
        return None
    with reading(request).connect() as connection:
        return logins.whose(connection, token)


def _same_origin(request: Request) -> None:
    """Browsers say where a request comes from; `Origin` says nothing under our Referrer-Policy."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Stale
