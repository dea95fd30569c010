"""Which files are tables of SDTM, where their rows stand, and which of the tables count: now, and in a frozen version.

Whatever file of the kind clinical is admitted has a row here, which says that its rows are in the store, or why not.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, exists, func, select

from cohortium.archive import datasets
from cohortium.archive.datasets import Version
from cohortium.archive.resources import Kind
from cohortium.clinical.tables import ENDINGS, called, domains
from cohortium.store import insert_once, jobs
from cohortium.store.schema import (
    clinical_row,
    clinical_subject,
    clinical_table,
    dataset,
    dataset_file,
    resource,
    resource_file,
    subject,
)

__all__ = [
    "KEEP_UP",
    "State",
    "counting",
    "domain_of",
    "files_of",
    "forget_all",
    "forget_unnamed",
    "note",
    "unlinked",
    "unnoted",
]

KEEP_UP = "keep up clinical tables"  # the job that ends what a process that was killed had no time for
LATER = timedelta(minutes=10)


class State(StrEnum):
    """Whether the rows of a table are in the store."""

    WAITING = "waiting"
    READ = "read"
    UNREADABLE = "unreadable"


def domain_of(name: str) -> str:
    """The domain that a file's name ends with, as `north_lb.csv` and `lb_2.csv` do; empty where it says none."""
    stem = name.rpartition("/")[2].partition(".")[0]
    parts = [each for each in stem.upper().split("_") if not each.isdigit()]
    return parts[-1] if parts and parts[-1] in domains() else ""


def note(connection: Connection, project_id: int, digest: str, name: str, *, later: bool = True) -> None:
    """Write down that the rows of these bytes are to be read; once, whatever names the bytes.

    By whoever notes it; by a worker at once, or `later` where that one was killed.
    """
    row = {"project_id": project_id, "digest": digest, "domain": domain_of(name), "state": State.WAITING}
    row |= {"why": "", "headings": [], "rows": 0, "nobody": 0}
    if insert_once(connection, clinical_table, row):
        jobs.put(connection, KEEP_UP, after=datetime.now(UTC) + LATER if later else None)


def unnoted(connection: Connection, limit: int) -> list[Any]:
    """Files of clinical tables of which nothing is written down yet: an earlier release took them."""
    known = clinical_table.c.project_id == resource_file.c.project_id, clinical_table.c.digest == resource_file.c.digest
    query = select(resource_file.c.project_id, resource_file.c.digest, resource_file.c.name).join(resource)
    query = query.where(resource.c.kind == Kind.CLINICAL, ~exists().where(*known)).order_by(resource_file.c.id)
    return list(connection.execute(query.limit(limit)))


def counting(project_id: int, version: Version | None = None) -> Select[tuple[int]]:
    """Ids of the tables whose rows count: those of the newest version of each file, or of what was frozen.

    While the newest version is being read, the one before it counts.
    """
    held = newest(project_id) if version is None else frozen(version)
    return select(clinical_table.c.id).where(
        clinical_table.c.project_id == project_id,
        clinical_table.c.state == State.READ,
        clinical_table.c.digest.in_(held),
    )


def newest(project_id: int) -> Select[tuple[str]]:
    """Digests of the newest versions of the project's clinical files, but for what is still being read."""
    waiting = clinical_table.c.project_id == project_id, clinical_table.c.state == State.WAITING
    pending = select(clinical_table.c.digest).where(*waiting)
    last = select(func.max(resource_file.c.id)).join(resource)
    last = last.where(
        resource_file.c.project_id == project_id,
        resource.c.kind == Kind.CLINICAL,
        resource_file.c.digest.not_in(pending),
    )
    last = last.group_by(resource_file.c.resource_id, resource_file.c.name)
    return select(resource_file.c.digest).where(resource_file.c.id.in_(last))


def frozen(version: Version) -> Select[tuple[str]]:
    """Digests of the files of a dataset version."""
    return select(dataset_file.c.digest).where(dataset_file.c.dataset_id == version.id)


def unlinked() -> ColumnElement[bool]:
    """Of `clinical_subject`: the project has no subject of that PatientID."""
    here = subject.c.project_id == clinical_subject.c.project_id, subject.c.PatientID == clinical_subject.c.USUBJID
    return ~exists().where(*here)


def files_of(connection: Connection, version: Version) -> Iterator[datasets.File]:
    """Files of a frozen version that are called as tables of SDTM are."""
    some = datasets.files(connection, version, endings=ENDINGS)
    return (each for each in some if called(each.path.rpartition("/")[2]))


def forget_unnamed(connection: Connection, project_id: int) -> None:
    """Let go of tables that neither a file nor a frozen version has, and of whom no row is about any more."""
    mine, digest = clinical_table.c.project_id == project_id, clinical_table.c.digest
    file = exists().where(resource_file.c.project_id == project_id, resource_file.c.digest == digest)
    frozen = select(dataset_file.c.digest).join(dataset, dataset.c.id == dataset_file.c.dataset_id)
    frozen = frozen.where(dataset.c.project_id == project_id, dataset_file.c.digest == digest).correlate(clinical_table)
    connection.execute(delete(clinical_table).where(mine, ~file, ~frozen.exists()))
    about = exists().where(clinical_row.c.person_id == clinical_subject.c.id)
    connection.execute(delete(clinical_subject).where(clinical_subject.c.project_id == project_id, ~about))


def forget_all(connection: Connection, project_id: int) -> None:
    """Let go of every table of the project."""
    for table in (clinical_table, clinical_subject):
        connection.execute(delete(table).where(table.c.project_id == project_id))
