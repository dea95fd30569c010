"""What sessions and scans are called: of plain characters, and of one thing alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text

from cohortium.archive import labels
from cohortium.store import on_sqlite, open_store, schema
from cohortium.store.migrate import migrate

PROJECT = {"name": "lung", "title": "", "admit": "check", "protocol": "p", "protocol_digest": "d", "created": "t"}


def test_sessions_of_one_name_are_told_apart_by_number(place: Path | str) -> None:
    engine = open_store(place)
    with engine.begin() as connection:
        connection.execute(insert(schema.project).values(id=1, **PROJECT))
        for number, patient in enumerate(("S 1", "S_1", "S_1", "Ä" * 64, ""), 1):
            subject = connection.execute(
                insert(schema.subject)
                .values(project_id=1, PatientID=f"{patient}{number}")
                .returning(schema.subject.c.id)
            ).scalar_one()
            row = {"project_id": 1, "subject_id": subject, "StudyDate": "", "StudyDescription": ""}
            label = labels.numbered(connection, 1, patient)
            connection.execute(insert(schema.session).values(StudyInstanceUID=f"1.{number}", label=label, **row))
        made = connection.scalars(select(schema.session.c.label).order_by(schema.session.c.id)).all()
    engine.dispose()
    assert made[:3] == ["S_1_1", "S_1_2", "S_1_3"]
    assert made[4] == "session_1"
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", label) for label in made)


@pytest.mark.parametrize(
    ("held", "number", "modality", "label"),
    [((), 3, "CT", "3"), (("3",), 3, "CT", "3-CT1"), (("3", "3-CT1"), 3, "CT", "3-CT2"), ((), None, "", "OT1")],
)
def test_scans_of_one_number_are_told_apart(
    tmp_path: Path, held: tuple[str, ...], number: int | None, modality: str, label: str
) -> None:
    engine = open_store(tmp_path)
    with engine.begin() as connection:
        connection.execute(insert(schema.project).values(id=1, **PROJECT))
        connection.execute(insert(schema.subject).values(id=1, project_id=1, PatientID="S"))
        row = {"project_id": 1, "subject_id": 1, "StudyDate": "", "StudyDescription": "", "StudyInstanceUID": "1.1"}
        connection.execute(insert(schema.session).values(id=1, label="S_1", **row))
        for n, each in enumerate(held):
            row = {"project_id": 1, "session_id": 1, "Modality": "CT", "SeriesDescription": ""}
            connection.execute(insert(schema.scan).values(SeriesInstanceUID=f"1.2.{n}", label=each, **row))
        assert labels.of_scan(connection, 1, number, modality) == label
    engine.dispose()


def test_what_an_earlier_release_indexed_gets_labels(tmp_path: Path) -> None:
    engine = on_sqlite.engine(tmp_path)
    migrate(engine, "0013")
    with engine.begin() as connection:
        values = "(1, 'lung', '', 'check', 'p', 'd', 't')"
        names = "(id, name, title, admit, protocol, protocol_digest, created)"
        connection.execute(text(f"INSERT INTO project {names} VALUES {values}"))
        connection.execute(text("INSERT INTO subject (id, project_id, PatientID) VALUES (1, 1, 'S')"))
        names = "(id, subject_id, project_id, StudyInstanceUID, StudyDate, StudyDescription)"
        for n in (1, 2):
            connection.execute(text(f"INSERT INTO session {names} VALUES ({n}, 1, 1, '1.{n}', '', '')"))
        names = "(id, session_id, project_id, SeriesInstanceUID, Modality, SeriesNumber, SeriesDescription)"
        for n, number in ((1, "7"), (2, "7"), (3, "NULL")):
            connection.execute(text(f"INSERT INTO scan {names} VALUES ({n}, 1, 1, '2.{n}', 'CT', {number}, '')"))
    migrate(engine)
    with engine.begin() as connection:
        assert connection.scalars(select(schema.session.c.label)).all() == ["session-1", "session-2"]
        assert connection.scalars(select(schema.scan.c.label)).all() == ["7", "scan-2", "scan-3"]
    engine.dispose()
