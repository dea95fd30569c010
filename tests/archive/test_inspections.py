"""Series drawn at random: each once, what was said of it stays, and some frames from its first to its last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

import portal_site
from cohortium.archive import flags, inspections
from cohortium.archive.inspections import Verdict
from cohortium.errors import Refused
from cohortium.store import open_store
from cohortium.store.schema import scan


@pytest.fixture
def connection(tmp_path: Path, place: Path | str) -> Iterator[Connection]:
    settings = portal_site.configuration(tmp_path, place)
    engine = open_store(settings)
    contents = [each for number in range(3) for each in portal_site.slices(15, subject=f"S-{number}")]
    portal_site.fill(engine, settings.site.data, "lung", "Lung study", contents)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def test_each_series_is_drawn_once(connection: Connection) -> None:
    assert inspections.ask(connection, 2, "ada") == 2
    assert inspections.ask(connection, 2, "ada") == 1
    assert inspections.ask(connection, 2, "ada") == 0
    drawn = inspections.waiting(connection)
    assert len({each.SeriesInstanceUID for each in drawn}) == 3
    assert {(each.project, each.asked_by) for each in drawn} == {("lung", "ada")}


@pytest.mark.parametrize("number", [0, 101])
def test_nobody_asks_for_more_than_anybody_looks_at(connection: Connection, number: int) -> None:
    with pytest.raises(Refused):
        inspections.ask(connection, number, "ada")


def test_what_was_said_stays_and_says_who(connection: Connection) -> None:
    inspections.ask(connection, 1, "ada")
    (drawn,) = inspections.waiting(connection)
    with pytest.raises(Refused, match="what is to be seen"):
        inspections.judge(connection, drawn.id, Verdict.IDENTIFIES, " ", "bob")
    inspections.judge(connection, drawn.id, Verdict.IDENTIFIES, "a name at the top", "bob")
    with pytest.raises(Refused, match="somebody else"):
        inspections.judge(connection, drawn.id, Verdict.CLEAN, "", "eve")
    (said,) = inspections.record(connection)
    assert (said.verdict, said.note, said.by) == ("identifies", "a name at the top", "bob")
    assert said.looked
    assert inspections.waiting(connection) == []


def test_one_that_identifies_is_flagged_and_an_alarm_until_somebody_dealt_with_it(connection: Connection) -> None:
    inspections.ask(connection, 2, "ada")
    one, other = inspections.waiting(connection)
    inspections.judge(connection, other.id, Verdict.CLEAN, "", "bob")
    assert inspections.alarms(connection) == []
    inspections.judge(connection, one.id, Verdict.IDENTIFIES, "a name at the top", "bob", {"hub": 15})
    (alarm,) = inspections.alarms(connection)
    assert (alarm.id, alarm.sent) == (one.id, {"hub": 15})
    series = select(scan.c.SeriesInstanceUID).where(flags.unusable_scan())
    assert list(connection.scalars(series)) == [one.SeriesInstanceUID]
    with pytest.raises(Refused, match="what was done"):
        inspections.deal(connection, one.id, " ", "eve")
    inspections.deal(connection, one.id, "the hub was told and removed it", "eve")
    assert inspections.alarms(connection) == []
    for id in (one.id, other.id):
        with pytest.raises(Refused, match="somebody else"):
            inspections.deal(connection, id, "again", "eve")
    (said,) = [each for each in inspections.record(connection) if each.id == one.id]
    assert (said.dealt_by, said.dealt_note) == ("eve", "the hub was told and removed it")


def test_frames_lead_from_the_first_to_the_last(connection: Connection) -> None:
    inspections.ask(connection, 1, "ada")
    (drawn,) = inspections.waiting(connection)
    shown = inspections.frames(connection, drawn)
    assert len(shown) == len(set(shown)) == 12
