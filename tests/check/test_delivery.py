"""A clean delivery has no finding; each rule broken once gives one finding, and no other rule speaks.

Sample: the slow rules are held against the clean delivery and their own violations; against all of them, but for the
reader, with COHORTIUM_TEST_FULL=1.
"""

import os
import shutil
from pathlib import Path

import pytest

import clinical_deliveries
import deliveries
from cohortium import check
from cohortium.check import core, pixels, sdtm
from cohortium.check.examine import examine
from cohortium.check.report import Report, Status
from cohortium.clinical.core import PROGRAM
from cohortium.dicom import conformance, reading

DRAGON = check.load("dragon")
FULL = os.environ.get("COHORTIUM_TEST_FULL") == "1"
BY_NAME_ALONE = {"sdtm.domains", "sdtm.domains-expected"}
NEED_TABLES = dict.fromkeys(clinical_deliveries.VIOLATIONS.keys() - BY_NAME_ALONE, sdtm.NOT_INSTALLED)
if sdtm.installed():
    NEED_TABLES.clear()
NEED_TABLES["core.issue"] = core.NOT_NAMED
MAY_BE_SKIPPED = NEED_TABLES | ({} if reading.available() else {"privacy.pixels": pixels.NOT_INSTALLED})
if not shutil.which(conformance.OBJECTS):
    MAY_BE_SKIPPED |= {rule.id: "dicom3tools are not installed" for rule in DRAGON.rules if rule.check == 8}


@pytest.fixture(autouse=True)
def no_program_of_others(monkeypatch):
    """What CDISC CORE finds depends on its rules."""
    monkeypatch.delenv(PROGRAM, raising=False)


def examined(made: deliveries.Delivery, folder: Path, *, slow: bool = False) -> Report:
    """With the slow rules, or without; with COHORTIUM_TEST_FULL=1 only without the reader."""
    left_out = {id: why for id, why in deliveries.SLOW.items() if not FULL or id == "privacy.pixels"}
    return examine(made.write(folder), DRAGON, left_out={} if slow else left_out)


def test_a_clean_delivery_has_no_finding_and_passes_every_rule(tmp_path):
    report = examined(deliveries.clean(), tmp_path, slow=True)
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
    report = examined(made, tmp_path, slow=rule in deliveries.SLOW)
    assert [each.rule for each in report.findings] == [rule], [each.message for each in report.findings]
    assert [each.rule.id for each in report.outcomes if each.status is Status.FAILED] == [rule]
