"""Who is asking, and whether they may: the conditions that routes name, and the token that forms carry.

A browser shows the cookie of a login; a program shows an API token (`Authorization: Bearer`, or as the password of HTTP
Basic), or a name and a password; a site, where it shows nothing else, may show its certificate. A route without one of
these conditions does not exist: `routes.Route` demands it.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from enum import Enum
from hashlib import sha256
from typing import Annotated

from fastapi import Path, Request
from sqlalchemy import Connection, Engine, select
from starlette.exceptions import HTTPException
from starlette.responses import Response

from cohortium.errors import Refused
from cohortium.govern import grants, logins, tokens
from cohortium.govern.roles import ALLOWED, ON_SITE, May, Standing
from cohortium.govern.terms import Terms
from cohortium.govern.users import GUEST, User
from cohortium.prove import audit
from cohortium.store.schema import project
from cohortium.web import certificates, credentials

__all__ = [
    "COOKIE",
    "XNAT",
    "XNAT_COOKIE",
    "Access",
    "LoginNeeded",
    "PasswordNeeded",
    "RowId",
    "Stale",
    "TermsNeeded",
    "demand_form_token",
    "demand_same_origin",
    "form_token",
    "grounds",
    "guard",
    "new_visitor",
    "reading",
    "record",
    "searched",
    "set_cookie",
    "user",
]

COOKIE = "cohortium"
XNAT_COOKIE, XNAT = "JSESSIONID", ("/data/", "/xapi/")  # counts there and nowhere else
RowId = Annotated[int, Path(ge=0, lt=1 << 63)]  # what the store can hold
NAMES = ("project", "name")  # parameters of a path that name a project


class Access(Enum):
    """Who may call a route that asks for nothing in particular."""

    ANYONE = "anyone"
    CHOOSING = "logged in, with a one-time password still to be replaced"
    LOGGED_IN = "logged in; what of the archive is seen depends on grants"
    AGREEING = "logged in, whether or not the terms of use are accepted"
    SENDER = "shows the token of the source that the path names"
    IN_PERSON = "logged in with a password, not by a token: for what a token must not change"


class LoginNeeded(Refused):
    """Nobody is logged in."""


class PasswordNeeded(Refused):
    """The one-time password must be replaced first."""


class TermsNeeded(Refused):
    """The terms of use in force must be accepted first."""


class Stale(Refused):
    """A form came without the token that belongs to this visitor."""


def guard(access: Access | May) -> Callable[[Request], None]:
    """The dependency that enforces `access`, and for browsers the origin of every change.

    A `May` about projects is asked of the project that the path names; where it names none, the queries ask.
    """

    def enforce(request: Request) -> None:
        if request.method not in ("GET", "HEAD"):
            demand_same_origin(request)
        if access is Access.ANYONE:
            return
        if access is Access.SENDER:
            shown = credentials.secret(request)
            request.state.intake = request.app.state.doors.opened(request.path_params["source"], shown)
            return
        who = _whose(request) or _guest(request, access)
        if who is None:
            raise LoginNeeded
        if who is not GUEST:  # all guests are one account; their addresses are counted
            request.app.state.rates.take(who.id)
        if who.must_choose is not (access is Access.CHOOSING):
            raise PasswordNeeded if who.must_choose else LoginNeeded
        request.state.user, request.state.access = who, access
        if access not in (Access.CHOOSING, Access.AGREEING) and _must_agree(request, who):
            raise TermsNeeded
        if access is Access.IN_PERSON and not who.in_person:
            raise HTTPException(403)
        if isinstance(access, May):
            _demand(request, who, access)

    return enforce


def _must_agree(request: Request, who: User) -> bool:
    terms: Terms | None = request.app.state.terms
    nobody = who is GUEST or who.standing is Standing.SITE
    return terms is not None and not nobody and who.terms != terms.digest


def user(request: Request) -> User:
    """The person whom `guard` let in."""
    found: User = request.state.user
    return found


def record(
    request: Request, connection: Connection, what: str, object: str, project_id: int | None = None, may: May = May.READ
) -> None:
    """Write into the audit what the caller does, from where, and under which grant in the project."""
    who = user(request)
    basis = None if project_id is None else grants.basis(connection, who, project_id, may)
    audit.record(connection, who.name, what, object, **grounds(request, basis))


def grounds(request: Request, basis: str | None = None) -> dict[str, str]:
    """What the audit says beside who did what: from which address, and by which right; a standing's own, if None."""
    who = user(request)
    by = f" by {who.by}" if who.by else ""
    return {"address": credentials.address(request), "basis": (who.standing.value if basis is None else basis) + by}


def searched(request: Request, **attributes: str) -> str:
    """Attribute names and keyed digests of what was searched for: who searches the same twice can be told, not what."""
    marks: bytes = request.app.state.marks
    return "&".join(
        f"{name}={hmac.digest(marks, f'{name}={value}'.encode(), 'sha256').hex()[:16]}"
        for name, value in sorted(attributes.items())
    )


def _demand(request: Request, who: User, may: May) -> None:
    """Nothing is there for who may not even see it; what one sees and may not do is refused."""
    if may in ON_SITE:
        if may not in ALLOWED[who.standing] & who.scope:
            raise HTTPException(403)
        return
    name = next((request.path_params[key] for key in NAMES if key in request.path_params), None)
    if name is None:
        return
    with reading(request).connect() as connection:
        if _reaches(connection, who, may, name):
            return
        raise HTTPException(403 if _reaches(connection, who, May.SEE, name) else 404)


def _reaches(connection: Connection, who: User, may: May, name: str) -> bool:
    found = select(project.c.id).where(project.c.name == name, project.c.id.in_(grants.permitted(who, may)))
    return connection.execute(found).first() is not None


def _guest(request: Request, access: Access | May) -> User | None:
    """Who is not logged in, where the site lets such read what is public."""
    open_to_guests = request.app.state.config.serve.guests and access in (Access.LOGGED_IN, May.SEE, May.READ)
    return GUEST if open_to_guests and "authorization" not in request.headers else None


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
        secure=request.app.state.public.is_secure,
    )


def reading(request: Request) -> Engine:
    """The store, for queries that write nothing."""
    engine: Engine = request.app.state.engine
    return engine.execution_options(reading=True)


def _whose(request: Request) -> User | None:
    if "authorization" in request.headers:
        return credentials.whose(request)
    with reading(request).connect() as connection:
        shown = request.cookies.get(XNAT_COOKIE, "") if request.url.path.startswith(XNAT) else ""
        if shown.startswith(tokens.MARK):
            return tokens.whose(connection, shown)
        if shown and (who := logins.whose(connection, shown, "xnat")):
            return who
        token = request.cookies.get(COOKIE)
        if token or shown:
            return logins.whose(connection, token) if token else None
        certificate = certificates.shown(request)
        return tokens.of_certificate(connection, certificate) if certificate else None


def demand_same_origin(request: Request) -> None:
    """Browsers say where a request comes from; `Origin` says nothing under our Referrer-Policy.

    No browser sends a Bearer token of its own accord, so that one needs no such check.
    """
    if request.headers.get("authorization", "").lower().startswith("bearer "):
        return
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Stale
