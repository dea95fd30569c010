"""One page of a project: subjects, their sessions, their scans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select

from cohortium.archive import flags
from cohortium.govern.grants import visible_projects
from cohortium.govern.users import User
from cohortium.store import total
from cohortium.store.schema import finding, instance, scan, session, subject

__all__ = ["Page", "ScanRow", "SessionRow", "SubjectRow", "sessions_by_subject", "siblings", "subjects"]

_Counts = Mapping[int, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class ScanRow:
    """`frames` is 0 where nothing has pixels; `findings` counts by severity, `flags` those that stand by verdict."""

    id: int
    SeriesInstanceUID: str
    Modality: str
    SeriesNumber: int | None
    SeriesDescription: str
    instances: int
    frames: int
    findings: Mapping[str, int]
    flags: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SessionRow:
    id: int
    StudyInstanceUID: str
    StudyDate: str
    StudyDescription: str
    scans: tuple[ScanRow, ...]


@dataclass(frozen=True, slots=True)
class SubjectRow:
    id: int
    PatientID: str
    sessions: tuple[SessionRow, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Some subjects in the order of their pseudonyms; `after` is where the next page begins, None on the last."""

    subjects: tuple[SubjectRow, ...]
    after: str | None


def subjects(
    connection: Connection, who: User, project_id: int, *, after: str = "", words: str = "", limit: int = 50
) -> Page:
    """Subjects beyond `after`; with `words`, those in whose pseudonym, sessions or scans every word occurs."""
    found = connection.execute(
        select(subject.c.id, subject.c.PatientID)
        .where(
            subject.c.project_id == project_id,
            subject.c.project_id.in_(visible_projects(who)),
            subject.c.PatientID > after,
            *(_mentions(word) for word in words.split()[:8]),
        )
        .order_by(subject.c.PatientID)
        .limit(limit + 1)
    ).all()
    shown = found[:limit]
    sessions = sessions_by_subject(connection, session.c.subject_id.in_([row.id for row in shown]))
    rows = tuple(SubjectRow(row.id, row.PatientID, tuple(sessions.get(row.id, ()))) for row in shown)
    return Page(rows, shown[-1].PatientID if len(found) > limit else None)


def siblings(connection: Connection, who: User, session_id: int) -> SessionRow | None:
    """One session with its scans."""
    found = sessions_by_subject(connection, session.c.id == session_id, session.c.project_id.in_(visible_projects(who)))
    return next((row for rows in found.values() for row in rows), None)


def _mentions(word: str) -> ColumnElement[bool]:
    return or_(
        subject.c.PatientID.icontains(word, autoescape=True),
        subject.c.id.in_(
            select(session.c.subject_id)
            .join(scan, scan.c.session_id == session.c.id)
            .where(
                or_(
                    session.c.StudyDescription.icontains(word, autoescape=True),
                    session.c.StudyDate.startswith(word, autoescape=True),
                    scan.c.SeriesDescription.icontains(word, autoescape=True),
                    scan.c.Modality == word.upper(),
                    scan.c.id.in_(flags.flagged(word.lower())),
                )
            )
        ),
    )


def sessions_by_subject(connection: Connection, *where: ColumnElement[bool]) -> dict[int, list[SessionRow]]:
    """Sessions that satisfy `where`, by subject, in the order of their dates; the caller sees to who may see them."""
    rows = connection.execute(
        select(
            session.c.subject_id,
            session.c.id.label("session_id"),
            session.c.StudyInstanceUID,
            session.c.StudyDate,
            session.c.StudyDescription,
            scan.c.id,
            scan.c.SeriesInstanceUID,
            scan.c.Modality,
            scan.c.SeriesNumber,
            scan.c.SeriesDescription,
            func.count(instance.c.id).label("instances"),
            total(instance.c.NumberOfFrames).label("frames"),
        )
        .join(scan, scan.c.session_id == session.c.id)
        .join(instance, instance.c.scan_id == scan.c.id)
        .where(*where)
        .group_by(session.c.id, scan.c.id)
        .order_by(session.c.subject_id, session.c.StudyDate, session.c.id, scan.c.SeriesNumber.nulls_first(), scan.c.id)
    ).all()
    ids = [row.id for row in rows]
    findings, flagged = _findings(connection, ids), flags.standing(connection, ids)
    found: dict[int, list[SessionRow]] = {}
    for _, group in groupby(rows, key=lambda row: row.session_id):
        of_session = list(group)
        first = of_session[0]
        scans = tuple(_scan(row, findings, flagged) for row in of_session)
        found.setdefault(first.subject_id, []).append(
            SessionRow(first.session_id, first.StudyInstanceUID, first.StudyDate, first.StudyDescription, scans)
        )
    return found


def _scan(row: Any, findings: _Counts, flagged: _Counts) -> ScanRow:
    return ScanRow(
        id=row.id,
        SeriesInstanceUID=row.SeriesInstanceUID,
        Modality=row.Modality,
        SeriesNumber=row.SeriesNumber,
        SeriesDescription=row.SeriesDescription,
        instances=row.instances,
        frames=row.frames,
        findings=findings.get(row.id, {}),
        flags=flagged.get(row.id, {}),
    )


def _findings(connection: Connection, scans: Sequence[int]) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = {}
    for row in connection.execute(
        select(scan.c.id, finding.c.severity, func.count())
        .join(
            finding,
            (finding.c.project_id == scan.c.project_id) & (finding.c.SeriesInstanceUID == scan.c.SeriesInstanceUID),
        )
        .where(scan.c.id.in_(scans))
        .group_by(scan.c.id, finding.c.severity)
    ):
        found.setdefault(row[0], {})[row[1]] = row[2]
    return found
