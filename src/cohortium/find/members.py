"""Instances of a session or a scan, a page at a time in the order of their rows: what is sent as it is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Engine, Select, select

from cohortium.archive import Address
from cohortium.govern.grants import visible_projects
from cohortium.govern.users import User
from cohortium.store.schema import instance, project, scan, session, subject

__all__ = ["SCAN", "SESSION", "Member", "members"]

AT_ONCE = 500
SCAN: Column[int] = scan.c.id
SESSION: Column[int] = session.c.id


@dataclass(frozen=True, slots=True)
class Member:
    """An instance, where it belongs, and what it is."""

    at: Address
    id: int
    project_id: int
    project: str
    PatientID: str
    StudyInstanceUID: str
    SeriesInstanceUID: str
    SOPInstanceUID: str


def members(engine: Engine, who: User, of: Column[int], number: int) -> Iterator[Member]:
    """The instances below one row (`of` is SCAN or SESSION); each page is a query of its own, so none is held open."""
    columns = (
        *(*Address.columns(instance), instance.c.id, project.c.id, project.c.name, subject.c.PatientID),
        *(session.c.StudyInstanceUID, scan.c.SeriesInstanceUID, instance.c.SOPInstanceUID),
    )
    below: Select[Any] = (
        select(*columns)
        .join(scan, scan.c.id == instance.c.scan_id)
        .join(session, session.c.id == scan.c.session_id)
        .join(subject, subject.c.id == session.c.subject_id)
        .join(project, project.c.id == instance.c.project_id)
        .where(of == number, instance.c.project_id.in_(visible_projects(who)))
        .order_by(instance.c.id)
        .limit(AT_ONCE)
    )
    after = 0
    while True:
        with engine.connect() as connection:
            rows = connection.execute(below.where(instance.c.id > after)).all()
        page = [Member(Address(*row[:5]), *row[5:]) for row in rows]
        yield from page
        if len(page) < AT_ONCE:
            return
        after = page[-1].id
