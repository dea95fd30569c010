"""What was removed or withdrawn stays known by name, so that it does not come in again unseen.

What is removed may be taken in again only where the project's policy says so; a subject that withdrew, never.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from sqlalchemy import Connection, RowMapping, Table, and_, exists, or_, select

from cohortium.errors import Refused
from cohortium.store import schema
from cohortium.store.schema import tombstone, withdrawal
from cohortium.values import Instance

__all__ = ["LEVELS", "Removable", "objection", "reason_of"]

LONGEST = 255  # characters of a reason


class Removable(StrEnum):
    """What can be removed whole, and is named by one attribute within its project."""

    SUBJECT = "subject"
    SESSION = "session"
    SCAN = "scan"
    INSTANCE = "instance"


LEVELS: Mapping[Removable, tuple[Table, str]] = {
    Removable.SUBJECT: (schema.subject, "PatientID"),
    Removable.SESSION: (schema.session, "StudyInstanceUID"),
    Removable.SCAN: (schema.scan, "SeriesInstanceUID"),
    Removable.INSTANCE: (schema.instance, "SOPInstanceUID"),
}


def objection(connection: Connection, project: RowMapping, instance: Instance) -> str | None:
    """Why an instance may not come in (again), if so."""
    here = withdrawal.c.project_id == project["id"]
    if connection.scalar(select(exists().where(here, withdrawal.c.PatientID == instance.PatientID))):
        return "its subject was withdrawn from this project"
    if project["readmit"]:
        return None
    named = or_(
        *(
            and_(tombstone.c.level == level, tombstone.c.name == getattr(instance, keyword))
            for level, (_, keyword) in LEVELS.items()
        )
    )
    query = select(tombstone.c.level).where(tombstone.c.project_id == project["id"], named).limit(1)
    level = connection.scalar(query)
    return f"its {level} was removed from this project" if level else None


def reason_of(text: str) -> str:
    """The reason in the form that is kept; `Refused` where there is none."""
    reason = " ".join(text.split())
    if not reason or len(reason) > LONGEST or not reason.isprintable():
        raise Refused(f"a reason is needed, of at most {LONGEST} characters; it is kept, so name nobody in it")
    return reason
