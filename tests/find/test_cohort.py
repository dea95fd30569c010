"""Subjects by what their clinical rows say, and what there is of one in the order of time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

import portal_site
from cohortium import find
from cohortium.archive import Archive, Destination, Kind, Level, Removable, datasets
from cohortium.config import Project
from cohortium.errors import Malformed
from cohortium.find import criteria
from cohortium.find.criteria import Criterion, Field, Group
from cohortium.find.observations import Comparison, Observation, Operator
from cohortium.govern.roles import Standing
from cohortium.govern.users import User
from cohortium.keys import SiteKey
from cohortium.store import open_store, schema
from cohortium.values import Protocol, SubjectRule

P = 1
ROOT = User(1, "root", Standing.ADMINISTRATOR, must_choose=False)
NOBODY = User(2, "nobody", Standing.PERSON, must_choose=False)
PROTOCOL = Protocol("basic", "1", "", "2026c", (), SubjectRule(), {}, digest="ab" * 32)
DM = "DOMAIN,USUBJID,RFSTDTC,SEX,AGE\nDM,A,2024-01-10,F,61\nDM,B,2024-02,M,70\nDM,C,,F,unknown\n"
LB = (
    "DOMAIN,USUBJID,LBSEQ,LBTESTCD,LBSTRESC,LBSTRESN,LBSTRESU,LBDTC,LBDY,VISITNUM\n"
    "LB,A,1,HGB,98,98,g/L,2024-01-12T08:30,3,1\n"
    "LB,A,2,HGB,131,131,g/L,2024-05,,2\n"
    "LB,A,3,CRP,<5,,mg/L,,,2\n"
    "LB,B,1,HGB,140,140,g/L,2024-02-03,1,1\n"
    "LB,B,2,CRP,12.5,12.5,mg/L,2024,1,10\n"
    "LB,D,1,HGB,80,80,g/L,2024-02-03,1,1\n"
)


@pytest.fixture(scope="module")
def filled(module_place: Path | str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Subjects A, B and C with a CT each, A with an MR too; D is in a table alone; and another project with A."""
    archive = Archive(open_store(module_place), tmp_path_factory.mktemp("objects"), SiteKey(bytes(32)))
    for name in ("lung", "other"):
        archive.open_project(Project(name, name, "trusted"), PROTOCOL)
    for subject, modality, date in (
        ("A", "CT", "20240112"),
        ("A", "MR", "20240301"),
        ("B", "CT", "20240210"),
        ("C", "CT", ""),
    ):
        archive.admit(image(subject, modality, date), "lung", None, "ada")
    archive.admit(image("A", "CT", "20240112"), "other", None, "ada")
    put(archive, "north_dm.csv", DM)
    put(archive, "north_lb.csv", LB)
    put(archive, "south_lb.csv", LB.replace(",98,98,", ",200,200,"), "other")
    yield archive
    archive.engine.dispose()


def image(subject: str, modality: str, date: str) -> bytes:
    uid = f"2.25.{int.from_bytes(f'{subject}{modality}'.encode())}"
    dataset = portal_site.ct_slice(1, subject, f"{uid}1", f"{uid}2")
    dataset.SOPInstanceUID = f"{uid}3"
    dataset.Modality, dataset.StudyDate, dataset.StudyTime = modality, date, "093000" if modality == "CT" else ""
    return portal_site.encode(dataset)


def put(archive: Archive, name: str, text: str, project: str = "lung") -> None:
    to = Destination(Level.PROJECT, None, Kind.CLINICAL, "clinical", name)
    archive.attach(io.BytesIO(text.encode()), to, project, "ada")


def hgb(*comparisons: tuple[str, str, str], topic: str = "HGB", domain: str = "LB", **rest: Any) -> Observation:
    made = tuple(Comparison(field, Operator(by), value) for field, by, value in comparisons)
    return Observation(P, domain, topic, made, **rest)


def whom(archive: Archive, *parts: Any, who: User = ROOT, every: bool = True, **rest: Any) -> str:
    with archive.engine.begin() as connection:
        found = find.cohort(connection, who, P, Group(every, parts), **rest)
    assert found.count == len(found.subjects) or rest.get("limit") or rest.get("after")
    return "".join(each.PatientID for each in found.subjects)


@pytest.mark.parametrize(
    ("comparisons", "found"),
    [
        ([], "AB"),
        ([("number", "<", "100")], "A"),
        ([("number", ">=", "131")], "AB"),
        ([("number", "=", "140.0"), ("unit", "=", "g/L")], "B"),
        ([("number", "!=", "140")], "A"),
        ([("number", "<", "100"), ("date", ">", "2024-02")], ""),  # not of one row
        ([("date", "=", "2024-01")], "A"),
        ([("date", "<", "2024-01-12T08:31")], "A"),
        ([("date", ">", "2024-04-30")], "A"),
        ([("date", ">", "2024-05-01")], ""),  # it may have been on the first
        ([("date", ">=", "2024-05-01")], "A"),
        ([("date", "<=", "2024-02-03")], "AB"),
        ([("date", "!=", "2024-01")], "AB"),
        ([("day", "<=", "1")], "B"),
        ([("text", "LIKE", "13_")], ""),
        ([("text", "LIKE", "13%")], "A"),
        ([("text", "!=", "140")], "A"),
        ([("VISITNUM", "=", "2")], "A"),
        ([("VISITNUM", ">", "1.5")], "A"),
        ([("NOSUCH", "=", "2")], ""),
    ],
)
def test_a_row_of_a_topic_that_compares_so(filled: Archive, comparisons: list[Any], found: str) -> None:
    assert whom(filled, hgb(*comparisons)) == found


def test_numbers_in_any_variable_compare_as_numbers_and_words_are_none(filled: Archive) -> None:
    assert whom(filled, hgb(("AGE", ">", "7"), topic="", domain="DM")) == "AB"
    assert whom(filled, hgb(("AGE", ">", "65"), ("SEX", "=", "M"), topic="", domain="dm")) == "B"
    assert whom(filled, hgb(("AGE", "=", "unknown"), topic="", domain="DM")) == "C"
    assert whom(filled, hgb(("number", "<", "5"), topic="CRP")) == "", "<5 is no number"
    assert whom(filled, hgb(("VISITNUM", ">", "9"), topic="CRP")) == "B"


def test_what_nobody_has_and_what_holds_of_any(filled: Archive) -> None:
    assert whom(filled, hgb(absent=True)) == "C"
    assert whom(filled, hgb(("number", "<", "100")), hgb(topic="", domain="DM")) == "A"
    assert whom(filled, hgb(("number", "<", "100")), hgb(absent=True), every=False) == "AC"
    assert whom(filled) == "ABC"


def test_conditions_on_images_and_rows_together(filled: Archive) -> None:
    mr = Criterion(criteria.Kind(Level.SCAN), Field(Level.SCAN, "modality"), Operator.IS, "MR")
    assert whom(filled, mr) == "A"
    assert whom(filled, mr, hgb()) == "A"
    assert whom(filled, mr, hgb(("number", "=", "140"))) == ""
    both = Group(False, (mr, hgb(("number", "=", "140"))))
    assert whom(filled, both, hgb(domain="DM", topic="")) == "AB"


def test_scans_and_projects_are_found_by_rows_of_their_subjects(filled: Archive) -> None:
    columns = [Field(Level.SUBJECT, "label"), Field(Level.SCAN, "modality")]
    where = Group(True, (hgb(("number", "<", "100")),))
    found = criteria.matching(filled.engine, ROOT, criteria.Kind(Level.SCAN), columns, where)
    assert sorted(found) == [("A", "CT"), ("A", "MR")]
    of = criteria.matching(filled.engine, ROOT, criteria.Kind(Level.PROJECT), [Field(Level.PROJECT, "ID")], where)
    assert list(of) == [("lung",)]


def test_a_page_at_a_time_and_nothing_for_who_may_not_read(filled: Archive) -> None:
    with filled.engine.begin() as connection:
        first = find.cohort(connection, ROOT, P, Group(True, ()), limit=2)
        assert ([each.PatientID for each in first.subjects], first.count, first.after) == (["A", "B"], 3, "B")
        assert find.cohort(connection, NOBODY, P, Group(True, ())).count == 0
        assert find.clinical_tables(connection, NOBODY, P) == []
        assert find.timeline(connection, NOBODY, P, "A") is None
        assert find.timeline(connection, ROOT, P, "D") is None, "who is in tables alone is no subject"
    assert whom(filled, after="B") == "C"


@pytest.mark.parametrize(
    "wrong",
    [
        ("number", "<", "much"),
        ("number", "LIKE", "1%"),
        ("text", "<", "a"),
        ("date", "<", "soon"),
        ("date", "LIKE", "2024"),
        ("variables'", "=", "1"),
        ("visitnum", "=", "1"),
        ("SEX", "<", "F"),
    ],
)
def test_what_cannot_be_compared_is_told(filled: Archive, wrong: tuple[str, str, str]) -> None:
    with pytest.raises(Malformed):
        whom(filled, hgb(wrong))


def test_how_many_rows_are_of_people_whom_the_project_does_not_know(filled: Archive) -> None:
    with filled.engine.begin() as connection:
        dm, lb = find.clinical_tables(connection, ROOT, P)
    assert (dm.name, dm.domain, dm.state, dm.stored, dm.subjects, dm.unlinked) == (
        *("north_dm.csv", "DM", "read", 3, 3, 0),
    )
    assert (lb.rows, lb.stored, lb.subjects, lb.unlinked, lb.nobody) == (6, 6, 3, 1, 0)


def test_a_timeline_is_sessions_and_rows_in_the_order_of_time(filled: Archive) -> None:
    assert told(filled, "A") == [
        ("2024-01-10T00:00:00", "DM "),
        ("2024-01-12T08:30:00", "LB HGB"),
        ("2024-01-12T09:30:00", "CT"),
        ("2024-03-01T00:00:00", "MR"),
        ("2024-05-01T00:00:00", "LB HGB"),
        ("", "LB CRP"),
    ]
    assert told(filled, "C") == [("", "CT"), ("", "DM ")]
    assert told(filled, "A", limit=1) == told(filled, "A", limit=4) == told(filled, "A")


def told(archive: Archive, subject: str, limit: int = 100) -> list[tuple[str, str]]:
    """The whole timeline, a page at a time."""
    said, after = [], None
    while True:
        with archive.engine.begin() as connection:
            page = find.timeline(connection, ROOT, P, subject, after=after, limit=limit)
        assert page is not None
        assert len(page.events) <= limit
        for each in page.events:
            what = each.session.scans[0].Modality if each.session else f"{each.row.domain} {each.row.topic}"
            said.append((each.earliest, what))
        if page.after is None:
            return said
        after = page.after


def test_a_frozen_version_has_its_own_rows_and_sessions(filled: Archive) -> None:
    with filled.engine.begin() as connection:
        before = datasets.freeze(connection, P, "before", "ada")
    put(filled, "north_lb.csv", LB.replace(",98,98,", ",180,180,"))
    filled.admit(image("A", "PT", "20240601"), "lung", None, "ada")
    low = ("number", "<", "100")
    try:
        assert whom(filled, hgb(low)) == ""
        assert whom(filled, hgb(low, version=before), version=before) == "A"
        with filled.engine.begin() as connection:
            then = find.timeline(connection, ROOT, P, "A", before)
            today = find.timeline(connection, ROOT, P, "A")
        assert then is not None
        assert today is not None
        assert (len(then.events), len(today.events)) == (6, 7)
        assert [each.row.number for each in then.events if each.row and each.row.number] == [98, 131]
        assert [each.row.number for each in today.events if each.row and each.row.number] == [180, 131]
    finally:
        put(filled, "north_lb.csv", LB)
        filled.remove("lung", Removable.SESSION, session_of(filled, "PT"), who="ada", reason="done")


def session_of(archive: Archive, modality: str) -> str:
    query = select(schema.session.c.StudyInstanceUID).join(schema.scan).where(schema.scan.c.Modality == modality)
    with archive.engine.begin() as connection:
        return str(connection.scalar(query))


def test_no_question_reads_all_rows(filled: Archive) -> None:
    """As SQLite plans it: rows are reached by table and topic, or by person."""
    if filled.engine.dialect.name != "sqlite":
        pytest.skip("a small table is read whole by PostgreSQL, whatever its indexes")
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(filled.engine, "before_cursor_execute", note)
    try:
        whom(filled, hgb(("number", "<", "100")))
        told(filled, "A")
    finally:
        event.remove(filled.engine, "before_cursor_execute", note)
    asked = [(statement, parameters) for statement, parameters in asked if "FROM" in statement]
    with filled.engine.begin() as connection:
        plans = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {each}", rest).all() for each, rest in asked]
    steps = [row[3] for plan in plans for row in plan if "clinical_row" in row[3]]
    assert steps
    assert not [step for step in steps if step.startswith("SCAN")], steps
