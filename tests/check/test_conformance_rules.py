"""One finding for each fault of a series, counted; a crash and what is not installed are skipped, not passed."""

import shutil
from pathlib import Path

import pytest

import deliveries
from cohortium import check
from cohortium.check import conformance as rules
from cohortium.check import scan
from cohortium.check.rule import Skipped
from cohortium.dicom import conformance
from cohortium.values import Finding, Severity

RULES = {rule.id: rule for rule in check.load("dragon").rules if rule.id.startswith("conformance.")}
LOOKS = {each.id: each.look for each in rules.CHECKS}
CRASHED = "dciodvfy crashed or did not end, so that nothing is known of what it was asked about"
WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
installed = pytest.mark.skipif(not shutil.which(conformance.OBJECTS), reason="no dciodvfy; apt-get install dicom3tools")


@pytest.fixture
def made() -> deliveries.Delivery:
    return deliveries.clean(patients=1, slices=4)


def asked(made: deliveries.Delivery, folder: Path, rule: str) -> list[Finding | Skipped]:
    names = list(made.objects)
    made.write(folder)
    return list(LOOKS[rule](scan.read(folder, made.objects[names[0]]["SeriesInstanceUID"], names), RULES[rule]))


@installed
def test_each_distinct_error_once_with_its_attribute_module_and_count(made, tmp_path):
    made.change(made.series()[:3], PatientBirthDate=None)
    made.change(made.series()[3:], PatientAge="MUELLER")
    made.change(made.series()[1:3], KVP=None)
    found = asked(made, tmp_path, "conformance.error")
    missing = "Missing attribute for Type 2 Required"
    assert {each.variable: each.fact for each in found} == {
        "PatientAge": "PatientAge: Value invalid for this VR, in 1 of 4 objects",
        "PatientBirthDate": f"PatientBirthDate: {missing} (module Patient), in 3 of 4 objects",
        "KVP": f"KVP: {missing} (module CTImage), in 2 of 4 objects",
    }
    assert [bool(each.SOPInstanceUID) for each in found if each.variable == "PatientAge"] == [True]
    assert {each.severity for each in found} == {Severity.ERROR}


@installed
def test_warnings_in_the_same_words_are_one(made, tmp_path):
    made.change(made.series(), PatientSize="0", PatientWeight="0")
    (found,) = asked(made, tmp_path, "conformance.warning")
    assert found.fact == "Value is zero: PatientSize, PatientWeight, in 4 of 4 objects"
    assert found.severity is Severity.WARNING


@installed
def test_what_uniformity_tells_is_not_told_again(made, tmp_path):
    made.change(made.series()[:1], SeriesDescription="CHEST COR", StudyDescription="CT HEAD")
    (found,) = asked(made, tmp_path, "conformance.series")
    assert found.variable == "StudyDescription"
    assert "HEAD" not in found.message


@installed
def test_what_one_object_alone_does_not_say_is_a_warning(made, tmp_path):
    made.change(made.series()[:1], PatientAge=None, PatientBirthDate=None, SeriesDescription=None)
    (found,) = asked(made, tmp_path, "conformance.series-warning")
    told = "Attribute present in one instance but not the other: PatientBirthDate, PatientAge, in one object held"
    assert found.fact == f"{told} against another"
    assert found.severity is Severity.WARNING


@installed
def test_an_object_that_kills_the_real_program_is_said_to_crash_it(made, tmp_path):
    """Of a whole slide image without columns dciodvfy of 2022 divides by them."""
    slide = {"SOPClassUID": WHOLE_SLIDE, "Modality": "SM", "Rows": 0, "Columns": 0, "NumberOfFrames": "1"}
    tiles = {"DimensionOrganizationType": "TILED_FULL", "TotalPixelMatrixRows": 9, "TotalPixelMatrixColumns": 9}
    made.change(made.series()[:1], **slide, **tiles, PixelData=b"")
    made.change(made.series()[1:2], KVP=None)
    found = asked(made, tmp_path, "conformance.error")
    assert any(isinstance(each, Finding) and each.variable == "KVP" for each in found), "the others are asked about"
    if conformance.version() == "dicom3tools 1.00.snapshot.20220618":
        assert [each.why for each in found if isinstance(each, Skipped)] == [CRASHED]


@pytest.mark.parametrize("rule", ["conformance.error", "conformance.warning", "conformance.series"])
def test_a_crash_is_no_fault_and_no_conformance(made, tmp_path, monkeypatch, rule):
    (tmp_path / "bin").mkdir()
    for name in (conformance.OBJECTS, conformance.ENTITIES):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\nkill -ABRT $$\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin") + ":/bin")
    (skipped,) = asked(made, tmp_path / "data", rule)
    assert isinstance(skipped, Skipped)
    assert "crashed" in skipped.why


@pytest.mark.parametrize("rule", ["conformance.error", "conformance.warning", "conformance.series"])
def test_without_the_programs(made, tmp_path, monkeypatch, rule):
    monkeypatch.setenv("PATH", "")
    (skipped,) = asked(made, tmp_path, rule)
    assert isinstance(skipped, Skipped)
    assert "not installed" in skipped.why


@installed
def test_a_series_that_takes_too_long_is_not_passed(made, tmp_path, monkeypatch):
    monkeypatch.setattr(rules, "SECONDS", -1.0)
    (skipped,) = asked(made, tmp_path, "conformance.error")
    assert skipped == Skipped(rules.LATE)
