"""Runs of checks: asked for, waiting, at work, done; and the report of the newest one of each project or version.

How far a run is follows from what is written of it and from its job, so that the two cannot disagree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from cohortium.check.report import Report, as_dict, order, told
from cohortium.check.worklist import State
from cohortium.curate import worklist
from cohortium.errors import Refused
from cohortium.store import jobs, now
from cohortium.store.schema import check_finding, check_run, check_series, project

__all__ = ["CHECK", "Run", "Standing", "ask", "begin", "end", "latest", "progress", "report", "run"]

CHECK = "check"  # the job
AT_ONCE = 1000  # rows a statement
REPLACED = "a newer check took the place of this one; the work list says what became of its findings"


class Standing(StrEnum):
    """How far a run is."""

    WAITING = "waiting"  # for its turn, or for another try
    RUNNING = "running"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Run:
    """A check of a project, or of its dataset version of that digest; `done` of `total` in its `stage`.

    `why` tells what went wrong last. `head` is its report without series and findings, `open` how many of its findings
    are open by severity, once it is done; `gone` are files of the version that the archive does not hold any more.
    """

    id: int
    project_id: int
    dataset: str
    specification: str
    ocr: bool
    by: str
    created: str
    started: str
    stage: str
    done: int
    total: int
    gone: int
    ended: str
    head: Mapping[str, Any] | None
    state: Standing
    why: str
    open: Mapping[str, int]


COLUMNS = tuple(check_run.c[name] for name in Run.__dataclass_fields__ if name not in ("state", "why", "open"))


def ask(connection: Connection, project_id: int, dataset: str, specification: str, ocr: bool, by: str) -> Run:
    """Ask for a run; one of the same that is not done yet and did not fail is it."""
    wish = {"project_id": project_id, "dataset": dataset, "specification": specification, "ocr": ocr}
    same = select(check_run.c.id).where(*(check_run.c[key] == value for key, value in wish.items()))
    for id in connection.scalars(same.where(check_run.c.ended == "").order_by(check_run.c.id.desc())).all():
        found = run(connection, project_id, id)
        if found is not None and found.state is not Standing.FAILED:
            return found
    made = insert(check_run).values(**wish, by=by, created=now()).returning(check_run.c.id)
    id = connection.execute(made).scalar_one()
    jobs.put(connection, CHECK, {"run": id})
    return _run(connection, connection.execute(select(*COLUMNS).where(check_run.c.id == id)).one())


def run(connection: Connection, project_id: int, id: int) -> Run | None:
    """The project's run of that number."""
    here = check_run.c.project_id == project_id, check_run.c.id == id
    row = connection.execute(select(*COLUMNS).where(*here)).one_or_none()
    return _run(connection, row) if row else None


def latest(connection: Connection, project_id: int, *, before: int | None = None, limit: int = 100) -> list[Run]:
    """The project's runs, newest first, from the one below the number `before` on."""
    query = select(*COLUMNS).where(check_run.c.project_id == project_id).order_by(check_run.c.id.desc()).limit(limit)
    query = query if before is None else query.where(check_run.c.id < before)
    return [_run(connection, row) for row in connection.execute(query).all()]


def begin(connection: Connection, id: int) -> Run | None:
    """The run, to be carried out from its start; None where it is done, or its project was deleted."""
    here = check_run.c.id == id, check_run.c.ended == ""
    open_ones = select(project.c.id).where(project.c.closed == "")
    started = update(check_run).where(*here, check_run.c.project_id.in_(open_ones))
    row = connection.execute(started.values(started=now(), stage="", done=0, total=0).returning(*COLUMNS)).one_or_none()
    return _run(connection, row) if row else None


def progress(connection: Connection, id: int, stage: str, done: int, total: int) -> None:
    """How far the run is."""
    connection.execute(update(check_run).where(check_run.c.id == id).values(stage=stage, done=done, total=total))


def end(connection: Connection, done: Run, found: Report, gone: int) -> list[worklist.Change]:
    """Keep what a run found, in place of the series of the run before; returns how the work list changed by itself."""
    changes = worklist.renew(connection, done.project_id, done.dataset, done.id, found)
    head = as_dict(found)
    of_list = check_run.c.project_id == done.project_id, check_run.c.dataset == done.dataset
    connection.execute(delete(check_series).where(check_series.c.run_id.in_(select(check_run.c.id).where(*of_list))))
    scans = worklist.scans(connection, done.project_id)
    series = [each for each in head.pop("series") if each["series"] in scans]
    rows = [{"run_id": done.id, "scan_id": scans[each["series"]].scan_id, "record": each} for each in series]
    for at in range(0, len(rows), AT_ONCE):
        connection.execute(insert(check_series), rows[at : at + AT_ONCE])
    del head["findings"]
    ended = update(check_run).where(check_run.c.id == done.id)
    connection.execute(ended.values(head=head, gone=gone, ended=now()))
    return changes


def report(connection: Connection, of: Run) -> dict[str, Any]:
    """The report as `cohortium check --json` has it, less what was removed since, waivers as they are now.

    `Refused` where the run is not done, or another of the same project or version was done since.
    """
    if of.head is None:
        raise Refused("the check is not done yet")
    of_list = check_run.c.project_id == of.project_id, check_run.c.dataset == of.dataset, check_run.c.ended != ""
    if connection.scalar(select(func.max(check_run.c.id)).where(*of_list)) != of.id:
        raise Refused(REPLACED)
    rows = sorted(worklist.found_by(connection, of.id), key=lambda each: (order(each.finding), each.id))
    series = select(check_series.c.record).where(check_series.c.run_id == of.id).order_by(check_series.c.id)
    waived = {row.id: row for row in rows if row.state is State.WAIVED}
    return {
        **of.head,
        "counts": {**of.head["counts"], "waived": len(waived)},
        "series": list(connection.scalars(series)),
        "findings": [told(row.id, row.finding, waived.get(row.id)) for row in rows],
    }


def _run(connection: Connection, row: Any) -> Run:
    told, trouble = dict(row._mapping), None
    if not told["ended"]:
        trouble = jobs.trouble(connection, CHECK, {"run": told["id"]})
    if told["ended"]:
        state = Standing.DONE
    elif trouble and trouble.due is None:
        state = Standing.FAILED
    else:
        state = Standing.RUNNING if told["started"] and not trouble else Standing.WAITING
    return Run(**told, state=state, why=trouble.why if trouble else "", open=_open(connection, told))


def _open(connection: Connection, told: Mapping[str, Any]) -> dict[str, int]:
    """By severity, with those that are only counted, which nobody can waive."""
    of_run = check_finding.c.last_run_id == told["id"], check_finding.c.state == State.OPEN.value
    query = select(check_finding.c.severity, func.count()).where(*of_run).group_by(check_finding.c.severity)
    counts = Counter[str](dict(connection.execute(query).all()))
    for rule in told["head"]["rules"] if told["head"] else ():
        counts[rule["severity"]] += rule["unlisted"]
    return dict(+counts)
