"""Accounts of the site, and alias tokens, which here are API tokens that end after two days.

Administrators are told of every account, everybody else of their own.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response

from cohortium.govern import tokens, users
from cohortium.govern.roles import ALLOWED, May, Scope, Standing
from cohortium.govern.users import Account, State
from cohortium.web.auth import demand_same_origin, reading, record, user
from cohortium.web.xnat.tables import table

__all__ = ["invalidate", "issue", "issue_to", "list_users", "names", "profile", "profiles", "validate"]

COLUMNS = ("xdat_user_id", "login", "firstname", "lastname", "email")
ALIAS, DAYS = "XNAT alias", 2  # how long XNAT's own live


def list_users(request: Request) -> Response:
    """Accounts as a table."""
    rows = [{"xdat_user_id": each.name, "login": each.name, "email": each.email} for each in _told(request)]
    return table(request, rows, COLUMNS)


def names(request: Request) -> Response:
    """Names of accounts."""
    return JSONResponse([each.name for each in _told(request)])


def profiles(request: Request) -> Response:
    """Accounts, each with what is known of it."""
    return JSONResponse([_profile(each) for each in _told(request)])


def profile(request: Request, login: str) -> Response:
    """One account."""
    for each in _told(request):
        if each.name == login:
            return JSONResponse(_profile(each))
    raise HTTPException(404)


def issue(request: Request) -> Response:
    """A new token of the caller's, which reads, writes and removes what they may, and manages nobody."""
    demand_same_origin(request)  # although it is a GET
    who, alias = user(request), str(uuid4())
    with request.app.state.engine.begin() as connection:
        for each in tokens.of(connection, who):
            if each.ended and each.name.startswith(ALIAS):
                tokens.revoke(connection, who, each.id)
        secret = tokens.make(connection, who, f"{ALIAS} {alias}", Scope.WRITE, DAYS)
        record(request, connection, "make token", f"{ALIAS} {alias}")
    expires = int((datetime.now(UTC) + timedelta(days=DAYS)).timestamp() * 1000)
    told = {"alias": alias, "secret": secret, "singleUse": False, "estimatedExpirationTime": expires}
    return JSONResponse(told | {"xdatUserId": who.name})


def issue_to(request: Request, login: str) -> Response:
    """The same for the caller by name; nobody gets a token in the name of somebody else."""
    if login != user(request).name:
        raise HTTPException(403)
    return issue(request)


def validate(request: Request, secret: str) -> Response:
    """Whose token this is; an alias says nothing more, as it does not when somebody connects with it."""
    with reading(request).connect() as connection:
        who = tokens.whose(connection, secret)
    return JSONResponse({"valid": who.name} if who else {})


def invalidate(request: Request, secret: str) -> Response:
    """End the token; who knows it may."""
    with request.app.state.engine.begin() as connection:
        name = tokens.end(connection, secret)
        if name is None:
            raise HTTPException(404)
        record(request, connection, "revoke token", name)
    return PlainTextResponse("")


def _told(request: Request) -> list[Account]:
    who = user(request)
    is_told_all = May.ADMINISTER in ALLOWED[who.standing] & who.scope
    if who.standing is Standing.GUEST:
        return []
    with reading(request).connect() as connection:
        return users.accounts(connection, None if is_told_all else who.name)


def _profile(account: Account) -> dict[str, Any]:
    said = {"id": account.name, "username": account.name, "email": account.email, "firstName": "", "lastName": ""}
    is_administrator = account.standing is Standing.ADMINISTRATOR
    return said | {"enabled": account.state is State.ACTIVE, "verified": True, "admin": is_administrator}
