from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, select, text

from cohortium.errors import Unavailable
from cohortium.store import open_store, schema
from cohortium.store.engine import MIGRATIONS
from cohortium.store.schema import project

SORT = """
import os, sys
from pathlib import Path
from sqlalchemy import select, text
from cohortium.store import open_store, schema
with open_store(Path(sys.argv[1])).connect() as connection:
    many = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 40000) "
    rows = connection.execute(text(many + "SELECT x, hex(zeroblob(500)) FROM n ORDER BY x % 97"))
    rows.fetchone()
    print(*(os.readlink(entry.path) for entry in os.scandir("/proc/self/fd") if os.path.islink(entry.path)))
"""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_a_query_that_sorts_much_opens_no_file_outside_the_data_root(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SORT, tmp_path], capture_output=True, text=True, check=True)
    opened = {Path(name) for name in done.stdout.split() if name.startswith("/") and not name.startswith("/dev")}
    assert tmp_path / "cohortium.sqlite" in opened
    assert [path for path in opened if "tmp" in path.parts and not path.is_relative_to(tmp_path)] == []


def test_a_store_of_a_newer_release_is_left_alone(tmp_path: Path) -> None:
    with open_store(tmp_path).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Unavailable, match="newer"):
        open_store(tmp_path)


def test_a_store_of_an_older_release_keeps_its_rows(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'cohortium.sqlite'}")
    with engine.begin() as connection:
        first = Config()
        first.set_main_option("script_location", str(MIGRATIONS))
        first.attributes["connection"] = connection
        command.upgrade(first, "0001")
        connection.exec_driver_sql(
            "INSERT INTO project (name, title, admit, protocol, protocol_digest, created) "
            "VALUES ('one', '', '', '', '', '')"
        )
    engine.dispose()
    with open_store(tmp_path).connect() as connection:
        assert connection.execute(select(project.c.name, project.c.allows)).all() == [("one", [])]


def test_people_keep_their_logins_and_roles_as_the_store_grows(tmp_path: Path) -> None:
    """SQLite makes a table anew to drop a column, and would take with the old one all that refers to it."""
    engine = create_engine(f"sqlite:///{tmp_path / 'cohortium.sqlite'}")
    with engine.begin() as connection:
        old = Config()
        old.set_main_option("script_location", str(MIGRATIONS))
        old.attributes["connection"] = connection
        command.upgrade(old, "0002")
        for table, values in {
            "project": "(id, name, title, admit, protocol, protocol_digest, created) VALUES (1, 'one', '', '', '', '', '')",  # noqa: E501
            "user": "(id, name, password_hash, one_time, administrator, created) VALUES (1, 'ada', '', 0, 1, '')",
            "grant": "(user_id, project_id, role) VALUES (1, 1, 'member')",
            "login": "(token_digest, user_id, created, expires) VALUES ('x', 1, '', '')",
        }.items():
            connection.exec_driver_sql(f'INSERT INTO "{table}" {values}')
    engine.dispose()
    with open_store(tmp_path).connect() as connection:
        assert connection.scalar(select(schema.user.c.standing)) == "administrator"
        assert connection.scalar(select(schema.grant.c.role)) == "member"
        assert connection.scalar(select(schema.login.c.user_id)) == 1
