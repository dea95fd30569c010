"""From the schema of any earlier release to this one's: each step is a file in `migrations`, none is ever skipped."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from cohortium.errors import Unavailable

__all__ = ["MIGRATIONS", "is_current", "migrate", "revisions"]

MIGRATIONS = Path(__file__).parent / "migrations"


@cache
def revisions() -> tuple[str, ...]:
    """Every schema there was, oldest first."""
    return tuple(step.revision for step in ScriptDirectory.from_config(_config()).walk_revisions())[::-1]


def is_current(connection: Connection) -> bool:
    """Whether the store behind the connection has this release's schema."""
    return _revision(connection) == revisions()[-1]


def migrate(engine: Engine, to: str = "head") -> None:
    """Bring the schema to that revision; does nothing where it is there already. Of many at once, one does it."""
    with engine.execution_options(reading=True).connect() as connection:
        if is_current(connection):
            return
    config = _config()
    with engine.begin() as connection:
        found = _revision(connection)
        if found is not None and found not in revisions():
            raise Unavailable(f"the store was written by a newer Cohortium (schema {found}); upgrade before opening it")
        config.attributes["connection"] = connection
        command.upgrade(config, to)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
