"""A report says of each rule what became of it, and of each finding what it is called in every report."""

from pathlib import Path

import pytest

import deliveries
from cohortium import check
from cohortium.check import registry
from cohortium.check.examine import examine
from cohortium.check.report import NOTHING, Outcome, Report, Status, as_dict, identified
from cohortium.check.rule import Check, Rule, Scope, Skipped
from cohortium.values import Severity

DRAGON = check.load("dragon")


def report_on(made: deliveries.Delivery, folder: Path) -> Report:
    folder.mkdir()
    return examine(made.write(folder), DRAGON, left_out=deliveries.SLOW)


def ids(report: Report, rule: str) -> list[str]:
    return [id for id, finding in identified(report) if finding.rule == rule]


def test_the_same_fault_has_the_same_id_whatever_else_is_wrong_and_however_much_of_it(tmp_path):
    one, other = deliveries.clean(), deliveries.clean(patients=3)
    for number, made in ((12, one), (14, other)):
        del made.objects[made.series()[number]]
    for rule in ("metadata.table", "structure.stray", "uniformity.value"):
        deliveries.VIOLATIONS[rule](other)
    first, second = report_on(one, tmp_path / "1"), report_on(other, tmp_path / "2")
    assert len(second.findings) > len(first.findings) == 1
    assert ids(first, "completeness.missing") == ids(second, "completeness.missing")


def test_ids_are_unique_and_tell_faults_apart(tmp_path):
    made = deliveries.clean()
    made.change(made.series(0), SliceThickness="3", PixelSpacing=["0.5", "0.5"], KVP=None)
    made.change(made.series(1), SliceThickness="4")
    made.files |= {f"{name}/x.dcm": b"x" for name in ("a", "b", "c")}
    report = report_on(made, tmp_path / "1")
    known = [id for id, _ in identified(report)]
    assert len(known) == len(set(known)) == len(report.findings)
    alike = ids(report, "structure.readable")
    assert alike == [alike[0], f"{alike[0]}-2", f"{alike[0]}-3"]


def rule(id: str) -> Rule:
    return Rule(id, Severity.ERROR, "x", "x")


@pytest.mark.parametrize(
    ("asked", "findings", "skipped", "status", "why"),
    [
        (2, 0, {}, Status.PASSED, ""),
        (2, 1, {}, Status.FAILED, ""),
        (0, 0, {}, Status.SKIPPED, NOTHING),
        (2, 0, {"no reader": 2}, Status.SKIPPED, "no reader (2 of 2)"),
        (2, 0, {"no reader": 1}, Status.PASSED, "no reader (1 of 2)"),
        (2, 1, {"no reader": 1}, Status.FAILED, "no reader (1 of 2)"),
    ],
)
def test_skipped_is_not_passed(asked, findings, skipped, status, why):
    outcome = Outcome(rule("a.b"), asked, findings, skipped)
    assert (outcome.status, outcome.why) == (status, why)


def test_an_empty_folder_passes_no_rule_about_series(tmp_path):
    report = examine(tmp_path, DRAGON, left_out=deliveries.SLOW)
    told = {each.rule.id: each.status for each in report.outcomes}
    assert told["accuracy.slice-thickness"] is Status.SKIPPED
    assert told["metadata.table"] is Status.FAILED


def test_a_report_says_by_what_it_was_made(tmp_path):
    said = as_dict(examine(tmp_path, DRAGON, left_out=deliveries.SLOW))
    assert said["specification"]["digest"] == DRAGON.digest
    assert said["software"].startswith("Cohortium ")
    assert any("Table 1" in note for note in said["specification"]["notes"])
    assert [each["id"] for each in said["rules"]] == [each.id for each in DRAGON.rules]


class Family:
    """What an installed package brings."""

    CHECKS = (Check("own.silence", Scope.DELIVERY, lambda _delivery, _rule: iter([Skipped("nobody was there")])),)


class Entry:
    @staticmethod
    def load() -> type[Family]:
        return Family


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "entry_points", lambda group: [Entry] if group == "cohortium.checks" else [])
    registry.checks.cache_clear()
    yield
    registry.checks.cache_clear()


def test_an_installed_package_brings_rules(tmp_path, installed):
    own = tmp_path / "own.toml"
    head = 'name = "own"\nversion = "1"\ntitle = "Own"\nextends = "basic"\n'
    own.write_text(head + '[own.silence]\nseverity = "info"\nexplanation = "x"\nmend = "x"\n', "utf-8")
    delivery = tmp_path / "delivery"
    delivery.mkdir()
    told = {each.rule.id: each for each in examine(delivery, check.load(own)).outcomes}
    assert told["own.silence"].why == "nobody was there (1 of 1)"
