"""The page: all findings by check, patient and scan; pictures only where nothing identifies; no value of the data."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

import deliveries
from cohortium import check
from cohortium.check import worklist
from cohortium.check.examine import examine
from cohortium.check.page import page
from cohortium.check.page.charts import HEIGHT, histogram
from cohortium.check.report import Report, identified
from cohortium.check.rule import Rule
from cohortium.values import Severity

DRAGON = check.load("dragon")


def report_on(made: deliveries.Delivery, folder: Path) -> Report:
    return examine(made.write(folder), DRAGON, left_out=deliveries.SLOW, draw=True)


class Text(HTMLParser):
    """What a person reads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.read = ""
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.read += data


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Report:
    made = deliveries.clean(patients=3)
    made.change(made.series(0), SliceThickness="3")
    made.change(made.series(1)[:1], ImagePositionPatient=None)
    made.change(made.series(2), SliceThickness="5", SeriesDescription="Mueller Hans")
    made.files["Mueller Hans.txt"] = b"call him"
    return report_on(made, tmp_path_factory.mktemp("faulty"))


def test_it_says_every_rule_every_finding_and_what_to_do(faulty):
    read = Text(page(faulty)).read
    assert f"Not to be used yet: {faulty.errors} errors to mend" in read
    assert faulty.errors == 5
    for each in faulty.outcomes:
        assert each.rule.id in read
    for id, finding in identified(faulty):
        assert id in read
        assert finding.fact in read
        assert finding.mend in read


def test_skipped_is_told_from_passed_with_the_reason(faulty):
    html = page(faulty)
    for why in deliveries.SLOW.values():
        assert f"{why} (3 of 3)" in html
    assert f"{len(deliveries.SLOW)} checks were skipped, which is not the same as passed" in Text(html).read


def test_no_value_of_the_data_is_on_it(faulty):
    assert "Mueller" not in page(faulty)


def test_nothing_is_fetched_and_nothing_runs(faulty):
    html = page(faulty)
    assert set(re.findall(r'(?:src|href)="([^"]{5})', html)) <= {"data:", *(f"#{part}" for part in PARTS)}
    assert "<script" not in html
    assert "http" not in html.replace("http-equiv", "")


PARTS = ("todo", "chec", "pati", "scan", "find", "made", "rule", "meas")


def test_slices_are_drawn_but_not_of_a_series_with_a_finding_of_privacy(faulty, tmp_path):
    drawn = {(each.SeriesInstanceUID, each.place, each.middle) for each in faulty.pictures}
    first, second = (f"{deliveries.ROOT}.{patient}.1.1" for patient in (1, 2))
    assert drawn == {(first, "slice 15 of 28", True), (second, "outside the stack", False)}
    (tmp_path / "slice.png").write_bytes(faulty.pictures[0].png)
    with Image.open(tmp_path / "slice.png") as image:
        assert (image.size, image.info) == ((160, 160), {})
        assert image.getextrema() == (0, image.getextrema()[1])
        assert image.getextrema()[1] > 100
    assert page(faulty).count("data:image/png") == 2


@pytest.mark.parametrize(
    "attributes",
    [
        {"ImageType": ["DERIVED", "SECONDARY"]},
        {"BurnedInAnnotation": "YES"},
        {"PatientIdentityRemoved": None},
        {"_private": "of whom"},
        {"AccessionNumber": "4711"},
    ],
)
def test_what_may_have_words_on_it_or_a_name_in_its_header_is_not_drawn(tmp_path, attributes):
    made = deliveries.clean(patients=1)
    made.change(made.series(), SliceThickness="3", **attributes)
    assert report_on(made, tmp_path).pictures == ()


def test_nothing_is_drawn_by_a_specification_without_rules_of_privacy(tmp_path):
    made = deliveries.clean(patients=1)
    deliveries.VIOLATIONS["completeness.missing"](made)
    report = examine(made.write(tmp_path), check.load("basic"), draw=True)
    assert report.findings
    assert report.pictures == ()


def test_a_report_without_a_finding_is_a_page_too(tmp_path):
    read = Text(page(report_on(deliveries.clean(patients=1), tmp_path / "clean"))).read
    assert f"No error was found; {len(deliveries.SLOW)} checks could not be made" in read
    (tmp_path / "empty").mkdir()
    assert "Not to be used" not in Text(page(examine(tmp_path / "empty", check.load("basic")))).read


def test_waived_and_mended_findings_stay_on_it(faulty):
    first = worklist.renewed((), identified(faulty), faulty.looked, faulty.checked)
    thick = next(row for row in first if row.rule == "accuracy.slice-thickness")
    rows = worklist.waived(first, [thick.id], "the only scan <b>", "Ada", faulty.checked)
    gone = replace(thick, id="gone", state=worklist.State.MENDED, message="it was 9 mm", mended=faulty.checked)
    followed = replace(faulty, rows=(*rows, gone))
    read = Text(html := page(followed)).read
    assert followed.errors == faulty.errors - 1
    assert "by Ada" in read
    assert "the only scan <b>" in read
    assert "the only scan <b>" not in html
    assert "it was 9 mm" in read


def test_a_histogram_counts_every_series_and_marks_limits():
    rule = Rule("a.b", Severity.ERROR, "x", "x", limits={"least": 0.5, "most": 1.5})
    drawn = histogram("SliceThickness", " mm", [1, 1, 1, 3], rule)
    assert drawn.says == "1 of 4 series lie outside 0.5 to 1.5 mm"
    assert [(each.within, each.outside) for each in drawn.columns] == [(HEIGHT, 0), (0, HEIGHT / 3)]
    assert [mark.says for mark in drawn.marks] == ["1.5 mm"]
    assert len(histogram("Slices", "", [28.0, 28.0], None).columns) == 1
