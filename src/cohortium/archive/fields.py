"""Fields of their own that people add to projects, subjects, sessions and scans: a name, and a value that was checked.

A value passes the same check as the texts in a file: words that radiology shares, numbers, the project's own names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from cohortium.archive import attaching
from cohortium.archive.resources import Level
from cohortium.errors import Refused
from cohortium.store import now
from cohortium.store.schema import field
from cohortium.texts.said import Said

__all__ = ["fields_of", "put_fields"]

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
LONGEST, MOST = 1000, 200  # characters of a value; fields of one thing


def fields_of(connection: Connection, project_id: int, level: Level, of: int | None) -> dict[str, str]:
    """Names and values of what one place has, by name."""
    query = select(field.c.name, field.c.value).where(*_where(project_id, level, of)).order_by(field.c.name)
    return {row.name: row.value for row in connection.execute(query)}


def put_fields(
    connection: Connection, project_id: int, level: Level, of: int | None, wishes: Mapping[str, str], who: str
) -> None:
    """Give the place these values; an empty one removes its field. `Refused` where one may tell who somebody is."""
    held = fields_of(connection, project_id, level, of)
    if len(held.keys() | wishes.keys()) > MOST:
        raise Refused(f"there are at most {MOST} fields")
    said = [Said("the name of a field", name) for name in wishes] + [
        Said("the value of a field", value) for value in wishes.values()
    ]
    if not all(NAME.fullmatch(name) for name in wishes) or any(len(value) > LONGEST for value in wishes.values()):
        raise Refused(f"a field is called by letters, digits and _, and has at most {LONGEST} characters")
    if objections := attaching.objections(connection, project_id, said):
        raise Refused(f"not taken: {'; '.join(objections)}")
    for name, value in wishes.items():
        connection.execute(delete(field).where(*_where(project_id, level, of), field.c.name == name))
        if value:
            row = {"project_id": project_id, "name": name, "value": value, **_place(level, of)}
            connection.execute(insert(field).values(**row, by=who, created=now()))


def _where(project_id: int, level: Level, of: int | None) -> list[Any]:
    return [field.c.project_id == project_id, *(field.c[key] == at for key, at in _place(level, of).items())]


def _place(level: Level, of: int | None) -> dict[str, int | None]:
    return {f"{each}_id": of if each is level else None for each in (Level.SUBJECT, Level.SESSION, Level.SCAN)}
