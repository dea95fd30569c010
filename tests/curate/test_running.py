"""What an archive holds is checked as the same files in a folder are, and leaves nothing open behind it."""

import json
from pathlib import Path

import pytest

import deliveries
from cohortium import check, curate
from cohortium.archive import Removable
from cohortium.check.examine import examine
from cohortium.check.report import as_dict
from cohortium.curate import Standing
from cohortium.errors import Refused
from cohortium.store import jobs
from cohortium.worker import work
from curated import Site

THICK = "accuracy.slice-thickness"


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.engine.dispose()


def broken() -> deliveries.Delivery:
    """Two faults: slices of the first patient that are too thick, and a table with one."""
    made = deliveries.clean(slices=3)
    for rule in (THICK, "sdtm.date"):
        deliveries.VIOLATIONS[rule](made)
    return made


def test_the_report_is_that_of_the_same_files_in_a_folder(site, tmp_path):
    made = broken()
    site.fill(made)
    there = as_dict(examine(made.write(tmp_path / "there"), check.load(tmp_path / "quick.toml")))
    found = site.report(site.check())
    assert sorted(each["rule"] for each in found["findings"]) == [THICK, "sdtm.date"]
    assert [each["rule"] for each in found["findings"]] == [each["rule"] for each in there["findings"]]
    for each in (found, there):
        del each["checked"]
        for finding in each["findings"]:
            if finding["rule"] == "sdtm.date":  # it lies in the resources of the project
                assert Path(finding.pop("file")).name == "p01_lb.csv"
                finding.pop("id")
    assert found == json.loads(json.dumps(there))


def test_a_run_tells_how_far_it_is_and_how_it_ended(site):
    site.fill(broken())
    asked = site.ask()
    assert (asked.state, asked.head) == (Standing.WAITING, None)
    assert site.ask().id == asked.id, "asked for twice, it is made once"
    with site.engine.begin() as connection, pytest.raises(Refused, match="not done"):
        curate.report(connection, asked)
    done = site.check()
    assert (done.id, done.state, done.stage, done.done, done.total) == (asked.id, Standing.DONE, "tables", 5, 5)
    assert done.open == {"error": 2}
    assert {each["id"] for each in done.head["rules"] if each["status"] == "failed"} == {THICK, "sdtm.date"}
    assert site.ask().id != asked.id


def test_nothing_is_left_open_below_the_data_root(site):
    made = broken()
    site.fill(made)
    left = site.config.site.data / ".checks" / "1"
    left.mkdir(parents=True)
    (left / "of-a-run-that-was-killed.dcm").write_bytes(b"DICM")
    site.check()
    assert not left.exists()
    plain = deliveries.encoded(next(iter(made.objects.values())))
    files = [path.read_bytes() for path in site.config.site.data.rglob("*") if path.is_file()]
    assert not [each for each in files if plain[-1000:] in each]


def test_a_version_is_checked_as_it_was_frozen_less_what_is_gone(site):
    made = broken()
    site.fill(made)
    version = site.freeze("first")
    first = site.check(version.digest)
    assert first.open == {"error": 2}
    assert site.states() == {}, "the project has a work list of its own"
    gone = made.objects[made.series(0)[0]]["SeriesInstanceUID"]
    site.archive.remove("lung", Removable.SCAN, gone, who="ada", reason="too thick")
    assert THICK not in site.states(version.digest)
    again = site.check(version.digest)
    assert (again.gone, again.head["counts"]["series"]) == (3, 1)
    with site.engine.begin() as connection, pytest.raises(Refused, match="newer check"):
        curate.report(connection, first)


def test_a_specification_that_is_not_there_fails_the_run_and_says_so(site):
    site.fill(deliveries.clean(patients=1, slices=1))
    failed = site.check(specification="none.toml")
    assert failed.state is Standing.FAILED
    assert "none.toml" in failed.why
    assert str(site.config.file.parent) not in failed.why
    assert site.ask(specification="none.toml").id != failed.id


def test_a_run_that_was_done_when_its_worker_died_is_not_done_again(site):
    site.fill(deliveries.clean(patients=1, slices=1))
    done = site.check()
    with site.engine.begin() as connection:
        jobs.put(connection, curate.CHECK, {"run": done.id})
    work(site.config, once=True)
    assert site.runs() == 1
    with site.engine.begin() as connection:
        assert curate.run(connection, 1, done.id) == done
