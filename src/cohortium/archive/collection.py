"""Bytes that may go: written down in the transaction that lets go of their rows, and removed after it.

What is collected is looked at once more while nobody else can write: bytes that a row names stay, whoever named them
meanwhile. Killed anywhere, the next collection goes on.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, Engine, String, cast, delete, exists, insert, literal, select

from cohortium.archive.datakeys import folder
from cohortium.archive.objects import Address, Objects
from cohortium.store import now
from cohortium.store.schema import data_key, earlier_version, garbage, instance, pack, prearchive, resource_file

__all__ = ["HELD", "HOLDERS", "PACK", "collect", "discard", "discard_all", "is_held"]

AT_ONCE = 200  # objects a transaction
HOLDERS = (instance, earlier_version, resource_file, prearchive)  # every table whose rows name objects
PACK = "pack "  # begins the name of a pack
HELD = exists().where(garbage.c.name == literal(PACK).concat(cast(pack.c.id, String)))  # of garbage: a pack with a row


def discard(connection: Connection, places: Iterable[Address]) -> None:
    """Write down that these may go, once nothing names them."""
    rows = [{"key_id": key, "name": name, "since": now()} for key, name in {(at.key, at.name) for at in places}]
    if rows:
        connection.execute(insert(garbage), rows)


def discard_all(connection: Connection, key: int) -> None:
    """Write down that all may go that is sealed under a key which this transaction destroys."""
    connection.execute(delete(garbage).where(garbage.c.key_id == key))
    connection.execute(insert(garbage).values(key_id=key, name="", since=now()))


def collect(engine: Engine, objects: Objects) -> int:
    """Remove what may go; returns how many objects and packs that were.

    A pack that has a row still is left to `packs.trim`, which writes it anew without what was taken out of it.
    """
    done = 0
    while True:
        with engine.execution_options(reading=True).begin() as connection:
            if connection.scalar(select(garbage.c.id).where(~HELD).limit(1)) is None:
                return done
        with engine.begin() as connection:
            rows = connection.execute(select(garbage).where(~HELD).order_by(garbage.c.id).limit(AT_ONCE)).all()
            places = [place for row in rows for place in _places(connection, objects, row.key_id, row.name)]
            objects.storage.remove(places)
            connection.execute(delete(garbage).where(garbage.c.id.in_([row.id for row in rows])))
            done += len(places)


def is_held(connection: Connection, key: int | None, name: str) -> bool:
    """Whether a row names those bytes."""
    if name.startswith(PACK):
        return bool(connection.scalar(select(exists().where(pack.c.id == int(name.removeprefix(PACK))))))
    project_id = connection.scalar(select(data_key.c.project_id).where(data_key.c.id == key))
    for table in HOLDERS:
        where = [table.c.digest == name, table.c.key_id.is_(None) if key is None else table.c.key_id == key]
        where += [table.c.project_id == project_id] if key is not None else []
        where += [table.c.pack_id.is_(None)] if "pack_id" in table.c else []
        if connection.scalar(select(exists().where(*where))):
            return True
    return False


def _places(connection: Connection, objects: Objects, key: int | None, name: str) -> list[str]:
    """Where in storage the bytes are, if they may go."""
    known = connection.scalar(select(exists().where(data_key.c.id == key)))
    if key is not None and not known:  # destroyed: what it sealed goes whole
        return [place for place, _ in objects.storage.names(folder(key))]
    if not name or is_held(connection, key, name):
        return []
    return [objects.place(key, name)]
