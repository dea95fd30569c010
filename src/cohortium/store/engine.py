"""Opening the store, always at the newest schema, and the few statements that the two databases spell differently.

On both a transaction is alone in writing from its begin to its end, unless it comes from
`engine.execution_options(reading=True)`: then it writes nothing, waits for nobody, and sees one moment throughout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Engine, Table, cast, func
from sqlalchemy.dialects import postgresql, sqlite

from cohortium.config import Config
from cohortium.errors import Refused
from cohortium.store import on_postgres, on_sqlite
from cohortium.store.migrate import is_current, migrate
from cohortium.store.room import room

__all__ = ["RESTORING", "insert_each_once", "insert_once", "is_ready", "now", "open_store", "scrub", "total"]

RESTORING = ".restoring"  # file below the data root, until a restore has ended


def open_store(where: Config | Path | str, *, restoring: str = "") -> Engine:
    """An engine on the store, created or migrated as needed; no error of it names a value or a password.

    The store of a configuration; else SQLite below the data root that a path names, or the database of a URL. While a
    site is restored, it opens for nobody but who does that, who says at which schema.
    """
    with room():
        if isinstance(where, Config):
            if not restoring and (where.site.data / RESTORING).exists():
                raise Refused("a restore of this site has not ended; run `cohortium restore` again")
            where.site.data.mkdir(parents=True, exist_ok=True, mode=0o700)
            where = where.store.url or where.site.data
        if isinstance(where, str):
            engine = on_postgres.engine(where)
            on_postgres.demand_order_by_code_point(engine)
            migrate(engine, restoring or "head")
        else:
            engine = on_sqlite.engine(where)
            with on_sqlite.alone(where):
                migrate(engine, restoring or "head")
    return engine


def is_ready(engine: Engine) -> bool:
    """Whether the store answers, at this release's schema; what keeps it from answering is raised."""
    with engine.execution_options(reading=True).connect() as connection:
        return is_current(connection)


def insert_once(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert the row unless one with its key is there; True where it was inserted."""
    once = _insert(connection, table).values(dict(row)).on_conflict_do_nothing().returning(*table.primary_key)
    return connection.execute(once).first() is not None


def insert_each_once(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert those of the rows whose keys are not there, in one statement."""
    if rows:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), rows)


def _insert(connection: Connection, table: Table) -> Any:
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)


def total(column: ColumnElement[int]) -> ColumnElement[int]:
    """The sum of a column of whole numbers as a whole number; 0 of no rows. (PostgreSQL's own is a decimal.)"""
    return cast(func.coalesce(func.sum(column), 0), BigInteger)


def scrub(engine: Engine, table: Table) -> None:
    """Let the database keep nothing in its files of what rows of the table held before they were changed or deleted.

    SQLite overwrites at once, but for its log. PostgreSQL's plain VACUUM leaves the bytes in their pages, so the table
    is written anew (its own log is out of reach). `Unavailable` where somebody keeps it locked meanwhile, or the disk
    is full.
    """
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(f"VACUUM FULL {table.name}")
        return
    raw = engine.raw_connection()  # outside of a transaction, which the events of `engine` would begin
    try:
        driver: Any = raw.driver_connection
        with room():
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        raw.invalidate()  # its settings are not the pool's


def now() -> str:
    """The present moment in UTC as the store writes it: ISO 8601 with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
