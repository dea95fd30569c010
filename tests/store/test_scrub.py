"""What was let go of is in no file of the database's tables any more, on either."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, insert, update

import databases
from cohortium.errors import Unavailable
from cohortium.store import open_store, scrub
from cohortium.store.schema import data_key, project

ENTRY = {"id": 1, "name": "lung", "title": "", "admit": "check", "protocol": "", "protocol_digest": "", "created": ""}
KEYS = [secrets.token_bytes(60) for _ in range(300)]
CHANGED, DELETED = 100, 200  # the rows before the one are changed, before the other deleted


def files(engine: Engine, place: Path | str) -> bytes:
    """All that the database wrote; of PostgreSQL's log nothing can be promised."""
    if isinstance(place, Path):
        return b"".join(path.read_bytes() for path in place.rglob("*") if path.is_file())
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CHECKPOINT")
        read = f"SELECT pg_read_binary_file(pg_relation_filepath('{data_key.name}'))"
        return bytes(connection.exec_driver_sql(read).scalar_one())


def test_what_was_changed_or_deleted_is_nowhere_and_the_rest_is(place: Path | str) -> None:
    engine = open_store(place)
    of = {"project_id": 1, "created": ""}
    rows = [{"id": n, "PatientID": f"S-{n}", "wrapped": key, **of} for n, key in enumerate(KEYS)]
    with engine.begin() as connection:
        connection.execute(insert(project).values(ENTRY))
        connection.execute(insert(data_key), rows)
    scrub(engine, data_key)
    written = files(engine, place)
    assert all(key in written for key in KEYS), "or this test could not fail"
    with engine.begin() as connection:
        connection.execute(update(data_key).where(data_key.c.id < CHANGED).values(wrapped=b""))
        connection.execute(delete(data_key).where(data_key.c.id.between(CHANGED, DELETED - 1)))
    scrub(engine, data_key)
    written = files(engine, place)
    assert [key for key in KEYS[:DELETED] if key in written] == []
    assert all(key in written for key in KEYS[DELETED:])


def test_a_table_that_somebody_keeps_locked_is_left_for_later(postgres: databases.Server) -> None:
    with postgres.database() as url:
        patient, impatient = open_store(url), open_store(url + "&options=-c%20lock_timeout=50ms")
        with patient.begin() as connection:
            connection.exec_driver_sql(f"LOCK TABLE {data_key.name}")
            with pytest.raises(Unavailable, match="again"):
                scrub(impatient, data_key)


def test_a_disk_without_room_for_it_is_told(tiny_disk: Path) -> None:
    engine, ballast = open_store(tiny_disk), tiny_disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(tiny_disk).free))
    with pytest.raises(Unavailable, match="no space left"):
        scrub(engine, data_key)
    ballast.unlink()
    scrub(engine, data_key)
