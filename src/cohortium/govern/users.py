"""Accounts. One made by somebody else carries a one-time password, which opens one login and must then be replaced."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select, update

from cohortium.errors import Refused
from cohortium.govern import passwords
from cohortium.govern.roles import WITHIN, May, Standing
from cohortium.store import now
from cohortium.store.schema import grant, identity, login, token, user

__all__ = [
    "COLUMNS",
    "GUEST",
    "IS_ACTIVE",
    "Account",
    "State",
    "User",
    "accounts",
    "authenticate",
    "choose_password",
    "create",
    "create_site",
    "ensure_administrator",
    "from_row",
    "make",
    "named",
    "register",
    "renew",
    "stand",
]

EVERYTHING = frozenset(May)
LONGEST = 64  # characters of a name, as the form to log in takes them


@dataclass(frozen=True, slots=True)
class User:
    """Who asks. `must_choose`: the account has a one-time password, and opens nothing but the page to replace it.

    An API token, or a site's certificate, narrows what the person may do to its `scope`, and to the `only` project that
    it names; `by` says which of them it was.
    """

    id: int
    name: str
    standing: Standing
    must_choose: bool
    terms: str = ""
    scope: frozenset[May] = EVERYTHING
    only: int | None = None
    by: str = ""

    @property
    def in_person(self) -> bool:
        """Whether a password or a login lets the person in, and no token."""
        return self.scope == EVERYTHING

    @property
    def administrator(self) -> bool:
        return self.standing is Standing.ADMINISTRATOR


class State(StrEnum):
    """Whether an account can be used. A deleted one keeps its name, for the audit's sake, and nothing else."""

    ACTIVE = "active"
    DISABLED = "disabled"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Account:
    """An account as administrators see it."""

    name: str
    standing: Standing
    email: str
    vouched: str
    state: State


IS_ACTIVE = user.c.state == State.ACTIVE.value
COLUMNS = user.c.id, user.c.name, user.c.standing, user.c.one_time, user.c.terms
GUEST = User(0, "guest", Standing.GUEST, False)


def from_row(row: Any, scope: frozenset[May] = EVERYTHING, only: int | None = None) -> User:
    """The account in a row of `COLUMNS`."""
    standing = Standing(row.standing)
    within = scope & WITHIN.get(standing, EVERYTHING)
    return User(row.id, row.name, standing, row.one_time, row.terms, within, only)


def named(connection: Connection, name: str) -> User:
    """The account of that name; `Refused` where there is none."""
    there = user.c.name == name, user.c.state != State.DELETED.value
    row = connection.execute(select(*COLUMNS).where(*there)).one_or_none()
    if row is None:
        raise Refused(f"there is no account {name!r}; `cohortium user password` makes one")
    return from_row(row)


def stand(connection: Connection, name: str, standing: Standing) -> None:
    """Give an account another standing; a maintainer loses every role in a project."""
    if standing is Standing.GUEST:
        raise Refused("a guest is who has no account")
    if standing is Standing.SITE or named(connection, name).standing is Standing.SITE:
        raise Refused("a site is no person, and no person a site; `cohortium user add --site` makes an account for one")
    id = named(connection, name).id
    if standing is not Standing.ADMINISTRATOR:
        _demand_another_administrator(connection, id)
    connection.execute(update(user).where(user.c.id == id).values(standing=standing.value))
    if standing is Standing.MAINTAINER:
        connection.execute(grant.delete().where(grant.c.user_id == id))


def make(connection: Connection, name: str, state: State) -> None:
    """Disable, enable or delete an account. What lets it in ends at once; a deleted one loses its roles too."""
    id = named(connection, name).id
    if state is not State.ACTIVE:
        _demand_another_administrator(connection, id)
        _end(connection, id)
    connection.execute(update(user).where(user.c.id == id).values(state=state.value))
    if state is State.DELETED:
        for table in (grant, identity):
            connection.execute(table.delete().where(table.c.user_id == id))
        forgotten = {"password_hash": "!", "email": "", "terms": "", "standing": Standing.PERSON.value}
        connection.execute(update(user).where(user.c.id == id).values(**forgotten))


def ensure_administrator(engine: Engine, name: str = "admin") -> str | None:
    """A fresh one-time password for the administrator; None once the account has chosen its own."""
    password = passwords.one_time()
    hashed = passwords.digest(password)
    with engine.begin() as connection:
        row = connection.execute(select(user).where(user.c.name == name)).mappings().one_or_none()
        if row is None:
            _insert(connection, name, hashed, Standing.ADMINISTRATOR)
        elif row["one_time"] and row["state"] == State.ACTIVE:
            connection.execute(login.delete().where(login.c.user_id == row["id"]))
            connection.execute(update(user).where(user.c.id == row["id"]).values(password_hash=hashed))
        else:
            return None
    return password


def renew(engine: Engine, name: str) -> str:
    """A fresh one-time password for the account, which is made if there is none; the very first is the administrator.

    Every login and every token of the account ends.
    """
    password = passwords.one_time()
    hashed = passwords.digest(password)
    with engine.begin() as connection:
        row = connection.execute(select(user.c.id, user.c.state).where(user.c.name == name)).one_or_none()
        if row is None:
            first = connection.scalar(select(func.count()).select_from(user)) == 0
            _insert(connection, name, hashed, Standing.ADMINISTRATOR if first else Standing.PERSON)
        else:
            if row.state != State.ACTIVE:
                raise Refused(f"the account {name!r} is {row.state}; a password would not open it")
            connection.execute(update(user).where(user.c.id == row.id).values(password_hash=hashed, one_time=True))
            _end(connection, row.id)
    return password


def create(connection: Connection, name: str, standing: Standing = Standing.PERSON) -> str:
    """Make an account; returns its one-time password. `Refused` where the name is taken."""
    if connection.scalar(select(user.c.id).where(user.c.name == name)) is not None:
        raise Refused(f"an account {name!r} exists already")
    password = passwords.one_time()
    _insert(connection, name, passwords.digest(password), standing)
    return password


def create_site(connection: Connection, name: str) -> None:
    """Make an account that no password opens, for a site of that name."""
    if connection.scalar(select(user.c.id).where(user.c.name == name)) is not None:
        raise Refused(f"an account {name!r} exists already")
    _insert(connection, name, "!", Standing.SITE)
    connection.execute(update(user).where(user.c.name == name).values(one_time=False))


def register(connection: Connection, name: str, password: str | None, *, email: str, vouched: str, terms: str) -> None:
    """Make the account of somebody who was invited; without a password, another provider vouches at each login."""
    if connection.scalar(select(user.c.id).where(user.c.name == name)) is not None:
        raise Refused("This name is taken. Please choose another.")
    hashed = passwords.digest(password) if password is not None else "!"  # no hash: matches no password
    _insert(connection, name, hashed, Standing.PERSON)
    values = {"one_time": False, "email": email, "vouched": vouched, "terms": terms}
    connection.execute(update(user).where(user.c.name == name).values(**values))


def accounts(connection: Connection, name: str | None = None) -> list[Account]:
    """Every account that was not deleted, by name; or the one of that name."""
    columns = user.c.name, user.c.standing, user.c.email, user.c.vouched, user.c.state
    query = select(*columns).where(user.c.state != State.DELETED.value).order_by(user.c.name)
    rows = connection.execute(query if name is None else query.where(user.c.name == name))
    return [Account(row.name, Standing(row.standing), row.email, row.vouched, State(row.state)) for row in rows]


def authenticate(engine: Engine, name: str, password: str, *, first: bool = True) -> User | None:
    """The account that these open, or None. A one-time password is used up by it, and opens nothing unless `first`."""
    with engine.execution_options(reading=True).begin() as connection:
        wanted = select(*COLUMNS, user.c.password_hash).where(user.c.name == name, IS_ACTIVE)
        row = connection.execute(wanted).one_or_none()
    if not passwords.verify(row.password_hash if row else None, password) or row is None:
        return None
    if row.one_time and not (first and _use_up(engine, row.id, row.password_hash)):
        return None
    return from_row(row)


def choose_password(connection: Connection, who: User, password: str) -> None:
    """Give the account its own password, and end every login and token it has."""
    hashed = passwords.digest(password)
    connection.execute(update(user).where(user.c.id == who.id).values(password_hash=hashed, one_time=False))
    _end(connection, who.id)


def _demand_another_administrator(connection: Connection, id: int) -> None:
    """Nobody could let an administrator in again."""
    wanted = user.c.standing == Standing.ADMINISTRATOR.value, IS_ACTIVE
    if list(connection.scalars(select(user.c.id).where(*wanted).limit(2))) == [id]:
        raise Refused("this is the only administrator; make another one first")


def _end(connection: Connection, user_id: int) -> None:
    """End all that lets the account in, beside its password."""
    connection.execute(login.delete().where(login.c.user_id == user_id))
    connection.execute(token.delete().where(token.c.user_id == user_id))


def _insert(connection: Connection, name: str, hashed: str, standing: Standing) -> None:
    if not 1 <= len(name) <= LONGEST or not name.isprintable() or name != name.strip():
        raise Refused(f"an account's name has 1 to {LONGEST} characters that can be seen, and no blanks around them")
    connection.execute(
        insert(user).values(name=name, password_hash=hashed, one_time=True, standing=standing.value, created=now())
    )


def _use_up(engine: Engine, user_id: int, hashed: str) -> bool:
    """Whether this call is the one that spends the one-time password: of two at once, one gets in."""
    spent = "!" + secrets.token_hex(16)  # no hash: matches no password
    with engine.begin() as connection:
        done = connection.execute(
            update(user).where(user.c.id == user_id, user.c.password_hash == hashed).values(password_hash=spent)
        )
    return done.rowcount == 1
