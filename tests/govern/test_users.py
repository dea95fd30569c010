"""Accounts, logins and roles, in a real store."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update

from cohortium.archive.projects import open_project
from cohortium.config import Project
from cohortium.errors import Refused
from cohortium.govern import logins, passwords, users
from cohortium.govern.grants import Role, give, visible_projects, withdraw
from cohortium.govern.roles import Standing
from cohortium.store import open_store
from cohortium.store.schema import login, user
from cohortium.values import Protocol, SubjectRule

PROTOCOL = Protocol("basic", "1", "", "2026c", (), SubjectRule(), {}, digest="0" * 64)
OWN = "four slow green turtles"


@pytest.fixture
def engine(place: Path | str) -> Iterator[Engine]:
    engine = open_store(place)
    yield engine
    engine.dispose()


def test_the_administrator_gets_a_one_time_password_until_they_chose_their_own(engine: Engine) -> None:
    first = users.ensure_administrator(engine)
    second = users.ensure_administrator(engine)
    assert first
    assert second
    assert first != second
    assert users.authenticate(engine, "admin", first) is None  # replaced
    who = users.authenticate(engine, "admin", second)
    assert who is not None
    assert who.must_choose
    assert who.administrator
    with engine.begin() as connection:
        users.choose_password(connection, who, OWN)
    assert users.ensure_administrator(engine) is None
    again = users.authenticate(engine, "admin", OWN)
    assert again is not None
    assert not again.must_choose


def test_a_one_time_password_opens_one_login(engine: Engine) -> None:
    password = users.ensure_administrator(engine)
    assert password is not None
    assert users.authenticate(engine, "admin", password) is not None
    assert users.authenticate(engine, "admin", password) is None


@pytest.mark.parametrize("name", ["", " anna", "an\nna", "a" * 65, "\x1b[31m"])
def test_a_name_that_nobody_could_log_in_with_makes_no_account(engine: Engine, name: str) -> None:
    with pytest.raises(Refused):
        users.renew(engine, name)


def test_what_is_stored_is_an_argon2id_hash_and_nothing_of_the_password(engine: Engine) -> None:
    password = users.ensure_administrator(engine)
    assert password is not None
    with engine.connect() as connection:
        stored = connection.scalar(select(user.c.password_hash))
    assert stored.startswith("$argon2id$")
    assert password not in stored


def test_a_hash_costs_what_rfc_9106_says_where_memory_is_scarce() -> None:
    made = "from cohortium.govern import passwords; print(passwords.digest('correct horse battery'))"
    told = subprocess.run([sys.executable, "-c", made], capture_output=True, text=True, check=True).stdout
    assert told.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_an_unknown_account_costs_a_hash_too(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    hasher = passwords._hasher
    real = type(hasher).verify
    monkeypatch.setattr(
        type(hasher), "verify", lambda self, stored, given: checked.append(stored) or real(self, stored, given)
    )
    assert users.authenticate(engine, "nobody", "whatever it is") is None
    assert len(checked) == 1
    assert checked[0].startswith("$argon2id$")


@pytest.mark.parametrize(
    ("password", "again"),
    [("short", "short"), (OWN, OWN + "x"), ("admin admin admin", "admin admin admin"), ("aaaaaaaaaaaaaaaa",) * 2],
)
def test_weak_or_mistyped_passwords_are_refused(password: str, again: str) -> None:
    with pytest.raises(Refused):
        passwords.demand(password, again, "admin")


def test_a_login_is_known_by_its_digest_alone_and_ends(engine: Engine) -> None:
    users.ensure_administrator(engine)
    who = users.User(1, "admin", Standing.ADMINISTRATOR, True)
    with engine.begin() as connection:
        token = logins.open_login(connection, who, 1)
        assert logins.whose(connection, token) == who
        assert token not in connection.scalars(select(login.c.token_digest)).all()
        connection.execute(update(login).values(expires="2020-01-01T00:00:00.000000+00:00"))
        assert logins.whose(connection, token) is None
        other = logins.open_login(connection, who, 1)
        logins.close(connection, other)
        assert logins.whose(connection, other) is None


def test_choosing_a_password_ends_every_other_login(engine: Engine) -> None:
    users.ensure_administrator(engine)
    who = users.User(1, "admin", Standing.ADMINISTRATOR, True)
    with engine.begin() as connection:
        token = logins.open_login(connection, who, 1)
        users.choose_password(connection, who, OWN)
        assert logins.whose(connection, token) is None


def test_visible_projects_are_those_granted_and_all_for_an_administrator(engine: Engine) -> None:
    with engine.begin() as connection:
        one, two = (open_project(connection, Project(name, name, "check"), PROTOCOL) for name in ("one", "two"))
        users.create(connection, "member")
        users.create(connection, "root", Standing.ADMINISTRATOR)
        connection.execute(update(user).values(one_time=False))
        rows = {row.name: users.from_row(row) for row in connection.execute(select(user))}
        give(connection, rows["member"].id, two, Role.MEMBER)
        assert connection.scalars(visible_projects(rows["member"])).all() == [two]
        assert set(connection.scalars(visible_projects(rows["root"]))) == {one, two}
        withdraw(connection, rows["member"].id, two)
        assert connection.scalars(visible_projects(rows["member"])).all() == []
