"""What rows of clinical tables in the store cost: to bring in, beside Python's csv alone; to ask, beside counting them.

    .venv/bin/python bench/clinical_rows.py [--rows N]

The table is that of `bench/clinical.py`, in SQLite. Prints one line for each; all times are a processor's.
"""

from __future__ import annotations

import argparse
import csv
import resource
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, Engine, func, insert, select

import clinical
from cohortium import find
from cohortium.archive import Archive
from cohortium.archive.clinical import loading, tables
from cohortium.config import Project
from cohortium.find.criteria import Group, Operator
from cohortium.find.observations import Comparison, Observation
from cohortium.govern.roles import Standing
from cohortium.govern.users import User
from cohortium.keys import SiteKey
from cohortium.store import open_store, schema
from cohortium.values import Protocol, SubjectRule

ROOT = User(1, "root", Standing.ADMINISTRATOR, must_choose=False)
PROTOCOL = Protocol("basic", "1", "", "2026c", (), SubjectRule(), {}, digest="0" * 64)
QUESTIONS = {
    "number, few rows": (Comparison("number", Operator.IS, "1"),),
    "number, half of them": (Comparison("number", Operator.BEFORE, "4"),),
    "date": (Comparison("date", Operator.AFTER, "2014-06"),),
    "text": (Comparison("text", Operator.LIKE, "1%"),),
    "another variable": (Comparison("VISITNUM", Operator.AFTER, "10"),),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clinical.write(folder / "north_lb.csv", rows)
        content = (folder / "north_lb.csv").read_bytes()
        archive = Archive(open_store(folder), folder, SiteKey(bytes(32)))
        project_id = archive.open_project(Project("bench", "Bench", "trusted"), PROTOCOL)
        alone = cost(lambda: sum(1 for _ in csv.reader(content.decode().splitlines())))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        loaded = cost(lambda: bring(archive.engine, project_id, content))
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        size = sum(path.stat().st_size for path in folder.glob("cohortium.sqlite*")) / rows
        speed = f"{rows / loaded:10,.0f} rows/s {loaded / alone:8.1f} x csv"
        print(f"{'bring in':24}{speed}, {size:.0f} bytes a row, memory grew by {grown:.0f} MB")
        with archive.engine.execution_options(reading=True).begin() as connection:
            counted = cost(lambda: connection.scalar(select(func.count(schema.clinical_row.c.variables))))
            for what, comparisons in QUESTIONS.items():
                where = Group(True, (Observation(project_id, "LB", "ALB", comparisons),))
                ask(what, counted, connection, project_id, where)
            whom = connection.scalar(select(schema.subject.c.PatientID).limit(1)) or ""
            taken = cost(lambda: find.timeline(connection, ROOT, project_id, whom))
            print(f"{'timeline':24}{taken * 1000:10.1f} ms {taken / counted:8.3f} x counting all")


def bring(engine: Engine, project_id: int, content: bytes) -> None:
    """The rows, and a subject for each person."""
    digest = sha256(content).hexdigest()
    with engine.begin() as connection:
        tables.note(connection, project_id, digest, "north_lb.csv")
        file = {"project_id": project_id, "level": "project", "kind": "clinical", "label": "", "by": "", "created": ""}
        of = connection.execute(insert(schema.resource).values(**file).returning(schema.resource.c.id)).scalar_one()
        version = {"resource_id": of, "project_id": project_id, "name": "north_lb.csv", "version": 1, "digest": digest}
        version |= {"size": len(content), "media_type": "text/csv", "admitted": "", "site": "", "by": "", "created": ""}
        connection.execute(insert(schema.resource_file).values(**version))
    loading.load(engine, project_id, digest, content, "text/csv")
    with engine.begin() as connection:
        people = select(schema.clinical_subject.c.project_id, schema.clinical_subject.c.USUBJID)
        connection.execute(insert(schema.subject).from_select(["project_id", "PatientID"], people))


def ask(what: str, counted: float, connection: Connection, project_id: int, where: Group) -> None:
    found: list[int] = []
    taken = cost(lambda: found.append(find.cohort(connection, ROOT, project_id, where).count))
    print(f"{what:24}{taken * 1000:10.1f} ms {taken / counted:8.3f} x counting all, {found[0]} subjects")


def cost(what: Callable[[], object]) -> float:
    """Processor time, in seconds."""
    began = time.process_time()
    what()
    return time.process_time() - began


if __name__ == "__main__":
    main()
