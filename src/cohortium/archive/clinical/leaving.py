"""Who leaves a project leaves its clinical tables: rows go at once, files as soon as they are made anew."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, delete, select, update

from cohortium.archive.clinical.tables import KEEP_UP, LATER
from cohortium.store import jobs
from cohortium.store.schema import clinical_row, clinical_subject, clinical_table

__all__ = ["leave"]


def leave(connection: Connection, project_id: int, USUBJID: str) -> None:
    """Delete every row about somebody, of all versions; the files that hold them are noted for `renewing.renew`."""
    here = clinical_subject.c.project_id == project_id, clinical_subject.c.USUBJID == USUBJID
    person = connection.scalar(select(clinical_subject.c.id).where(*here))
    if person is None:
        return
    tables = select(clinical_row.c.table_id).where(clinical_row.c.person_id == person)
    connection.execute(update(clinical_table).where(clinical_table.c.id.in_(tables)).values(outdated=True))
    connection.execute(delete(clinical_subject).where(clinical_subject.c.id == person))
    jobs.put(connection, KEEP_UP, after=datetime.now(UTC) + LATER)
