"""Opening the store, always at the newest schema."""

from __future__ import annotations

import fcntl
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import sqlite

from cohortium.errors import Unavailable
from cohortium.store.room import room

__all__ = ["insert_once", "migrate", "now", "open_store"]

MIGRATIONS = Path(__file__).parent / "migrations"


def open_store(data: Path) -> Engine:
    """An engine on the store below the data root `data`, created or migrated as needed.

    SQLite in WAL mode with full synchronisation: what was committed survives a power cut. A transaction takes the
    write lock as it begins, unless it comes from `engine.execution_options(reading=True)`. No error names a value.
    """
    with room():
        return _open(data)


def _open(data: Path) -> Engine:
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = data / "cohortium.sqlite"
    path.touch(mode=0o600)
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30}, hide_parameters=True)
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    with (data / ".migrate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        migrate(engine)
    return engine


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest revision; does nothing where it is there already."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    head = ScriptDirectory.from_config(config).get_current_head()
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current == head:
        return
    known = {revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise Unavailable(f"the store was written by a newer Cohortium (schema {current}); upgrade before opening it")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def insert_once(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert the row unless one with its key is there; True where it was inserted."""
    return connection.execute(sqlite.insert(table).values(dict(row)).on_conflict_do_nothing()).rowcount == 1


def now() -> str:
    """The present moment in UTC as the store writes it: ISO 8601 with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _configure(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by the "begin" event, not by the driver's guess
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
