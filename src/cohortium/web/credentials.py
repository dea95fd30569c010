"""What a program shows in place of a login: `Authorization: Bearer TOKEN`, or Basic with a token or a password.

A password is checked against its argon2id hash once in a while and remembered in between as a keyed digest that dies
with this process, since DICOMweb and XNAT clients send it with every request; a changed password is noticed at once.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import time
from collections import OrderedDict
from threading import Lock

from fastapi import Request
from sqlalchemy import Engine, select
from starlette.exceptions import HTTPException

from cohortium.errors import Later
from cohortium.govern import attempts, tokens, users
from cohortium.govern.users import User
from cohortium.prove import audit
from cohortium.store import schema

__all__ = ["Remembered", "TooManyTries", "address", "secret", "try_password", "whose"]

SECONDS = 300.0
MOST = 1024
LONGEST = 1024  # characters of a header that is looked at


class TooManyTries(Later):
    """Somebody guesses."""


class Remembered:
    """Passwords found right a moment ago: keyed digests, each with the stored hash that it was right for."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._found: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        self._lock = Lock()

    def knows(self, name: str, password: str, stored: str) -> bool:
        """Whether this password was right for this stored hash a moment ago."""
        with self._lock:
            hashed, until = self._found.get(self._mark(name, password), ("", 0.0))
        return time.monotonic() < until and hmac.compare_digest(hashed, stored)

    def keep(self, name: str, password: str, stored: str) -> None:
        """Know it for a while."""
        with self._lock:
            self._found[self._mark(name, password)] = (stored, time.monotonic() + SECONDS)
            if len(self._found) > MOST:
                self._found.popitem(last=False)

    def _mark(self, name: str, password: str) -> bytes:
        return hmac.digest(self._key, f"{name}\0{password}".encode(), "sha256")


def whose(request: Request) -> User:
    """The account behind the header; 401 where there is none, so that a wrong password never reads as a guest's."""
    scheme, _, shown = request.headers["authorization"][:LONGEST].partition(" ")
    engine: Engine = request.app.state.engine
    found = None
    if scheme.lower() == "bearer":
        found = _by_token(engine, shown.strip())
    elif scheme.lower() == "basic":
        name, password = _basic(shown)
        found = (
            _by_token(engine, password) if password.startswith(tokens.MARK) else _by_password(request, name, password)
        )
    if found is None:
        raise HTTPException(401)
    return found


def secret(request: Request) -> str:
    """The token or the password that the header shows; empty where there is none."""
    scheme, _, shown = request.headers.get("authorization", "")[:LONGEST].partition(" ")
    return shown.strip() if scheme.lower() == "bearer" else _basic(shown)[1]


def try_password(request: Request, name: str, password: str, *, first: bool) -> User | None:
    """The account that these open; every try counts until it succeeds, and `TooManyTries` tells who has to wait."""
    state, here = request.app.state, address(request)
    with state.engine.begin() as connection:
        wait = attempts.begin(connection, name, here)
    if wait > 0:
        raise TooManyTries("Please wait before the next try.", wait)
    with state.hashing:
        who = users.authenticate(state.engine, name, password, first=first)
    with state.engine.begin() as connection:
        if who is None:
            audit.record(connection, "anyone", "login failed", "portal" if first else "program", address=here)
        else:
            attempts.succeed(connection, name, here)
    return who


def address(request: Request) -> str:
    """Where the request comes from; behind a proxy, what the proxy says."""
    return request.client.host if request.client else ""


def _by_token(engine: Engine, shown: str) -> User | None:
    with engine.execution_options(reading=True).connect() as connection:
        return tokens.whose(connection, shown)


def _by_password(request: Request, name: str, password: str) -> User | None:
    state = request.app.state
    with state.engine.execution_options(reading=True).connect() as connection:
        wanted = select(*users.COLUMNS, schema.user.c.password_hash).where(schema.user.c.name == name, users.IS_ACTIVE)
        row = connection.execute(wanted).one_or_none()
    if row is not None and not row.one_time and state.remembered.knows(name, password, row.password_hash):
        return users.from_row(row)
    who = try_password(request, name, password, first=False)
    if who is not None and row is not None:
        state.remembered.keep(name, password, row.password_hash)
    return who


def _basic(shown: str) -> tuple[str, str]:
    """Name and password of RFC 7617; empty where they cannot be read."""
    try:
        name, _, password = base64.b64decode(shown.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name[: users.LONGEST], password
