"""The clinical tables of a project: whether their rows are in the store, and how many are of subjects that it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from cohortium.archive.clinical import tables
from cohortium.archive.clinical.tables import State
from cohortium.archive.datasets import Version
from cohortium.archive.resources import Kind
from cohortium.govern.grants import visible_projects
from cohortium.govern.users import User
from cohortium.store import total
from cohortium.store.schema import clinical_row, clinical_subject, clinical_table, resource, resource_file, subject

__all__ = ["ClinicalTable", "clinical_tables"]


@dataclass(frozen=True, slots=True)
class ClinicalTable:
    """A table, the newest file that has its bytes (`name`; `version` is 0 where that is gone), and what of it is here.

    `rows` of the file, as far as they are read; `stored` is how many of them are in the store, of `subjects` people,
    `unlinked` of them of people of whom the project has no subject. `nobody` have no USUBJID.
    """

    digest: str
    name: str
    version: int
    domain: str
    state: State
    why: str
    headings: tuple[str, ...]
    rows: int
    nobody: int
    stored: int
    subjects: int
    unlinked: int


def clinical_tables(
    connection: Connection, who: User, project_id: int, version: Version | None = None
) -> list[ClinicalTable]:
    """The tables that count or wait to be read, or those of a dataset version, by name."""
    held = tables.newest(project_id) if version is None else tables.frozen(version)
    chosen: ColumnElement[bool] = clinical_table.c.digest.in_(held)
    if version is None:
        chosen = or_(chosen, clinical_table.c.state == State.WAITING)
    here = clinical_table.c.project_id == project_id, clinical_table.c.project_id.in_(visible_projects(who))
    last = select(func.max(resource_file.c.id)).join(resource)
    last = last.where(
        resource_file.c.project_id == project_id,
        resource_file.c.digest == clinical_table.c.digest,
        resource.c.kind == Kind.CLINICAL,
    )
    file = resource_file.c.id == last.correlate(clinical_table).scalar_subquery()
    names = func.coalesce(resource_file.c.name, "").label("name"), func.coalesce(resource_file.c.version, 0)
    query = select(clinical_table, names[0], names[1].label("version"))
    query = query.outerjoin_from(clinical_table, resource_file, file)
    found = connection.execute(query.where(*here, chosen).order_by(names[0], clinical_table.c.id)).mappings().all()
    counts = _counts(connection, [row["id"] for row in found])
    return [_table(row, counts.get(row["id"], (0, 0, 0))) for row in found]


def _counts(connection: Connection, ids: list[int]) -> dict[int, tuple[int, int, int]]:
    """Rows, people and rows of nobody known, by table."""
    known = and_(
        subject.c.project_id == clinical_subject.c.project_id, subject.c.PatientID == clinical_subject.c.USUBJID
    )
    each = (
        select(clinical_row.c.table_id, clinical_row.c.person_id, func.count().label("rows"))
        .where(clinical_row.c.table_id.in_(ids))
        .group_by(clinical_row.c.table_id, clinical_row.c.person_id)
        .subquery()
    )
    lost = case((subject.c.id.is_(None), each.c.rows), else_=0)
    query = (
        select(each.c.table_id, total(each.c.rows), func.count(), total(lost))
        .join(clinical_subject, clinical_subject.c.id == each.c.person_id)
        .outerjoin(subject, known)
        .group_by(each.c.table_id)
    )
    return {table: (rows, people, unlinked) for table, rows, people, unlinked in connection.execute(query)}


def _table(row: Any, counts: tuple[int, int, int]) -> ClinicalTable:
    stored, people, unlinked = counts
    plain = ("digest", "name", "version", "domain", "why", "rows", "nobody")
    return ClinicalTable(
        **{name: row[name] for name in plain},
        state=State(row["state"]),
        headings=tuple(row["headings"]),
        stored=stored,
        subjects=people,
        unlinked=unlinked,
    )
