"""Rows as lines: the same from both databases, and back into either."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import MetaData, Table, insert, select, text

import databases
from cohortium.backup import rows
from cohortium.errors import Corrupt
from cohortium.store import open_store, schema

PROJECT = {"title": "é\u2028'\"", "admit": "check", "protocol": "p", "protocol_digest": "d", "created": "t"}
INSTANCE = {
    "scan_id": 1,
    "project_id": 1,
    "SOPClassUID": "1",
    "TransferSyntaxUID": "1",
    "digest": "d",
    "size": 2**40,
    "NumberOfFrames": 0,
    "attributes": {"z": [1, 2.5, None], "a": "b"},
    "key_id": 2**62 + 1,
}


def fill(place: Path | str) -> None:
    with open_store(place).begin() as connection:
        connection.execute(insert(schema.project).values(id=7, name="b", **PROJECT))
        connection.execute(insert(schema.project).values(id=1, name="a", **PROJECT, allows=["private"]))
        connection.execute(insert(schema.subject).values(id=1, project_id=1, PatientID="S1"))
        session = {"subject_id": 1, "project_id": 1, "StudyDate": "", "StudyDescription": ""}
        connection.execute(insert(schema.session).values(id=1, StudyInstanceUID="1", **session))
        scan = {"session_id": 1, "project_id": 1, "Modality": "CT", "SeriesDescription": ""}
        connection.execute(insert(schema.scan).values(id=1, SeriesInstanceUID="1", **scan))
        for number, position in enumerate((0.1, -1e300, None), start=1):
            row = INSTANCE | {"SOPInstanceUID": str(number), "position": position}
            connection.execute(insert(schema.instance).values(id=number, **row))
        connection.execute(insert(schema.header).values(instance_id=1, document=bytes(range(256))))


def dumped(place: Path | str) -> dict[str, list[bytes]]:
    with open_store(place).execution_options(reading=True).begin() as connection:
        return {table.name: list(rows.dump(connection, table)) for table in rows.kept(schema.metadata)}


@pytest.fixture(params=databases.DATABASES)
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | str]:
    """A second empty store, of either kind."""
    with databases.place(request, tmp_path / "other") as where:
        yield where


def test_rows_go_from_either_database_into_either(place: Path | str, other: Path | str) -> None:
    fill(place)
    lines = dumped(place)
    engine = open_store(other)
    with engine.begin() as connection:
        found = MetaData()
        found.reflect(connection)
        tables: dict[str, Table] = dict(found.tables)
        for table in rows.kept(found):
            rows.load(connection, table, lines[table.name])
        rows.renumber(connection, tables.values())
    assert dumped(other) == lines
    with engine.begin() as connection:
        assert connection.scalar(select(schema.instance.c.attributes).limit(1)) == INSTANCE["attributes"]
        connection.execute(insert(schema.project).values(name="c", **PROJECT))
        assert connection.scalar(select(schema.project.c.id).where(schema.project.c.name == "c")) == 8


def test_a_value_that_is_not_there_comes_back_as_none_even_where_json_may_stand(place: Path | str) -> None:
    row = {"id": "i", "number": 1, "state": "", "reason": "", "detail": "", "pipeline": "", "size": 1, "digest": ""}
    row |= {"PatientID": "", "SeriesInstanceUID": "", "SOPInstanceUID": "", "findings": [], "subject_mark": ""}
    with open_store(place).begin() as connection:
        connection.execute(insert(schema.item).values(**row))
        lines = list(rows.dump(connection, schema.item))
        connection.execute(schema.item.delete())
        found = MetaData()
        found.reflect(connection, only=["item"])
        rows.load(connection, found.tables["item"], lines)
        assert connection.scalar(text("SELECT id FROM item WHERE instance IS NULL")) == "i"


@pytest.mark.parametrize("lines", [[], [b"no json\n"], [b'[["id",""]]\n', b"[1,2]\n"]])
def test_lines_that_are_no_table_are_refused(lines: list[bytes]) -> None:
    with pytest.raises(Corrupt, match="cannot be read"):
        list(rows.rows(lines))
