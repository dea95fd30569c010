"""Clinical tables come in as files, and their rows stand in the store: per version, by subject, until they leave."""

from __future__ import annotations

import io
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import func, select

from cohortium.archive import Archive, Destination, Kind, Level, Removable, closing, datasets
from cohortium.archive.clinical import loading, renewing, tables
from cohortium.archive.clinical.tables import State
from cohortium.archive.comparison import gone
from cohortium.errors import Refused
from cohortium.store import jobs, schema
from cohortium.worker import KINDS

OPEN = 1  # the row of that project
ANNA, BORIS = "0123456789ABCDEF", "FEDCBA9876543210"  # the first has images, see `make`
LB = (
    "STUDYID,DOMAIN,USUBJID,LBSEQ,LBTESTCD,LBTEST,LBORRES,LBORRESU,LBSTRESC,LBSTRESN,LBSTRESU,LBDTC,LBDY\n"
    f"S,LB,{ANNA},1,HGB,Hemoglobin,13.2,g/dL,132,132,g/L,2024-02-03,5\n"
    f"S,LB,{ANNA},2,CRP,C Reactive Protein,<5,mg/L,<5,,mg/L,2024-02,\n"
    f"S,LB,{BORIS},1,HGB,Hemoglobin,9.1,g/dL,91,91,g/L,2024-02-04T10:15,1\n"
    "S,LB,,9,HGB,Hemoglobin,1,g/dL,,,,,\n"
)


def attach(archive: Archive, text: str | bytes, name: str = "north_lb.csv", **rest: Any) -> Any:
    content = text.encode() if isinstance(text, str) else text
    to = Destination(Level.PROJECT, None, Kind.CLINICAL, "clinical", name)
    return archive.attach(io.BytesIO(content), to, "trusted", "ada", **rest)


@pytest.fixture
def archive(archive: Archive, protocol: Any) -> Archive:
    """With a project that takes what nobody vouched for, as its second: words of tests are on no vocabulary."""
    from cohortium.config import Project

    archive.open_project(Project("trusted", "Trusted", "trusted"), protocol)
    return archive


def rows(archive: Archive, version: datasets.Version | None = None) -> list[Any]:
    """The rows that count, in order, with whom they are about."""
    table, person = schema.clinical_row, schema.clinical_subject
    with archive.engine.begin() as connection:
        here = table.c.table_id.in_(tables.counting(_project(connection), version))
        query = select(person.c.USUBJID, table).join(person).where(here).order_by(table.c.table_id, table.c.row)
        return list(connection.execute(query))


def known(archive: Archive) -> list[Any]:
    with archive.engine.begin() as connection:
        return list(connection.execute(select(schema.clinical_table).order_by(schema.clinical_table.c.id)))


def _project(connection: Any) -> int:
    return int(connection.scalar(select(schema.project.c.id).where(schema.project.c.name == "trusted")))


def freeze(archive: Archive, name: str) -> datasets.Version:
    with archive.engine.begin() as connection:
        return datasets.freeze(connection, _project(connection), name, "ada")


def files(archive: Archive) -> list[tuple[int, bytes]]:
    """Version and bytes of each file that the archive holds."""
    table = schema.resource_file
    with archive.engine.begin() as connection:
        found = connection.execute(select(table).order_by(table.c.id)).mappings().all()
    from cohortium.archive import Address

    return [(row["version"], archive.objects.get(Address(row["key_id"], row["digest"], row["size"]))) for row in found]


def test_a_row_says_about_whom_what_how_much_and_when_and_all_else_as_it_came(archive: Archive) -> None:
    attach(archive, LB)
    first, second, third = rows(archive)
    assert (first.USUBJID, first.sequence, first.topic, first.text, first.number, first.unit, first.day) == (
        *(ANNA, 1, "HGB", "132", 132.0, "g/L", 5),
    )
    assert (first.earliest, first.latest) == ("2024-02-03T00:00:00", "2024-02-03T23:59:59")
    assert (second.text, second.number, second.unit, second.day) == ("<5", None, "mg/L", None)
    assert (second.earliest, second.latest) == ("2024-02-01T00:00:00", "2024-02-29T23:59:59")
    assert (third.USUBJID, third.row, third.earliest) == (BORIS, 3, "2024-02-04T10:15:00")
    heading = LB.splitlines()[0].split(",")
    for row, line in zip((first, second, third), LB.splitlines()[1:], strict=False):
        said = row.variables | {"USUBJID": row.USUBJID}
        assert [said.get(name, "") for name in heading] == line.split(",")
    (table,) = known(archive)
    assert (table.domain, table.state, table.rows, table.nobody) == ("LB", State.READ, 4, 1)
    assert table.headings == heading


def test_a_version_of_a_file_is_a_table_of_its_own_and_the_newest_counts(archive: Archive) -> None:
    attach(archive, LB)
    before = freeze(archive, "before")
    attach(archive, LB.replace("132,132", "140,140"))
    assert [row.number for row in rows(archive)] == [140, None, 91]
    assert [row.number for row in rows(archive, before)] == [132, None, 91]
    attach(archive, LB)
    assert [row.number for row in rows(archive)] == [132, None, 91]
    assert len(known(archive)) == 2, "the same bytes are one table"
    assert [version for version, _ in files(archive)] == [1, 2, 3]


def test_rows_belong_to_a_subject_from_when_there_is_one(archive: Archive, make: Callable[..., bytes]) -> None:
    attach(archive, LB)
    query = select(schema.clinical_subject.c.USUBJID).where(tables.unlinked())
    with archive.engine.begin() as connection:
        assert set(connection.scalars(query)) == {ANNA, BORIS}
    archive.admit(make(1), "trusted", None, "ada")
    with archive.engine.begin() as connection:
        assert connection.scalars(query).all() == [BORIS]
    archive.admit(make(1), "open", None, "ada")
    attach(archive, LB.replace("140", "1"))
    with archive.engine.begin() as connection:
        assert connection.scalars(query).all() == [BORIS]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("north_lb.csv", "DOMAIN,LBSEQ\nLB,1\n", "no column USUBJID"),
        ("north_lb.csv", "USUBJID,LBSEQ,LBSEQ\nA,1,2\n", "two of its columns have one heading"),
        ("north_lb.csv", "USUBJID,DOMAIN\nA,VS\n", "another domain than its rows"),
        ("patients.csv", "USUBJID,DOMAIN\nA,ZZ\n", "neither its name nor its DOMAIN"),
        ("north_lb.csv", "this is prose\n", "it is no table"),
    ],
)
def test_what_cannot_be_read_says_why_and_stays_a_file(archive: Archive, name: str, content: str, why: str) -> None:
    attach(archive, content, name)
    (table,) = known(archive)
    assert table.state == State.UNREADABLE
    assert why in table.why
    assert rows(archive) == []
    assert files(archive) == [(1, content.encode())]


@pytest.mark.parametrize(
    ("name", "domain"),
    [("dm.csv", "DM"), ("a/north_lb_2.csv", "LB"), ("North_LB.csv", "LB"), ("patients.csv", ""), ("lb_x.csv", "")],
)
def test_a_domain_is_told_by_the_end_of_the_name(name: str, domain: str) -> None:
    assert tables.domain_of(name) == domain


def test_a_table_without_a_telling_name_is_told_by_its_rows(archive: Archive) -> None:
    attach(archive, LB, "results.csv")
    attach(archive, LB.replace(",", ";").replace(ANNA, "someone"), "other.csv")
    attach(archive, LB.replace(",", "\t").replace(ANNA, "other"), "tabs.csv")
    assert [(table.domain, table.rows) for table in known(archive)] == [("LB", 4)] * 3


def test_a_file_of_another_kind_is_no_table(archive: Archive) -> None:
    to = Destination(Level.PROJECT, None, Kind.DOCUMENT, "tables", "north_lb.csv")
    archive.attach(io.BytesIO(LB.encode()), to, "trusted", "ada")
    assert known(archive) == []


def test_a_reading_that_was_killed_goes_on_where_it_was_and_two_at_once_are_one(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "AT_ONCE", 2)
    write, calls = loading._Loading._write, []

    class Killed(Exception):
        pass

    def killed(self: Any, *rest: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise Killed
        write(self, *rest)

    monkeypatch.setattr(loading._Loading, "_write", killed)
    many = LB + "".join(f"S,LB,{BORIS},{n},CRP,,1,,1,1,,,\n" for n in range(5))
    with pytest.raises(Killed):
        attach(archive, many)
    assert rows(archive) == [], "what is half read does not count yet"
    (table,) = known(archive)
    assert (table.state, table.rows) == (State.WAITING, 2)
    archive.keep_up_tables()
    archive.keep_up_tables()
    assert [row.row for row in rows(archive)] == [1, 2, 3, 5, 6, 7, 8, 9]
    (table,) = known(archive)
    assert (table.state, table.rows, table.nobody) == (State.READ, 9, 1)


def test_what_an_earlier_release_took_is_read_by_a_worker(archive: Archive) -> None:
    attach(archive, LB)
    with archive.engine.begin() as connection:
        connection.execute(schema.clinical_table.delete())
    assert rows(archive) == []
    assert tables.KEEP_UP in KINDS
    archive.keep_up_tables()
    assert len(rows(archive)) == 3


@pytest.mark.parametrize("how", ["withdrawn", "removed"])
def test_who_goes_goes_from_all_versions_and_their_files_are_made_anew(
    archive: Archive, make: Callable[..., bytes], how: str
) -> None:
    archive.admit(make(1), "trusted", None, "ada")
    attach(archive, LB)
    before = freeze(archive, "before")
    newest = attach(archive, LB.replace("132,132", "140,140"))
    attach(archive, LB, "south_lb.csv")
    attach(archive, LB.replace(ANNA, "SOMEONE"), "west_lb.csv")
    leave(archive, how)
    without = "".join(line for line in LB.splitlines(keepends=True) if ANNA not in line)
    assert [content.decode() for _, content in files(archive)] == [LB.replace(ANNA, "SOMEONE"), without, without]
    assert {row.USUBJID for row in rows(archive)} == {BORIS, "SOMEONE"}
    assert [row.USUBJID for row in rows(archive, before)] == [BORIS]
    with archive.engine.begin() as connection:
        assert ANNA not in connection.scalars(select(schema.clinical_subject.c.USUBJID)).all()
        lost = {each.digest: each.reason for each in gone(connection, before)}
        assert lost[sha256(LB.encode()).hexdigest()] == renewing.WHY
        assert connection.scalar(select(func.count()).select_from(schema.garbage)) == 0
    assert newest.digest not in {table.digest for table in known(archive)}, "neither a file nor a version has it"
    with pytest.raises(Refused, match="1 of its rows are about subjects who withdrew"):
        attach(archive, without + f"S,LB,{ANNA},1,HGB,,1,,1,1,,,\n")
    assert attach(archive, without).version == 3


def leave(archive: Archive, how: str) -> None:
    if how == "withdrawn":
        archive.withdraw("trusted", ANNA, who="ada", reason="asked")
    else:
        archive.remove("trusted", Removable.SUBJECT, ANNA, who="ada", reason="twice")


def test_who_is_in_tables_alone_may_withdraw(archive: Archive) -> None:
    attach(archive, LB)
    archive.withdraw("trusted", BORIS, who="ada", reason="asked")
    assert {row.USUBJID for row in rows(archive)} == {ANNA}
    assert [version for version, content in files(archive) if BORIS.encode() not in content] == [2]
    with pytest.raises(Refused, match="no such subject"):
        archive.withdraw("trusted", "NOBODY", who="ada", reason="asked")


def test_a_table_of_nobody_else_goes_whole(archive: Archive) -> None:
    text = "".join(line for line in LB.splitlines(keepends=True)[:3])
    attach(archive, text)
    archive.withdraw("trusted", ANNA, who="ada", reason="asked")
    assert (files(archive), known(archive), rows(archive)) == ([], [], [])


def test_who_withdraws_while_a_table_is_read_is_not_in_it(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "AT_ONCE", 1)
    write, calls = loading._Loading._write, []

    def during(self: Any, connection: Any, *rest: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            gone = {"project_id": _project(connection), "PatientID": ANNA, "reason": "", "who": "", "time": ""}
            connection.execute(schema.withdrawal.insert().values(**gone))
        write(self, connection, *rest)

    monkeypatch.setattr(loading._Loading, "_write", during)
    attach(archive, LB)
    archive.withdraw("trusted", ANNA, who="ada", reason="asked")
    assert {row.USUBJID for row in rows(archive)} == {BORIS}
    (content,) = (content for _, content in files(archive))
    assert ANNA.encode() not in content


def test_who_withdraws_while_a_reading_was_broken_off_takes_nobody_along(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "AT_ONCE", 1)
    write, calls = loading._Loading._write, []

    def broken(self: Any, *rest: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        write(self, *rest)

    monkeypatch.setattr(loading._Loading, "_write", broken)
    with pytest.raises(KeyboardInterrupt):
        attach(archive, LB)
    archive.withdraw("trusted", ANNA, who="ada", reason="asked")
    assert files(archive) == [(1, LB.encode())], "it cannot be said yet what is to stay"
    archive.keep_up_tables()
    without = "".join(line for line in LB.splitlines(keepends=True) if ANNA not in line)
    assert files(archive) == [(2, without.encode())]
    assert [row.USUBJID for row in rows(archive)] == [BORIS]


def test_while_the_storage_is_away_rows_go_at_once_and_files_when_a_worker_can(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cohortium.errors import Unavailable

    attach(archive, LB)

    def away(*_: Any) -> bytes:
        raise Unavailable("the storage is away")

    with monkeypatch.context() as patch:
        patch.setattr(archive.objects, "get", away)
        archive.withdraw("trusted", ANNA, who="ada", reason="asked")
    assert {row.USUBJID for row in rows(archive)} == {BORIS}
    with archive.engine.begin() as connection:
        assert jobs.put(connection, tables.KEEP_UP) is None
        assert jobs.is_waiting(connection, [tables.KEEP_UP])
    archive.keep_up_tables()
    assert [version for version, content in files(archive) if ANNA.encode() not in content] == [2]


def test_a_file_that_is_detached_and_a_project_that_is_deleted_leave_no_row(archive: Archive) -> None:
    made = attach(archive, LB)
    attach(archive, LB.replace(ANNA, "OTHER"), "south_lb.csv")
    archive.detach(made.resource_id, "north_lb.csv", who="ada", reason="wrong")
    assert {row.USUBJID for row in rows(archive)} == {BORIS, "OTHER"}
    closing.close(archive, "trusted", who="ada", reason="done")
    with archive.engine.begin() as connection:
        for table in (schema.clinical_table, schema.clinical_subject, schema.clinical_row):
            assert connection.scalar(select(func.count()).select_from(table)) == 0


def test_values_of_any_sort_are_taken_as_they_are(archive: Archive) -> None:
    long = "x" * 5000
    text = (
        "USUBJID,DOMAIN,LBSEQ,LBTESTCD,LBSTRESC,LBDTC,LBDY\n"
        f'A,LB,99999999999999999999,{long},"a ""quoted"", \nlonger one",2024-02-30,1e9\n'
        f"{long},LB,1,HGB,1,2024,1\n"
        "A,LB,1.5,HGB,1e999,1234,-3\n"
    )
    attach(archive, text)
    first, second = rows(archive)
    assert (first.sequence, first.text, first.earliest, first.day) == (None, 'a "quoted", \nlonger one', "", None)
    assert first.variables["LBTESTCD"] == long
    assert (second.sequence, second.text, second.number, second.earliest, second.day) == (None, "1e999", None, "", -3)
    archive.withdraw("trusted", "A", who="ada", reason="asked")
    ((_, content),) = files(archive)
    assert content.decode() == text.splitlines(keepends=True)[0] + f"{long},LB,1,HGB,1,2024,1\n"
