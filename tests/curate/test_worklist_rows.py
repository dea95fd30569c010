"""Findings as rows: the states of a work list, by the same rules as in a file; and they go with what they are about."""

import pytest
from sqlalchemy import select

import deliveries
from cohortium import curate
from cohortium.archive import Removable
from cohortium.errors import Refused
from cohortium.store.schema import audit, check_finding, check_series
from curated import QUICK, Site

THICK = "accuracy.slice-thickness"
WHEN = "2026-11-22T12:00:00+00:00"


@pytest.fixture
def site(tmp_path, place):
    made = Site(tmp_path, place)
    yield made
    made.engine.dispose()


@pytest.fixture
def made(site):
    """Thick slices of the first patient, in the archive."""
    made = deliveries.clean(slices=3)
    deliveries.VIOLATIONS[THICK](made)
    site.fill(made)
    site.check()
    return made


def thick(site):
    return next(each for each in site.rows() if each.row.rule == THICK)


def waive(site, ids, reason="the only scan there is", by="olga"):
    with site.engine.begin() as connection:
        return curate.waive(connection, 1, "", ids, reason, by, WHEN)


def said(site, what):
    with site.engine.begin() as connection:
        return connection.scalars(select(audit.c.object).where(audit.c.what == what)).all()


def count(site, table):
    with site.engine.begin() as connection:
        return len(connection.execute(select(table.c.id)).all())


def test_a_row_tells_where_in_the_archive_it_is(site, made):
    found = thick(site)
    assert (found.row.state, found.row.patient) == ("open", "P001")
    assert (found.scan_id, found.session_id, found.subject_id) == (1, 1, 1)
    assert (found.first_run_id, found.last_run_id) == (1, 1)


def test_states_go_from_run_to_run_as_in_a_file_and_each_change_is_in_the_audit(site, made):
    key = thick(site).row.id
    assert [each.row.state.value for each in waive(site, [key])] == ["waived"]
    again = site.check()
    assert (thick(site).row.state, thick(site).row.by, again.open) == ("waived", "olga", {})
    assert site.report(again)["counts"]["waived"] == 1
    with site.engine.begin() as connection:
        curate.reopen(connection, 1, "", [key])
    assert thick(site).row.state == "open"
    waive(site, [key])
    rightly = "\n".join(["[accuracy.slice-thickness]", "most = 5"])
    looser = site.config.file.parent / "looser.toml"
    looser.write_text(QUICK.replace("quick", "looser") + rightly, "utf-8")
    site.check(specification="looser.toml")
    assert (thick(site).row.state, thick(site).last_run_id) == ("mended", 2)
    site.check()
    assert (thick(site).row.state, thick(site).first_run_id, thick(site).last_run_id) == ("open", 1, 4)
    about = f"lung/{key}"
    assert said(site, "finding mended, was waived") == said(site, "finding open, was mended") == [about]
    assert said(site, "check") == ["lung/1", "lung/2", "lung/3", "lung/4"]


def test_a_waiver_is_given_once_with_a_reason_and_for_what_is_there(site, made):
    key = thick(site).row.id
    assert len(waive(site, [key])) == 1
    assert waive(site, [key]) == []
    assert len(waive(site, [key], reason="another")) == 1
    for ids, reason in (([key, "0" * 16], "why"), ([key], " ")):
        with pytest.raises(Refused):
            waive(site, ids, reason)
    assert thick(site).row.reason == "another"


def test_rows_are_found_by_what_they_are(site, made):
    found = thick(site)
    for wanted in (
        {"state": "open"},
        {"severity": "error"},
        {"rule": THICK},
        {"patient": "P001"},
        {"SeriesInstanceUID": found.row.SeriesInstanceUID},
    ):
        assert site.rows(**wanted) == [found]
    assert not site.rows(state="mended") + site.rows(patient="P002") + site.rows(dataset="ab" * 32)
    with site.engine.begin() as connection:
        assert curate.entries(connection, 1, curate.Wanted(), after=found.number) == []


def test_who_withdraws_leaves_no_finding_and_no_figure(site, made):
    assert (count(site, check_finding), count(site, check_series)) == (1, 2)
    site.archive.withdraw("lung", "P001", who="olga", reason="asked by letter")
    assert (count(site, check_finding), count(site, check_series)) == (0, 1)
    assert "P001" not in str(site.report(site.last()))


@pytest.mark.parametrize("level", [Removable.SUBJECT, Removable.SESSION, Removable.SCAN])
def test_what_is_removed_takes_its_findings_along(site, made, level):
    of = made.objects[made.series(0)[0]]
    named = {"subject": "PatientID", "session": "StudyInstanceUID", "scan": "SeriesInstanceUID"}[level]
    site.archive.remove("lung", level, of[named], who="ada", reason="too thick")
    assert (count(site, check_finding), count(site, check_series)) == (0, 1)


def test_an_instance_and_a_file_take_theirs_along_and_no_others(site):
    made = deliveries.clean(slices=3)
    deliveries.VIOLATIONS["sdtm.date"](made)
    one = made.series(0)[1]
    made.change([one], RescaleType="US")
    site.fill(made)
    site.check()
    object = made.objects[one]["SOPInstanceUID"]
    blamed = {each.row.rule for each in site.rows() if each.row.SOPInstanceUID == object}
    assert blamed
    rules = site.states().keys()
    site.archive.remove("lung", Removable.INSTANCE, object, who="ada", reason="blurred")
    assert site.states().keys() == rules - blamed
    (lb,) = site.rows(rule="sdtm.date")
    site.archive.detach(1, "p01_dm.csv", who="ada", reason="wrong study")
    assert site.rows(rule="sdtm.date") == [lb]
    site.archive.detach(1, "p01_lb.csv", who="ada", reason="wrong study")
    assert site.rows(rule="sdtm.date") == []
