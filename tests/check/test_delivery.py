"""A clean delivery has no finding; each rule broken once gives one finding, and no other rule speaks."""

from pathlib import Path

import pytest

import deliveries
from cohortium import check
from cohortium.check.examine import examine
from cohortium.check.report import Report, Status

DRAGON = check.load("dragon")


def examined(made: deliveries.Delivery, folder: Path) -> Report:
    return examine(made.write(folder), DRAGON)


def test_a_clean_delivery_has_no_finding(tmp_path):
    report = examined(deliveries.clean(), tmp_path)
    assert report.findings == ()
    assert {each.status for each in report.outcomes} == {Status.PASSED}, [
        each for each in report.outcomes if each.status is not Status.PASSED
    ]


def test_there_is_a_violation_of_every_rule():
    assert deliveries.VIOLATIONS.keys() == {rule.id for rule in DRAGON.rules}


@pytest.mark.parametrize("rule", deliveries.VIOLATIONS)
def test_each_violation_is_found_once_and_nothing_else(tmp_path, rule):
    made = deliveries.clean()
    deliveries.VIOLATIONS[rule](made)
    report = examined(made, tmp_path)
    assert [(each.rule, each.message) for each in report.findings] == [(rule, report.findings[0].message)]
    assert [each.rule.id for each in report.outcomes if each.status is Status.FAILED] == [rule]
