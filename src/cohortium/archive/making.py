"""Subjects, sessions and scans that somebody makes before anything is in them, as XNAT's clients do.

What is there already stays as it is. UIDs are random, so that nothing else ever bears them.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, RowMapping, exists, insert, select

from cohortium.archive.tombstones import Removable
from cohortium.archive.typed import demand_label
from cohortium.errors import Refused
from cohortium.store.schema import scan, session, subject, tombstone, withdrawal

__all__ = ["make_scan", "make_session", "make_subject"]

MOST_DIGITS = 9  # of a label that is a SeriesNumber, too


def make_subject(connection: Connection, project: RowMapping, label: str) -> int:
    """The subject of that pseudonym; `Refused` where one of that name was removed or withdrew."""
    here = subject.c.project_id == project["id"], subject.c.PatientID == label
    found = connection.scalar(select(subject.c.id).where(*here))
    if found is not None:
        return int(found)
    demand_label(label, "subject")
    gone = withdrawal.c.project_id == project["id"], withdrawal.c.PatientID == label
    buried = tombstone.c.project_id == project["id"], tombstone.c.level == Removable.SUBJECT, tombstone.c.name == label
    if connection.scalar(select(exists().where(*gone))):
        raise Refused("the subject of that label was withdrawn from this project")
    if not project["readmit"] and connection.scalar(select(exists().where(*buried))):
        raise Refused("the subject of that label was removed from this project")
    return _add(connection, subject, {"project_id": project["id"], "PatientID": label})


def make_session(connection: Connection, project_id: int, subject_id: int, label: str) -> int:
    """The session of that label; `Refused` where it is another subject's."""
    where = session.c.project_id == project_id, session.c.label == label
    found = connection.execute(select(session.c.id, session.c.subject_id).where(*where)).one_or_none()
    if found is not None:
        if found.subject_id != subject_id:
            raise Refused("another subject of the project has a session of that label")
        return int(found.id)
    demand_label(label, "session")
    row = {"project_id": project_id, "subject_id": subject_id, "label": label, "StudyInstanceUID": _uid()}
    return _add(connection, session, row | {"StudyDate": "", "StudyDescription": ""})


def make_scan(connection: Connection, project_id: int, session_id: int, label: str, Modality: str) -> int:
    """The scan of that label; one that is a number is the SeriesNumber, too."""
    found = connection.scalar(select(scan.c.id).where(scan.c.session_id == session_id, scan.c.label == label))
    if found is not None:
        return int(found)
    demand_label(label, "scan")
    row = {"project_id": project_id, "session_id": session_id, "label": label, "SeriesInstanceUID": _uid()}
    number = int(label) if label.isdigit() and len(label) <= MOST_DIGITS else None
    return _add(connection, scan, row | {"Modality": Modality, "SeriesNumber": number, "SeriesDescription": ""})


def _add(connection: Connection, table: Any, row: dict[str, Any]) -> int:
    return int(connection.execute(insert(table).values(**row).returning(table.c.id)).scalar_one())


def _uid() -> str:
    return f"2.25.{uuid4().int}"  # PS3.5 B.2
