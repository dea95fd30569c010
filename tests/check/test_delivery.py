"""A clean delivery has no finding; each rule broken once gives one finding, and no other rule speaks."""

from pathlib import Path

import pytest

import clinical_deliveries
import deliveries
from cohortium import check
from cohortium.check import pixels, sdtm
from cohortium.check.examine import examine
from cohortium.check.report import Report, Status
from cohortium.dicom import reading

DRAGON = check.load("dragon")
UNREAD = {"privacy.pixels": "it takes a second a series"}
BY_NAME_ALONE = {"sdtm.domains", "sdtm.domains-expected"}
NEED_TABLES = dict.fromkeys(clinical_deliveries.VIOLATIONS.keys() - BY_NAME_ALONE, sdtm.NOT_INSTALLED)
if sdtm.installed():
    NEED_TABLES.clear()
MAY_BE_SKIPPED = NEED_TABLES | ({} if reading.available() else {"privacy.pixels": pixels.NOT_INSTALLED})


def examined(made: deliveries.Delivery, folder: Path, *, read: bool = False) -> Report:
    return examine(made.write(folder), DRAGON, left_out={} if read else UNREAD)


def test_a_clean_delivery_has_no_finding_and_passes_every_rule(tmp_path):
    report = examined(deliveries.clean(), tmp_path, read=True)
    assert report.findings == ()
    for outcome in report.outcomes:
        expected = Status.SKIPPED if outcome.rule.id in MAY_BE_SKIPPED else Status.PASSED
        assert outcome.status is expected, (outcome.rule.id, outcome.why)


def test_there_is_a_violation_of_every_rule():
    assert deliveries.VIOLATIONS.keys() == {rule.id for rule in DRAGON.rules}


@pytest.mark.parametrize("rule", deliveries.VIOLATIONS)
def test_each_violation_is_found_once_and_nothing_else(tmp_path, rule):
    if rule in MAY_BE_SKIPPED:
        pytest.skip(MAY_BE_SKIPPED[rule])
    made = deliveries.clean()
    deliveries.VIOLATIONS[rule](made)
    report = examined(made, tmp_path, read=rule in UNREAD)
    assert [each.rule for each in report.findings] == [rule], [each.message for each in report.findings]
    assert [each.rule.id for each in report.outcomes if each.status is Status.FAILED] == [rule]
