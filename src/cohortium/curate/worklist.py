"""The work list of a project, or of a dataset version, as rows; `check.worklist` decides which state each is in.

A row refers to the scan or subject that it is about, and the database lets it go with it. What is found of a subject
or scan that is not held any more is not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, select, update

from cohortium.check import naming
from cohortium.check import worklist as states
from cohortium.check.report import Report, identified
from cohortium.check.worklist import Row, State
from cohortium.errors import ConfigError, Refused
from cohortium.store.schema import check_finding, scan, session, subject
from cohortium.values import Finding, Severity

__all__ = ["Change", "Entry", "Wanted", "entries", "found_by", "renew", "reopen", "scans", "waive"]

COLUMNS = tuple(check_finding.c[each.name] for each in fields(Row) if each.name != "id")
Place = Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Change:
    """A row that was known, and whose state another check changed."""

    id: str
    before: State
    now: State


@dataclass(frozen=True, slots=True)
class At:
    """Where a scan is."""

    scan_id: int
    session_id: int
    subject_id: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the list with its number, and what of the archive it is about, as far as that can be told."""

    number: int
    row: Row
    first_run_id: int
    last_run_id: int
    subject_id: int | None
    session_id: int | None
    scan_id: int | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows of a list: those with each of these values, where one is given."""

    dataset: str = ""
    state: str = ""
    rule: str = ""
    severity: str = ""
    patient: str = ""
    SeriesInstanceUID: str = ""


def entries(
    connection: Connection, project_id: int, wanted: Wanted, *, after: int = 0, limit: int = 100
) -> list[Entry]:
    """The rows behind the number `after`, in the order in which they were found first."""
    asked = {name: value for name, value in asdict(wanted).items() if value or name == "dataset"}
    where = [check_finding.c.project_id == project_id, *(check_finding.c[name] == text for name, text in asked.items())]
    query = select(check_finding).where(*where, check_finding.c.id > after).order_by(check_finding.c.id).limit(limit)
    return [_entry(row) for row in connection.execute(query).mappings()]


def waive(
    connection: Connection, project_id: int, dataset: str, ids: Collection[str], reason: str, by: str, when: str
) -> list[Entry]:
    """Let findings be; returns those that were not waived so already. `Refused` where one cannot be."""
    here = _named(project_id, dataset, ids)
    return _decided(connection, here, lambda rows: states.waived(rows, ids, reason, by, when))


def reopen(connection: Connection, project_id: int, dataset: str, ids: Collection[str]) -> list[Entry]:
    """Take waivers back; returns the findings that were waived. `Refused` where one cannot be open."""
    return _decided(connection, _named(project_id, dataset, ids), lambda rows: states.reopened(rows, ids))


def renew(connection: Connection, project_id: int, dataset: str, run_id: int, report: Report) -> list[Change]:
    """Bring the list up to date with what a run found; returns how rows that were there changed by themselves."""
    of_list = check_finding.c.project_id == project_id, check_finding.c.dataset == dataset
    before = {row.id: row for row in _rows(connection, of_list)}
    places = _Places(connection, project_id)
    found = {id: finding for id, finding in identified(report) if places.holds(finding)}
    rows = states.renewed(tuple(before.values()), found.items(), report.looked, report.checked)
    new = [row for row in rows if row.id not in before]
    _insert(connection, {"project_id": project_id, "dataset": dataset, "first_run_id": run_id}, run_id, new, places)
    for row in rows:
        if row.id in before and (row.id in found or row != before[row.id]):
            values = _values(row) | ({"last_run_id": run_id, **places.of(row.finding)} if row.id in found else {})
            connection.execute(update(check_finding).where(*of_list, check_finding.c.key == row.id).values(**values))
    pairs = [(before[row.id], row) for row in rows if row.id in before]
    return [Change(row.id, was.state, row.state) for was, row in pairs if was.state is not row.state]


def found_by(connection: Connection, run_id: int) -> list[Row]:
    """The rows that a run found, as they are now."""
    return _rows(connection, [check_finding.c.last_run_id == run_id])


def scans(connection: Connection, project_id: int) -> dict[str, At]:
    """Where each scan of the project is, by SeriesInstanceUID."""
    columns = scan.c.SeriesInstanceUID, scan.c.id, scan.c.session_id, session.c.subject_id
    query = select(*columns).join(session, session.c.id == scan.c.session_id).where(scan.c.project_id == project_id)
    return {uid: At(*at) for uid, *at in connection.execute(query)}


class _Places:
    """Where in the archive findings are."""

    def __init__(self, connection: Connection, project_id: int) -> None:
        self._scans = scans(connection, project_id)
        here = select(subject.c.PatientID, subject.c.id).where(subject.c.project_id == project_id)
        self._subjects = dict(connection.execute(here).all())

    def holds(self, finding: Finding) -> bool:
        """Whether what it is about is still there, as far as it tells."""
        if finding.SeriesInstanceUID not in ("", naming.HIDDEN):
            return finding.SeriesInstanceUID in self._scans
        return finding.patient in ("", naming.HIDDEN) or finding.patient in self._subjects

    def of(self, finding: Finding) -> Place:
        at = self._scans.get(finding.SeriesInstanceUID)
        if at:
            return asdict(at)
        return {"scan_id": None, "session_id": None, "subject_id": self._subjects.get(finding.patient)}


def _decided(
    connection: Connection,
    here: Sequence[ColumnElement[bool]],
    decide: Callable[[Sequence[Row]], Sequence[Row]],
) -> list[Entry]:
    """Write down what is decided about rows, and return those of which it was decided otherwise before."""
    before = _rows(connection, here)
    try:
        after = decide(before)
    except ConfigError as error:
        raise Refused(str(error)) from None
    fresh = [row for was, row in zip(before, after, strict=True) if replace(row, decided=was.decided) != was]
    for row in fresh:
        connection.execute(update(check_finding).where(*here, check_finding.c.key == row.id).values(**_values(row)))
    query = select(check_finding).where(*here, check_finding.c.key.in_([row.id for row in fresh]))
    return [_entry(row) for row in connection.execute(query.order_by(check_finding.c.id)).mappings()]


def _insert(
    connection: Connection, about: Mapping[str, Any], run_id: int, rows: Iterable[Row], places: _Places
) -> None:
    made = [{**about, "last_run_id": run_id, "key": row.id, **_values(row), **places.of(row.finding)} for row in rows]
    if made:
        connection.execute(insert(check_finding), made)


def _named(project_id: int, dataset: str, ids: Collection[str]) -> list[ColumnElement[bool]]:
    here = check_finding.c.project_id == project_id, check_finding.c.dataset == dataset
    return [*here, check_finding.c.key.in_(list(ids))]


def _rows(connection: Connection, where: Iterable[ColumnElement[bool]]) -> list[Row]:
    query = select(check_finding.c.key.label("id"), *COLUMNS).where(*where).order_by(check_finding.c.id)
    return list(map(_row, connection.execute(query).mappings()))


def _row(said: Mapping[Any, Any]) -> Row:
    return Row(**{**said, "state": State(said["state"]), "severity": Severity(said["severity"])})


def _entry(said: Mapping[Any, Any]) -> Entry:
    row = _row({"id": said["key"], **{column.name: said[column.name] for column in COLUMNS}})
    beside = {each.name: said[each.name] for each in fields(Entry) if each.name not in ("number", "row")}
    return Entry(said["id"], row, **beside)


def _values(row: Row) -> dict[str, Any]:
    values = asdict(row) | {"state": row.state.value, "severity": row.severity.value}
    del values["id"]
    return values
