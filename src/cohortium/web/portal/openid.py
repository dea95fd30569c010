"""Logging in at an OpenID provider, and coming back. Only who was invited gets an account that way."""

from __future__ import annotations

import hmac

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from cohortium.errors import Refused
from cohortium.govern import identities, invitations
from cohortium.govern.users import User
from cohortium.prove import audit
from cohortium.web import openid
from cohortium.web.auth import reading
from cohortium.web.credentials import address
from cohortium.web.openid import Identity
from cohortium.web.portal.login import as_visitor, enter
from cohortium.web.portal.templating import render

__all__ = ["begin", "finish"]

COOKIE = "cohortium-openid"
PATH = "/openid"
NOBODY = "No account here belongs to that identity. Open the link of your invitation and choose the provider there."
STALE = "This login took too long, or began in another browser. Please try again."


def begin(request: Request, invitation: str = "") -> Response:
    """Send the browser to the provider."""
    where, attempt = _provider(request).begin(invitation)
    response = RedirectResponse(where, 303)
    secure = request.app.state.public.is_secure  # Lax: the provider's answer comes from another site
    cookie = openid.sealed(attempt, request.app.state.marks)
    response.set_cookie(COOKIE, cookie, openid.LIFE, path=PATH, httponly=True, samesite="lax", secure=secure)
    return response


def finish(request: Request, code: str = "", state: str = "") -> Response:
    """Open a login for whom the provider vouches."""
    attempt = openid.unsealed(request.cookies.get(COOKIE, ""), request.app.state.marks)
    if attempt is None or not code or not hmac.compare_digest(attempt.state.encode(), state.encode()):
        return as_visitor(request, "login.html", 403, problem=STALE, name="")
    try:
        who = _account(request, _provider(request).finish(attempt, code), attempt.invitation)
    except Refused as error:
        return as_visitor(request, "login.html", 403, problem=str(error), name="")
    arrived = enter(request, who, "login by OpenID Connect")
    response = render(request, "arrived.html")  # a page, since no browser sends our cookie on a way from another site
    response.headers["set-cookie"] = arrived.headers["set-cookie"]
    response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="lax")
    return response


def _account(request: Request, identity: Identity, invitation: str) -> User:
    with reading(request).connect() as connection:
        found = identities.whose(connection, identity.issuer, identity.subject)
    if found is not None:
        return found
    if not invitation:
        raise Refused(NOBODY)
    with request.app.state.engine.begin() as connection:
        name = identities.free_name(connection, identity.name)
        who = invitations.accept(connection, invitation, name, None, terms="")
        identities.link(connection, who, identity.issuer, identity.subject)
        audit.record(connection, who.name, "register", "OpenID Connect", address=address(request))
    return who


def _provider(request: Request) -> openid.Provider:
    config = request.app.state.config
    if not config.oidc.issuer:
        raise HTTPException(404)
    return openid.Provider(config, f"{request.app.state.public.address}/openid/callback")
