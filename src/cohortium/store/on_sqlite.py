"""The store as one SQLite file: WAL mode with full synchronisation, so what was committed survives a power cut."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event

from cohortium.store.room import in_words

__all__ = ["alone", "engine"]

SETTINGS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON", "temp_store=MEMORY")


def engine(data: Path) -> Engine:
    """An engine on the file below the data root; both are made where they are missing, and others can read neither."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = data / "cohortium.sqlite"
    path.touch(mode=0o600)
    made = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30}, hide_parameters=True)
    event.listen(made, "connect", _configure)
    event.listen(made, "begin", _begin)
    event.listen(made, "handle_error", in_words, retval=True)
    return made


@contextmanager
def alone(data: Path) -> Iterator[None]:
    """While the block runs, no other process is in one: the switch to WAL does not wait, as transactions do."""
    with (data / ".migrate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _configure(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by the "begin" event, not by the driver's guess
    for pragma in SETTINGS:
        connection.execute(f"PRAGMA {pragma}")
