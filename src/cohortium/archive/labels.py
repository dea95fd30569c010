"""What people call a session or a scan: short, of plain characters, and of one thing alone in its project or session.

What comes gets one that is made of the pseudonym and of numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

from sqlalchemy import Connection, Select, select, update

from cohortium.store.schema import scan, session

__all__ = ["name_session", "of_scan", "of_session"]

LONGEST = 64
OTHERS = re.compile(r"[^A-Za-z0-9._-]")


def of_session(connection: Connection, project_id: int, PatientID: str) -> str:
    """A label for the next session of a subject: the pseudonym and a number, free in the project."""
    begin = OTHERS.sub("_", PatientID)[: LONGEST - 12].lstrip(".-") or "session"
    held = select(session.c.label).where(
        session.c.project_id == project_id, session.c.label.startswith(begin, autoescape=True)
    )
    return _free(connection, held, (f"{begin}_{n}" for n in count(1)))


def of_scan(connection: Connection, session_id: int, SeriesNumber: int | None, Modality: str) -> str:
    """A label for a scan: its number, with what tells it from others of that number in the session."""
    number = str(SeriesNumber) if SeriesNumber is not None and SeriesNumber >= 0 else ""
    begin = "-".join(filter(None, (number, OTHERS.sub("_", Modality)[:16] or "OT")))
    held = select(scan.c.label).where(scan.c.session_id == session_id)
    numbered = (f"{begin}{n}" for n in count(1))
    return _free(connection, held, (each for some in ([number] if number else [], numbered) for each in some))


def name_session(connection: Connection, project_id: int, StudyInstanceUID: str, label: str) -> None:
    """Call the session so; who asks has seen to it that the label may stand there and is free."""
    where = session.c.project_id == project_id, session.c.StudyInstanceUID == StudyInstanceUID
    connection.execute(update(session).where(*where).values(label=label))


def _free(connection: Connection, held: Select[str], wished: Iterator[str]) -> str:
    taken = set(connection.scalars(held))
    return next(each for each in wished if each not in taken)
