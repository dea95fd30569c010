"""Upward from the schema of every release there was, on both databases: rows stay, and the end is the same."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, MetaData, insert, select, text

import databases
from cohortium.store import on_postgres, on_sqlite, open_store, schema
from cohortium.store.migrate import migrate, revisions
from cohortium.store.schema import project

PROJECT = {"title": "", "admit": "check", "protocol": "p", "protocol_digest": "d", "created": "t"}


@pytest.fixture(params=databases.DATABASES)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An engine on a database without any table."""
    if request.param == "sqlite":
        yield on_sqlite.engine(tmp_path)
        return
    with request.getfixturevalue("postgres").database("TEMPLATE template0") as url:
        engine = on_postgres.engine(url)
        yield engine
        engine.dispose()


@pytest.mark.parametrize("revision", revisions())
def test_a_store_of_every_release_keeps_its_rows_and_gets_this_ones_schema(empty: Engine, revision: str) -> None:
    migrate(empty, revision)
    then = MetaData()
    then.reflect(empty)
    with empty.begin() as connection:
        connection.execute(insert(then.tables["project"]).values(name="one", **PROJECT))
        connection.execute(insert(then.tables["subject"]).values(project_id=1, PatientID="S1"))
    migrate(empty)
    with empty.begin() as connection:
        assert connection.execute(select(project.c.id, project.c.name, project.c.allows)).all() == [(1, "one", [])]
        assert connection.scalars(select(schema.subject.c.PatientID)).all() == ["S1"]
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
        connection.execute(insert(project).values(name="two", **PROJECT))
        assert connection.scalar(text("SELECT max(id) FROM project")) == 2


def test_people_keep_their_logins_and_roles_as_the_store_grows(empty: Engine) -> None:
    """SQLite makes a table anew to drop a column, and would take with the old one all that refers to it."""
    migrate(empty, "0002")
    with empty.begin() as connection:
        for table, values in {
            "project": "(name, title, admit, protocol, protocol_digest, created) VALUES ('one', '', '', '', '', '')",
            "user": "(name, password_hash, one_time, administrator, created) VALUES ('ada', '', false, true, '')",
            "grant": "(user_id, project_id, role) VALUES (1, 1, 'member')",
            "login": "(token_digest, user_id, created, expires) VALUES ('x', 1, '', '')",
        }.items():
            connection.exec_driver_sql(f'INSERT INTO "{table}" {values}')
    migrate(empty)
    with empty.begin() as connection:
        assert connection.scalar(select(schema.user.c.standing)) == "administrator"
        assert connection.scalar(select(schema.grant.c.role)) == "member"
        assert connection.scalar(select(schema.login.c.user_id)) == 1


def test_of_many_that_open_an_empty_store_one_makes_it(place: Path | str) -> None:
    with ThreadPoolExecutor(4) as pool:
        engines = list(pool.map(open_store, [place] * 4))
    for engine in engines:
        engine.dispose()
