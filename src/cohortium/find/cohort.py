"""The subjects of a project, or of a dataset version of it, for which conditions on images and clinical rows hold."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, or_, select

from cohortium.archive.clinical import tables
from cohortium.archive.datasets import Version
from cohortium.archive.resources import Level
from cohortium.find.criteria import Group, holds
from cohortium.govern.grants import visible_projects
from cohortium.govern.users import User
from cohortium.store.schema import clinical_row, clinical_subject, dataset_file, project, subject

__all__ = ["Cohort", "CohortSubject", "cohort"]


@dataclass(frozen=True, slots=True)
class CohortSubject:
    """A subject that was found."""

    id: int
    PatientID: str


@dataclass(frozen=True, slots=True)
class Cohort:
    """A page of subjects by pseudonym, of `count` in all; `after` is where the next begins, None on the last."""

    count: int
    subjects: tuple[CohortSubject, ...]
    after: str | None


def cohort(
    connection: Connection,
    who: User,
    project_id: int,
    where: Group,
    version: Version | None = None,
    *,
    after: str = "",
    limit: int = 100,
) -> Cohort:
    """Subjects beyond `after` for which `where` holds; `Malformed` says what of it cannot be asked.

    Of a version it is who has a file or a row in it; conditions on images are on those that the archive holds today.
    """
    found = select(subject.c.id, subject.c.PatientID).join(project, project.c.id == subject.c.project_id)
    found = found.where(
        subject.c.project_id == project_id,
        subject.c.project_id.in_(visible_projects(who)),
        holds(where, Level.SUBJECT),
    )
    if version is not None:
        found = found.where(_within(project_id, version))
    count = connection.scalar(select(func.count()).select_from(found.subquery())) or 0
    page = found.where(subject.c.PatientID > after).order_by(subject.c.PatientID).limit(limit + 1)
    rows = connection.execute(page).all()
    shown = tuple(CohortSubject(*row) for row in rows[:limit])
    return Cohort(count, shown, shown[-1].PatientID if len(rows) > limit else None)


def _within(project_id: int, version: Version) -> ColumnElement[bool]:
    files = select(dataset_file.c.PatientID).where(dataset_file.c.dataset_id == version.id)
    people = select(clinical_row.c.person_id).where(clinical_row.c.table_id.in_(tables.counting(project_id, version)))
    rows = select(clinical_subject.c.USUBJID).where(clinical_subject.c.id.in_(people))
    return or_(subject.c.PatientID.in_(files), subject.c.PatientID.in_(rows))
