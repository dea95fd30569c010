"""Every finding on the real images at hand is expected: `real_findings.csv` counts them by rule, each with its reason.

They were looked at before they were written down. Folders are checked where they lie, files of `odd` one by one.
Sample: the slow rules are held against them with COHORTIUM_TEST_FULL=1.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections import defaultdict
from pathlib import Path

import pytest

import deliveries
from cohortium import check
from cohortium.check.examine import examine
from cohortium.dicom import conformance

pytestmark = pytest.mark.shared_data

FULL = os.environ.get("COHORTIUM_TEST_FULL") == "1"
LOOKED_AT = "dicom3tools 1.00.snapshot.20220618"  # another release may say other things
EXPECTED: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: {"basic": {}, "dragon": {}})
with Path(__file__).with_name("real_findings.csv").open(encoding="utf-8") as table:
    for row in csv.DictReader(table):
        EXPECTED[row["where"]][row["specification"]][row["rule"]] = int(row["findings"])


def left_out() -> dict[str, str]:
    out = dict(deliveries.SLOW) if not FULL else {"privacy.pixels": deliveries.SLOW["privacy.pixels"]}
    if conformance.version() != LOOKED_AT:
        out |= {rule.id: "another release" for rule in check.load("dragon").rules if rule.check == 8}
    return out


@pytest.mark.parametrize("specification", ["basic", "dragon"])
@pytest.mark.parametrize("where", EXPECTED)
def test_findings_are_those_that_were_looked_at(shared_data, tmp_path, where, specification):
    path, without = shared_data / "dicom" / where, left_out()
    if path.is_file():
        shutil.copy(path, tmp_path)
        path = tmp_path
    report = examine(path, check.load(specification), left_out=without)
    found: dict[str, int] = defaultdict(int)
    for each in report.findings:
        found[each.rule] += 1
    expected = {rule: count for rule, count in EXPECTED[where][specification].items() if rule not in without}
    assert found == expected, [f"{each.rule}: {each.fact}" for each in report.findings]


def test_every_real_image_is_in_the_table(shared_data):
    for path in (shared_data / "dicom").rglob("*.dcm"):
        name = path.relative_to(shared_data / "dicom").as_posix()
        assert any(name == where or name.startswith(f"{where}/") for where in EXPECTED), name


def three_tiers(shared_data: Path, folder: Path) -> Path:
    """One patient with CT, PET and MR, as a delivery lies; linked where the file system can, and never kept."""
    for kind in ("CT", "PET", "MR_T1"):
        for path in (shared_data / "dicom/ibsi/ibsi_validation/dicom/STS_001" / kind / "image").iterdir():
            tier = folder / "STS_001" / "1.2.840.4711.1" / f"1.2.840.4711.1.{len(kind)}"
            tier.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tier / path.name)
    return folder


def test_a_real_delivery_writes_the_metadata_that_it_is_held_against(shared_data, tmp_path):
    """Metadata written from the images contradict none of them, and an order by dates is accepted."""
    folder = three_tiers(shared_data, tmp_path / "delivery")
    dragon = check.load("dragon")
    first = examine(folder, dragon, left_out=deliveries.SLOW)
    check.metadata.write(folder / "metadata.csv", first.delivery, "DRAGON", "p01")
    lines = [f"{outline.patients[0]},{outline.SeriesInstanceUID},1" for outline in first.delivery.outlines]
    (folder / "order.csv").write_text("\n".join(["patient,series_uid,order", *lines]) + "\n")
    report = examine(folder, dragon, left_out=deliveries.SLOW)
    told = {each.rule for each in report.findings}
    assert len(report.delivery.outlines) == 3
    assert "metadata.table" not in told
    wrong = {
        "metadata.series",
        "metadata.value",
        "completeness.metadata",
        "chronology.scans",
        "chronology.contradiction",
    }
    assert not told & wrong
    assert {each.rule.id for each in report.outcomes if each.status.value == "passed"} >= wrong
