"""The index at scale: QIDO-RS over generated rows, on SQLite and on PostgreSQL, one after the other.

By default a small index, so that the bench runs anywhere; `--series 1000000` makes the million series and 20 million
instances that the archive is held to (some 40 GB of disk for each database, one at a time, taken away at the end).
Rows are written in bulk by the database itself, with sizes as admission writes them. Each search is asked over HTTP
many times, each time for another value; a line is the median and the 95th percentile of their times.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import httpx
from sqlalchemy import create_engine, insert, select, text, update

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import databases
import portal_site
from cohortium.config import Config
from cohortium.govern import users
from cohortium.govern.grants import Role, give
from cohortium.store import open_store, schema

PROJECTS = 5  # the person who asks reads the first three
INSTANCES, SCANS, SESSIONS = 20, 3, 2  # of a scan, of a session, of a subject
LOADED = (schema.subject, schema.session, schema.scan, schema.instance, schema.header, schema.header_dictionary)
HEADER, DICTIONARY = 313, 1300  # bytes, as bench/dicomweb.py measures them
PAGE = 100
BOUND = 50.0  # ms
PREFIX = 1_000_000_000_000_000_000
ROWS = f"""
subject: id, project_id, "PatientID"
    i, 1 + i % {PROJECTS}, 'P' || ({PREFIX} + i)
session: id, subject_id, project_id, "StudyInstanceUID", "StudyDate", "StudyDescription", "StudyTime",
        "AccessionNumber", "ReferringPhysicianName", "StudyID", "PatientName", "PatientBirthDate", "PatientSex",
        label
    i, 1 + (i - 1) / {SESSIONS}, 1 + (1 + (i - 1) / {SESSIONS}) % {PROJECTS}, '2.25.20214539874172' || ({PREFIX} + i),
    CAST(20100101 + i % 16 * 10000 + i / 16 % 12 * 100 + i / 192 % 28 AS TEXT), 'CT thorax', '101500',
    'A' || i, 'R' || i % 1000, CAST(i % 100000 AS TEXT), 'P' || ({PREFIX} + 1 + (i - 1) / {SESSIONS}), '1960', 'F',
    'session-' || i
scan: id, session_id, project_id, "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription",
        "BodyPartExamined", "PerformedProcedureStepStartDate", label
    i, 1 + (i - 1) / {SCANS}, 1 + (1 + (i - 1) / {SCANS * SESSIONS}) % {PROJECTS},
    '2.25.30214539874172' || ({PREFIX} + i),
    CASE WHEN i % 1000 = 7 THEN 'XA' WHEN i % 10 < 5 THEN 'CT' WHEN i % 10 < 8 THEN 'MR' ELSE 'PT' END, 1 + i % 3,
    'Thorax 1.5 B31f', 'PART' || i % 20, CAST(20100101 + i % 16 * 10000 + i / 16 % 12 * 100 + i / 192 % 28 AS TEXT),
    CAST(1 + i % 3 AS TEXT)
instance: id, scan_id, project_id, "SOPInstanceUID", "SOPClassUID", "TransferSyntaxUID", digest, size,
        "InstanceNumber", "NumberOfFrames", "Rows", "Columns", "BitsAllocated", position, attributes
    i, 1 + (i - 1) / {INSTANCES}, 1 + (1 + (i - 1) / {INSTANCES * SCANS * SESSIONS}) % {PROJECTS},
    '2.25.40214539874172' || ({PREFIX} + i), '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.1.2.1', {{digest}}, 525000,
    1 + i % {INSTANCES}, 1, 512, 512, 16, 2.5 * (i % {INSTANCES}),
    '{{{{"ImageOrientationPatient": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]}}}}'
header: instance_id, document
    i, {{header}}
header_dictionary: scan_id, document
    i, {{dictionary}}
"""
SPELLINGS = {
    "sqlite": {
        "numbers": "(WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n LIMIT :count) SELECT i FROM n)",
        "digest": "lower(hex(randomblob(32)))",
        "blob": "CAST('{}' AS BLOB)",
    },
    "postgresql": {
        "numbers": "generate_series(1, CAST(:count AS BIGINT)) AS n(i)",
        "digest": "md5(random()::text) || md5(random()::text)",
        "blob": "CAST('{}' AS BYTEA)",
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=40, help="requests of each search")
    parser.add_argument("--folder", help="where the databases are made; a temporary folder elsewhere by default")
    parser.add_argument("database", nargs="*", default=list(databases.DATABASES))
    asked = parser.parse_args()
    slow = 0
    for name in asked.database:
        with tempfile.TemporaryDirectory(prefix="index", dir=asked.folder) as folder, _place(name, folder) as where:
            slow += _measure(Path(folder), where, asked.series, asked.rounds)
    sys.exit(1 if slow else 0)


@contextmanager
def _place(name: str, folder: str) -> Iterator[str]:
    if name == "sqlite":
        yield ""
        return
    tempfile.tempdir = folder  # where the server keeps its files
    Path(folder).chmod(0o755)
    with databases.server() as server, server.database() as url:
        yield url
    tempfile.tempdir = None


def _measure(folder: Path, where: str, series: int, rounds: int) -> int:
    settings = portal_site.configuration(folder, where)
    _fill(settings, where, series)
    return _search_all(settings, series, rounds)


def _fill(settings: Config, where: str, series: int) -> None:
    engine = open_store(settings)
    started = time.perf_counter()
    with engine.begin() as connection:
        for number in range(PROJECTS):
            values = {"name": f"p{number}", "title": "", "admit": "check", "protocol": "x", "protocol_digest": "y"}
            connection.execute(insert(schema.project).values(id=number + 1, **values, created=""))
    engine.dispose()
    _load(where or f"sqlite:///{settings.site.data / 'cohortium.sqlite'}", series)
    size = _size(settings.site.data, where)
    number = series * INSTANCES
    print(f"\n{where.split(':')[0] or 'sqlite'}: {series:,} series, {number:,} instances, {size / 1e9:.2f} GB")
    print(f"loaded in {time.perf_counter() - started:.0f} s; {size / number:.0f} bytes an instance, headers and all;")
    print(f"a billion instances take {size / number:.0f} GB beside their 525 TB\n", flush=True)


def _search_all(settings: Config, series: int, rounds: int) -> int:
    with portal_site.served(settings) as served:
        gc.freeze()  # as `cohortium serve` does
        password = users.ensure_administrator(served.engine)
        with served.engine.begin() as connection:
            connection.execute(update(schema.user).values(one_time=False, standing="person"))
            for number in range(3):
                give(connection, connection.scalar(select(schema.user.c.id)), number + 1, Role.COLLABORATOR)
        with httpx.Client(base_url=f"{served.url}/dicomweb", auth=("admin", password), timeout=600) as client:
            return sum(_asked(client, what, make, rounds) for what, make in _searches(series))


def _load(url: str, series: int) -> None:
    """All rows, and then the indexes that a table can be without."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    spelling = SPELLINGS[engine.dialect.name]
    sessions = series // SCANS + 1
    counts = {"subject": sessions // SESSIONS + 1, "session": sessions, "scan": series, "header_dictionary": series}
    documents = {"header": HEADER, "dictionary": DICTIONARY}
    values = {key: spelling["blob"].format("x" * length) for key, length in documents.items()}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "sqlite":
            for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-500000"):
                connection.exec_driver_sql(f"PRAGMA {pragma}")
        indexes = [index for table in LOADED for index in sorted(table.indexes, key=lambda each: str(each.name))]
        for index in indexes:
            index.drop(connection)
        for table, columns, row in _rows(digest=spelling["digest"], **values):
            count = counts.get(table, series * INSTANCES)
            statement = f'INSERT INTO "{table}" ({columns}) SELECT {row} FROM {spelling["numbers"]}'  # all our own text
            connection.execute(text(statement.replace(": [", "\\: [")), {"count": count})
        for index in indexes:
            index.create(connection)
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("VACUUM ANALYZE")  # as its autovacuum does; SQLite has to find the way without
    engine.dispose()


def _rows(**values: str) -> Iterator[tuple[str, str, str]]:
    """Table, columns and expressions of `ROWS`."""
    table, columns, row = "", "", ""
    for line in [*ROWS.format(**values).strip().splitlines(), "end: "]:
        if not line.startswith(" "):
            if table:
                yield table, columns, row
            (table, columns), row = line.split(":", 1), ""
        elif line.startswith("        "):
            columns += line.strip()
        else:
            row += line.strip()


def _size(data: Path, where: str) -> int:
    if not where:
        return sum(path.stat().st_size for path in data.glob("cohortium.sqlite*"))
    engine = create_engine(where.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())


def _searches(series: int) -> Iterator[tuple[str, Callable[[], str]]]:
    """What is asked, and what makes the next question."""
    any_of = random.Random(1)
    studies = series // SCANS

    def uid(level: int, most: int) -> str:
        return f"2.25.{level}0214539874172{PREFIX + any_of.randint(1, most)}"

    def day() -> str:
        n = any_of.randint(1, studies)
        return str(20100101 + n % 16 * 10000 + n // 16 % 12 * 100 + n // 192 % 28)

    def patient() -> str:
        return f"P{PREFIX + any_of.randint(1, studies // SESSIONS)}"

    values: dict[str, dict[str, Callable[[], str]]] = {
        "studies": {
            "StudyInstanceUID": lambda: uid(2, studies),
            "PatientID": patient,
            "PatientID=*": lambda: patient()[:-1] + "*",
            "PatientName": patient,
            "AccessionNumber": lambda: f"A{any_of.randint(1, studies)}",
            "StudyID": lambda: str(any_of.randint(0, 99_999)),
            "ReferringPhysicianName": lambda: f"R{any_of.randint(0, 999)}",
            "StudyDate": day,
            "StudyDate=-": lambda: f"{day()}-",
            "ModalitiesInStudy": lambda: any_of.choice(("CT", "PT")),
            "ModalitiesInStudy=rare": lambda: "XA",
            "ModalitiesInStudy=none": lambda: "MG",
            "PatientID=none": lambda: f"Q{any_of.random()}",
            "AccessionNumber=none": lambda: f"B{any_of.randint(1, studies)}",
            "StudyDate=none": lambda: "19990101-19991231",
        },
        "series": {
            "SeriesInstanceUID": lambda: uid(3, series),
            "Modality": lambda: any_of.choice(("CT", "PT")),
            "Modality=rare": lambda: "XA",
            "Modality=none": lambda: "MG",
            "BodyPartExamined": lambda: f"PART{any_of.randint(0, 19)}",
            "PerformedProcedureStepStartDate": day,
            "PatientID": patient,
            "StudyDate": day,
        },
        "instances": {
            "SOPInstanceUID": lambda: uid(4, series * INSTANCES),
            "SeriesInstanceUID": lambda: uid(3, series),
            "PatientID": patient,
            "Modality": lambda: "XA",
            "StudyDate": day,
        },
    }
    for place in ("/p1", ""):
        for level, keys in values.items():
            yield f"{place}/{level}", lambda p=f"{place}/{level}": p + "?"  # type: ignore[misc]
            for key, value in keys.items():
                path = f"{place}/{level}?{key.split('=')[0]}="
                yield f"{place}/{level}?{key}", lambda p=path, v=value: p + v() + "&"  # type: ignore[misc]
        for level, most in (("studies", studies), ("series", series)):
            deep = most * 3 // 5 // (PROJECTS if place else 1)
            path = f"{place}/{level}?offset="
            yield f"{path}{deep:,}", lambda p=path, d=deep: f"{p}{d - any_of.randint(1, d // 20)}&"  # type: ignore[misc]


def _asked(client: httpx.Client, what: str, make: Callable[[], str], rounds: int) -> bool:
    times, found = [], 0
    client.get(f"{make()}limit={PAGE}")  # which compiles the statement
    for _ in range(rounds):
        question = f"{make()}limit={PAGE}"
        started = time.perf_counter()
        answer = client.get(question)
        times.append((time.perf_counter() - started) * 1000)
        assert answer.status_code in (200, 204), answer.text
        found += len(answer.json()) if answer.status_code == 200 else 0
    p95 = sorted(times)[int(len(times) * 0.95)]
    slow = p95 > BOUND
    rows = f"{found / rounds:6.1f} rows"
    print(f"{what:48}{rows}{median(times):10.1f}{p95:10.1f} ms{'  SLOW' if slow else ''}", flush=True)
    return slow


if __name__ == "__main__":
    main()
