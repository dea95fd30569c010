"""The page: all findings by check, patient and scan; pictures only where nothing identifies; no value of the data."""

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import deliveries
from cohortium import check
from cohortium.check import worklist
from cohortium.check.examine import examine
from cohortium.check.page import page
from cohortium.check.page.charts import HEIGHT, Limits, histogram
from cohortium.check.pictures import OF_RULE, Picture, few
from cohortium.check.report import Report, Status, identified

DRAGON = check.load("dragon")


def report_on(made: deliveries.Delivery, folder: Path) -> Report:
    return examine(made.write(folder), DRAGON, left_out=deliveries.SLOW, draw=True)


def skipped(report: Report) -> int:
    """How many rules were: the slow ones, and those that ask programs that are not there."""
    return sum(each.status is Status.SKIPPED for each in report.outcomes)


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
    assert f"{skipped(faulty)} checks were skipped, which is not the same as passed" in Text(html).read


def test_no_value_of_the_data_is_on_it(faulty):
    assert "Mueller" not in page(faulty)


def test_nothing_is_fetched_and_nothing_runs(faulty):
    html = page(faulty)
    assert set(re.findall(r'(?:src|href)="([^"]{5})', html)) <= {"data:", *(f"#{part}" for part in PARTS)}
    assert "<script" not in html
    assert "http" not in html.replace("http-equiv", "")


PARTS = ("todo", "chec", "pati", "scan", "find", "made", "rule", "meas", "qual")


def test_slices_are_drawn_but_not_of_a_series_with_a_finding_of_privacy(faulty, tmp_path):
    drawn = {(each.SeriesInstanceUID, each.place, tuple(each.rules.items())) for each in faulty.pictures}
    first, second = (f"{deliveries.ROOT}.{patient}.1.1" for patient in (1, 2))
    assert drawn == {
        (first, "slice 15 of 28", (("accuracy.slice-thickness", "the middle of the series"),)),
        (second, "outside the stack", (("geometry.position", "the one it is about"),)),
    }
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
    report = report_on(deliveries.clean(patients=1), tmp_path / "clean")
    assert f"No error was found; {skipped(report)} checks could not be made" in Text(page(report)).read
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


SHOWN_AS = {
    "completeness.missing": {12: "the last before the widest gap", 13: "the first after it"},
    "geometry.duplicate": {1: "one of those in one place", 2: "another one there"},
    "geometry.tilt": {15: "the middle of the series"},
    "geometry.uneven": {13: "one of the two that lie the least as usual", 14: "the other one"},
    "quality.clipped": {6: "the one it is about"},
    "quality.field": {1: "the slice with most at the rim"},
    "quality.motion": {14: "the slice before the step", 15: "the slice after it"},
    "quality.noise": {11: "the noisiest slice of those looked at whole"},
}


@pytest.mark.parametrize("rule", SHOWN_AS)
def test_the_slices_are_shown_that_a_person_should_look_at(tmp_path, rule):
    made = deliveries.clean(patients=1)
    deliveries.VIOLATIONS[rule](made)
    shown = {each.place: each.rules[rule] for each in report_on(made, tmp_path).pictures}
    slices = len(made.series())
    assert shown == {f"slice {number} of {slices}": says for number, says in SHOWN_AS[rule].items()}


def test_of_several_slices_the_worst_is_shown(tmp_path):
    made = deliveries.clean(patients=1)
    for number, size in ((4, 4), (9, 5), (14, 4)):
        values = np.full((deliveries.ROWS, deliveries.ROWS), -1000.0)
        values[:size, :size] = 5000
        made.change([made.series()[number]], PixelData=deliveries.stored(values))
    places = {rule: each.place for each in report_on(made, tmp_path).pictures for rule in each.rules}
    assert places["quality.clipped"] == "slice 10 of 28"


def test_a_rule_has_a_few_pictures_however_much_it_finds():
    each_has_two = [Picture("1.2", "", {"a.b": "", f"c.{number}": ""}, b"") for number in range(3)]
    many = [Picture("1.2", "", {"a.b": ""}, b"") for _ in range(100)]
    assert len([*few([*each_has_two, *many], counts := Counter())]) == OF_RULE
    assert counts["a.b"] == OF_RULE
    assert len([*few([Picture("1.2", "", {"a.b": "", "d.e": ""}, b"")], counts)]) == 1


def test_a_histogram_counts_every_series_and_marks_limits():
    numbers = [(1, False), (1, False), (1, False), (3, True)]
    drawn = histogram("SliceThickness", "mm", numbers, Limits(0.5, 1.5))
    assert drawn.says == "4 series, median 1 mm; 1 of them beyond the limit (0.5 to 1.5 mm)"
    assert [(each.within, each.outside) for each in drawn.columns] == [(HEIGHT, 0), (0, HEIGHT / 3)]
    assert [mark.says for mark in drawn.marks] == ["0.5", "1.5"]
    alone = histogram("Signal to noise", "", [(28.0, False), (28.0, False)], Limits())
    assert (len(alone.columns), alone.marks, alone.says) == (1, (), "2 series, median 28; no limit")


def test_numbers_of_pictures_stand_on_it_and_those_beyond_a_limit_are_marked(tmp_path):
    made = deliveries.clean(patients=2)
    deliveries.VIOLATIONS["quality.noise"](made)
    report = report_on(made, tmp_path)
    html = page(report).partition('id="quality"')[2].partition("</section>")[0]
    assert html.count('<strong class="badge warning">') == 1
    read = Text(html).read
    for outline in report.delivery.outlines:
        assert outline.SeriesInstanceUID in read
        for name in ("noise", "signal_to_noise", "ring"):
            assert f"{outline.numbers[name]:.3g}" in read
    assert "1 of them beyond the limit (at most 50 HU)" in read
    assert "at most 15" in read
