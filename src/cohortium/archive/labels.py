"""What people call a session or a scan: short, of plain characters, and of one thing alone in its project or session.

What comes gets one that is made of the pseudonym and of numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import chain, count

from sqlalchemy import Connection, Select, exists, select, update

from cohortium.archive.typed import demand_label
from cohortium.errors import Refused
from cohortium.store.schema import scan, session

__all__ = ["Naming", "numbered", "of_patient", "of_scan", "rename", "wished"]

LONGEST = 64
OTHERS = re.compile(r"[^A-Za-z0-9._-]")
Naming = Callable[[Connection, int, str], str]
"""`naming(connection, project_id, PatientID)`: a label for a new session, free in the project."""


def numbered(connection: Connection, project_id: int, PatientID: str) -> str:
    """The pseudonym and a number."""
    begin = _begin(PatientID)
    return _free(connection, _held(project_id, begin), (f"{begin}_{n}" for n in count(1)))


def of_patient(connection: Connection, project_id: int, PatientID: str) -> str:
    """The pseudonym itself, as XNAT has it; where that is taken, with a number."""
    begin = _begin(PatientID)
    return _free(connection, _held(project_id, begin), chain([begin], (f"{begin}_{n}" for n in count(1))))


def wished(label: str) -> Naming:
    """The label, for one session; `Refused` where another has it, or it may tell who somebody is."""

    def naming(connection: Connection, project_id: int, _PatientID: str) -> str:
        if connection.scalar(select(exists().where(session.c.project_id == project_id, session.c.label == label))):
            raise Refused("the project has another session of that label")
        return demand_label(label, "session")

    return naming


def rename(connection: Connection, project_id: int, session_id: int, label: str) -> None:
    """Call a session otherwise; `Refused` where the label is taken, or may tell who somebody is."""
    named = wished(label)(connection, project_id, "")
    connection.execute(update(session).where(session.c.id == session_id).values(label=named))


def of_scan(connection: Connection, session_id: int, SeriesNumber: int | None, Modality: str) -> str:
    """A label for a scan: its number, with what tells it from others of that number in the session."""
    number = str(SeriesNumber) if SeriesNumber is not None and SeriesNumber >= 0 else ""
    begin = "-".join(filter(None, (number, OTHERS.sub("_", Modality)[:16] or "OT")))
    held = select(scan.c.label).where(scan.c.session_id == session_id)
    numbered = (f"{begin}{n}" for n in count(1))
    return _free(connection, held, (each for some in ([number] if number else [], numbered) for each in some))


def _begin(PatientID: str) -> str:
    return OTHERS.sub("_", PatientID)[: LONGEST - 12].lstrip(".-") or "session"


def _held(project_id: int, begin: str) -> Select[str]:
    return select(session.c.label).where(
        session.c.project_id == project_id, session.c.label.startswith(begin, autoescape=True)
    )


def _free(connection: Connection, held: Select[str], wished: Iterator[str]) -> str:
    taken = set(connection.scalars(held))
    return next(each for each in wished if each not in taken)
