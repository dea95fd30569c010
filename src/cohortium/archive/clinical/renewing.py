"""Files with rows of somebody who has gone: the newest version is made anew without them, every such version goes.

The other rows keep their bytes. A frozen version that had such a file keeps the rows of everybody else in the store;
the file itself is among what is gone from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, func, insert, select, update

from cohortium.archive import removal
from cohortium.archive.clinical import sheets
from cohortium.archive.clinical.loading import load, persons
from cohortium.archive.clinical.sheets import Row
from cohortium.archive.clinical.tables import State, forget_unnamed, note
from cohortium.archive.objects import Address, Objects
from cohortium.store import now
from cohortium.store.schema import clinical_row, clinical_table, resource_file

__all__ = ["renew"]

WHO = "archive"
WHY = "it held rows of a subject who is no longer in the project"
AT_ONCE = 5000  # row numbers read together


def renew(engine: Engine, objects: Objects) -> int:
    """Make anew what is outdated; returns how many tables that was. The caller collects.

    What is not read to its end waits for that: rows that are not in the store yet are not rows that have gone.
    """
    with engine.execution_options(reading=True).connect() as connection:
        wanted = clinical_table.c.outdated, clinical_table.c.state == State.READ
        query = select(clinical_table).where(*wanted).order_by(clinical_table.c.id)
        tables = connection.execute(query).mappings().all()
    for table in tables:
        with engine.execution_options(reading=True).connect() as connection:
            files = _files(connection, table)
            made = _made(connection, objects, table, files[0]) if files else b""
        _replace(engine, objects, table, made)
        if made:
            load(engine, table["project_id"], sha256(made).hexdigest(), made, files[0]["media_type"])
    return len(tables)


def _files(connection: Connection, table: RowMapping) -> list[RowMapping]:
    """The versions of files that have the table's bytes."""
    same = resource_file.c.project_id == table["project_id"], resource_file.c.digest == table["digest"]
    return list(connection.execute(select(resource_file).where(*same)).mappings())


def _made(connection: Connection, objects: Objects, table: RowMapping, file: RowMapping) -> bytes:
    """The file's bytes with the rows that are in the store and those of nobody; nothing where none are."""
    sheet = sheets.opened(objects.get(Address(file["key_id"], file["digest"], file["size"])), file["media_type"])
    present = _numbers(connection, table["id"])
    following = next(present, 0)
    whose = persons(sheet)

    def stays(row: Row) -> bool:
        nonlocal following
        _, whom = next(whose)
        if row.number != following:
            return not whom
        following = next(present, 0)
        return True

    made, left = sheet.only(stays)
    return made if left else b""


def _numbers(connection: Connection, table_id: int) -> Iterator[int]:
    query = select(clinical_row.c.row).where(clinical_row.c.table_id == table_id).order_by(clinical_row.c.row)
    yield from connection.scalars(query.execution_options(yield_per=AT_ONCE))


def _replace(engine: Engine, objects: Objects, table: RowMapping, made: bytes) -> None:
    """New versions where the table was the newest of a name, and the old ones buried, in one transaction."""
    digest, project_id = sha256(made).hexdigest(), table["project_id"]
    with engine.execution_options(reading=True).connect() as connection:
        keys = {file["key_id"] for file in _files(connection, table)} if made else set()
    kept = [objects.keep(key, made, digest) for key in keys]
    with engine.begin() as connection:
        for at, is_new in kept:
            if not is_new:
                objects.demand(at)
        for file in _files(connection, table):
            if made and file["key_id"] in keys and _is_newest(connection, file):
                row: dict[str, Any] = {**file, "version": file["version"] + 1, "by": WHO, "created": now()}
                row |= {"digest": digest, "size": len(made)}
                del row["id"]
                connection.execute(insert(resource_file).values(**row))
                note(connection, project_id, digest, file["name"])
            removal.remove_version(connection, file, who=WHO, reason=WHY)
        connection.execute(update(clinical_table).where(clinical_table.c.id == table["id"]).values(outdated=False))
        forget_unnamed(connection, project_id)


def _is_newest(connection: Connection, file: RowMapping) -> bool:
    named = resource_file.c.resource_id == file["resource_id"], resource_file.c.name == file["name"]
    return bool(connection.scalar(select(func.max(resource_file.c.version)).where(*named)) == file["version"])
