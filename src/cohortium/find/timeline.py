"""A subject's sessions and clinical rows in the order of time, a page at a time; what has no date comes last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Subquery,
    case,
    func,
    literal,
    select,
    tuple_,
    union_all,
)

from cohortium.archive.clinical import tables
from cohortium.archive.datasets import Version
from cohortium.find.subjects import SessionRow, sessions_by_subject
from cohortium.govern.grants import visible_projects
from cohortium.govern.users import User
from cohortium.store.schema import (
    clinical_row,
    clinical_subject,
    clinical_table,
    dataset_file,
    scan,
    session,
    subject,
)

__all__ = ["ClinicalRow", "Event", "Timeline", "timeline"]

UNDATED = "~"  # behind every date
Key = tuple[str, int, int, int]


@dataclass(frozen=True, slots=True)
class ClinicalRow:
    """A row of a clinical table: what search knows of it, and its variables as they came."""

    digest: str  # of its table
    row: int
    domain: str
    sequence: int | None
    topic: str
    text: str
    number: float | None
    unit: str
    day: int | None
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Event:
    """A session or a clinical row, and the seconds between which it was; both empty without a date."""

    earliest: str
    latest: str
    session: SessionRow | None
    row: ClinicalRow | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """Some events in order; `after` is where the next page begins, None on the last."""

    events: tuple[Event, ...]
    after: Key | None


def timeline(
    connection: Connection,
    who: User,
    project_id: int,
    PatientID: str,
    version: Version | None = None,
    *,
    after: Key | None = None,
    limit: int = 100,
) -> Timeline | None:
    """Events beyond `after`, of now or of a dataset version; None where the project has no such subject to be seen."""
    here = subject.c.project_id == project_id, subject.c.project_id.in_(visible_projects(who))
    whose = connection.scalar(select(subject.c.id).where(*here, subject.c.PatientID == PatientID))
    if whose is None:
        return None
    every = _every(whose, project_id, PatientID, version)
    query = select(every).order_by(*every.c).limit(limit + 1)
    if after is not None:
        beyond: Any = tuple_(*every.c) > tuple_(*map(literal, after))
        query = query.where(beyond)
    keys: list[Key] = [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]
    shown = keys[:limit]
    found = _sessions(connection, shown) | _rows(connection, shown)
    events = tuple(found[key[1:]] for key in shown if key[1:] in found)  # a session of no scans is nowhere shown
    return Timeline(events, shown[-1] if len(keys) > limit else None)


def _every(subject_id: int, project_id: int, USUBJID: str, version: Version | None) -> Subquery:
    """When each event was, and where it stands."""
    sessions = select(_moment().label("time"), literal(0).label("kind"), session.c.id.label("a"), literal(0).label("b"))
    sessions = sessions.where(session.c.subject_id == subject_id)
    if version is not None:
        frozen = select(dataset_file.c.SeriesInstanceUID).where(dataset_file.c.dataset_id == version.id)
        mine = scan.c.project_id == project_id, scan.c.SeriesInstanceUID.in_(frozen)
        sessions = sessions.where(session.c.id.in_(select(scan.c.session_id).where(*mine)))
    person = select(clinical_subject.c.id)
    person = person.where(clinical_subject.c.project_id == project_id, clinical_subject.c.USUBJID == USUBJID)
    time = func.coalesce(func.nullif(clinical_row.c.earliest, ""), UNDATED)
    rows: Select[Any] = select(time, literal(1), clinical_row.c.table_id, clinical_row.c.row).where(
        clinical_row.c.person_id == person.scalar_subquery(),
        clinical_row.c.table_id.in_(tables.counting(project_id, version)),
    )
    return union_all(sessions, rows).subquery()


def _moment() -> ColumnElement[str]:
    """When a session began, as `clinical.intervals` writes it; a day without a time as its first second."""
    date, time = session.c.StudyDate, session.c.StudyTime
    day = _joined(date, "-", ((1, 4), (5, 2), (7, 2)))
    clock = case((func.length(time) >= 6, _joined(time, ":", ((1, 2), (3, 2), (5, 2)))), else_="00:00:00")
    return case((func.length(date) == 8, day + "T" + clock), else_=UNDATED)


def _joined(column: ColumnElement[str], by: str, parts: Sequence[tuple[int, int]]) -> ColumnElement[str]:
    first, *rest = (func.substr(column, at, length) for at, length in parts)
    made: ColumnElement[str] = first
    for each in rest:
        made = made + by + each
    return made


def _sessions(connection: Connection, keys: Sequence[Key]) -> dict[tuple[int, int, int], Event]:
    ids = [a for _, kind, a, _ in keys if kind == 0]
    times = {a: time for time, kind, a, _ in keys if kind == 0}
    found = sessions_by_subject(connection, session.c.id.in_(ids)) if ids else {}
    return {(0, each.id, 0): _of_session(each, times[each.id]) for some in found.values() for each in some}


def _of_session(found: SessionRow, time: str) -> Event:
    if time == UNDATED:
        return Event("", "", found, None)
    latest = f"{time[:10]}T23:59:59" if time.endswith("T00:00:00") else time
    return Event(time, latest, found, None)


def _rows(connection: Connection, keys: Sequence[Key]) -> dict[tuple[int, int, int], Event]:
    numbers: dict[int, list[int]] = {}
    for _, kind, table, row in keys:
        if kind == 1:
            numbers.setdefault(table, []).append(row)
    own = select(clinical_table.c.digest, clinical_table.c.domain, clinical_row).join_from(clinical_row, clinical_table)
    found: dict[tuple[int, int, int], Event] = {}
    for table, some in numbers.items():
        query = own.where(clinical_row.c.table_id == table, clinical_row.c.row.in_(some))
        found |= {(1, table, row["row"]): _of_row(row) for row in connection.execute(query).mappings()}
    return found


def _of_row(row: Any) -> Event:
    made = ClinicalRow(**{name: row[name] for name in ClinicalRow.__dataclass_fields__})
    return Event(row["earliest"], row["latest"], None, made)
