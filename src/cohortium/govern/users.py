"""Accounts. One made by somebody else carries a one-time password, which opens one login and must then be replaced."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, insert, select, update

from cohortium.errors import Refused
from cohortium.govern import passwords
from cohortium.store import now
from cohortium.store.schema import login, user

__all__ = ["User", "authenticate", "choose_password", "create", "ensure_administrator", "renew"]

LONGEST = 64  # characters of a name, as the form to log in takes them


@dataclass(frozen=True, slots=True)
class User:
    """`must_choose`: the account still has the one-time password, and opens nothing but the page to replace it."""

    id: int
    name: str
    administrator: bool
    must_choose: bool


def ensure_administrator(engine: Engine, name: str = "admin") -> str | None:
    """A fresh one-time password for the administrator; None once the account has chosen its own."""
    password = passwords.one_time()
    hashed = passwords.digest(password)
    with engine.begin() as connection:
        row = connection.execute(select(user).where(user.c.name == name)).mappings().one_or_none()
        if row is None:
            _insert(connection, name, hashed, administrator=True)
        elif row["one_time"]:
            connection.execute(login.delete().where(login.c.user_id == row["id"]))
            connection.execute(update(user).where(user.c.id == row["id"]).values(password_hash=hashed))
        else:
            return None
    return password


def renew(engine: Engine, name: str) -> str:
    """A fresh one-time password for the account, which is made if there is none; the very first is the administrator.

    Every login of the account ends.
    """
    password = passwords.one_time()
    hashed = passwords.digest(password)
    with engine.begin() as connection:
        id = connection.scalar(select(user.c.id).where(user.c.name == name))
        if id is None:
            first = connection.scalar(select(func.count()).select_from(user)) == 0
            _insert(connection, name, hashed, administrator=first)
        else:
            connection.execute(update(user).where(user.c.id == id).values(password_hash=hashed, one_time=True))
            connection.execute(login.delete().where(login.c.user_id == id))
    return password


def create(connection: Connection, name: str, *, administrator: bool = False) -> str:
    """Make an account; returns its one-time password. `Refused` where the name is taken."""
    if connection.scalar(select(user.c.id).where(user.c.name == name)) is not None:
        raise Refused(f"an account {name!r} exists already")
    password = passwords.one_time()
    _insert(connection, name, passwords.digest(password), administrator=administrator)
    return password


def authenticate(engine: Engine, name: str, password: str) -> User | None:
    """The account that these open, or None. A one-time password is used up by it."""
    with engine.execution_options(reading=True).begin() as connection:
        row = connection.execute(select(user).where(user.c.name == name)).mappings().one_or_none()
    if not passwords.verify(row["password_hash"] if row else None, password) or row is None:
        return None
    if row["one_time"] and not _use_up(engine, row["id"], row["password_hash"]):
        return None
    return User(row["id"], row["name"], row["administrator"], row["one_time"])


def choose_password(connection: Connection, who: User, password: str) -> None:
    """Give the account its own password, and end every login it has."""
    hashed = passwords.digest(password)
    connection.execute(update(user).where(user.c.id == who.id).values(password_hash=hashed, one_time=False))
    connection.execute(login.delete().where(login.c.user_id == who.id))


def _insert(connection: Connection, name: str, hashed: str, *, administrator: bool) -> None:
    if not 1 <= len(name) <= LONGEST or not name.isprintable() or name != name.strip():
        raise Refused(f"an account's name has 1 to {LONGEST} characters that can be seen, and no blanks around them")
    connection.execute(
        insert(user).values(name=name, password_hash=hashed, one_time=True, administrator=administrator, created=now())
    )


def _use_up(engine: Engine, user_id: int, hashed: str) -> bool:
    """Whether this call is the one that spends the one-time password: of two at once, one gets in."""
    spent = "!" + secrets.token_hex(16)  # no hash: matches no password
    with engine.begin() as connection:
        done = connection.execute(
            update(user).where(user.c.id == user_id, user.c.password_hash == hashed).values(password_hash=spent)
        )
    return done.rowcount == 1
