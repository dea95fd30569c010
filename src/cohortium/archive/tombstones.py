"""What was removed or withdrawn stays known by name, so that it does not come in again unseen.

What is removed may be taken in again only where the project's policy says so; a subject that withdrew, never.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum

from sqlalchemy import Connection, RowMapping, Table, select

from cohortium.errors import Refused
from cohortium.store import schema
from cohortium.store.schema import tombstone, withdrawal
from cohortium.values import Instance

__all__ = ["LEVELS", "Removable", "gone", "objections", "reason_of"]

WITHDRAWN = "its subject was withdrawn from this project"
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


def objections(connection: Connection, project: RowMapping, instances: Collection[Instance]) -> dict[str, str]:
    """Why some of the instances may not come in (again), by SOPInstanceUID."""
    here = withdrawal.c.project_id == project["id"]
    patients = {each.PatientID for each in instances}
    gone = set(connection.scalars(select(withdrawal.c.PatientID).where(here, withdrawal.c.PatientID.in_(patients))))
    found = {each.SOPInstanceUID: WITHDRAWN for each in instances if each.PatientID in gone}
    if project["readmit"]:
        return found
    names = {getattr(each, keyword) for each in instances for _, keyword in LEVELS.values()}
    query = select(tombstone.c.level, tombstone.c.name).where(tombstone.c.project_id == project["id"])
    removed = {(row.level, row.name) for row in connection.execute(query.where(tombstone.c.name.in_(names)))}
    for each in instances if removed else ():
        for level, (_, keyword) in LEVELS.items():
            if (level.value, getattr(each, keyword)) in removed:
                found.setdefault(each.SOPInstanceUID, f"its {level} was removed from this project")
    return found


def gone(connection: Connection, project: RowMapping) -> frozenset[str]:
    """The subjects that may not come in (again), by PatientID."""
    here = withdrawal.c.project_id == project["id"]
    found = set(connection.scalars(select(withdrawal.c.PatientID).where(here)))
    if not project["readmit"]:
        stones = tombstone.c.project_id == project["id"], tombstone.c.level == Removable.SUBJECT
        found |= set(connection.scalars(select(tombstone.c.name).where(*stones)))
    return frozenset(found)


def reason_of(text: str) -> str:
    """The reason in the form that is kept; `Refused` where there is none."""
    reason = " ".join(text.split())
    if not reason or len(reason) > LONGEST or not reason.isprintable():
        raise Refused(f"a reason is needed, of at most {LONGEST} characters; it is kept, so name nobody in it")
    return reason
