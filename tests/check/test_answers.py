"""A rule that finds something everywhere fills neither memory nor report: some findings are listed, all are counted."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.text import Text

import deliveries
from cohortium import check
from cohortium.check import answers, comparison, worklist
from cohortium.check.examine import examine
from cohortium.check.page import page
from cohortium.check.report import Report, as_dict, identified, junit
from cohortium.cli import findings

DRAGON = check.load("dragon")
THICK = "accuracy.slice-thickness"


def report_on(made: deliveries.Delivery, folder: Path) -> Report:
    return examine(made.write(folder), DRAGON, left_out=deliveries.SLOW, draw=True)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Of a delivery in which every file is broken."""
    folder = tmp_path_factory.mktemp("broken")
    for number in range(answers.LISTED + 312):
        (folder / f"1.2.{number}.dcm").write_bytes(b"no DICOM")
    return examine(folder, DRAGON, left_out=deliveries.SLOW)


def test_where_every_file_is_broken_some_are_listed_and_all_are_counted(broken):
    (readable,) = (each for each in broken.outcomes if each.rule.id == "structure.readable")
    assert (readable.findings, readable.unlisted) == (answers.LISTED + 312, 312)
    assert len([each for each in broken.findings if each.rule == readable.rule.id]) == answers.LISTED
    assert broken.errors >= answers.LISTED + 312
    told = as_dict(broken)
    assert told["counts"]["findings"]["error"] == broken.errors
    assert sum(each["findings"] for each in told["rules"]) == len(told["findings"]) + 312


def test_every_form_of_the_report_says_how_many_more_there_are(broken):
    html = page(broken)
    assert "5,312 findings of" in html
    assert "and 5,112 more; the report as JSON has all but 312 of them, which are only counted" in html
    assert len(html) < 500_000
    failure = next(each.text for each in ElementTree.fromstring(junit(broken)).iter("failure") if "broken" in each.text)
    assert failure.endswith("and 5212 more")
    shown = [each.plain for each in findings.checked(broken) if isinstance(each, Text)]
    more = len(broken.findings) - findings.SHOWN + 312
    assert f"and {more:,} more; --json FILE has all but 312 of them, which are only counted" in shown


@pytest.fixture
def capped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Report:
    """Of four patients, each with a scan that is too thick, and room for two findings of a rule."""
    monkeypatch.setattr(answers, "LISTED", 2)
    made = deliveries.clean(patients=4)
    made.change([path for number in range(4) for path in made.series(number)], SliceThickness="3")
    return report_on(made, tmp_path / "thick")


def test_what_is_only_counted_is_told_of_its_scan_and_patient(capped):
    html = page(capped)
    scans = html.partition('id="scans"')[2]
    for patient in range(1, 5):
        row = scans.partition(f">{deliveries.ROOT}.{patient}.1.1</th>")[2].partition("</tr>")[0]
        assert f"#rule-{THICK}" in row
    assert "4 findings of" in html
    assert "in 4 patients, 4 series" in html


def test_what_is_only_counted_is_neither_mended_nor_new(capped, tmp_path):
    """The first two scans are mended, so that the other two come into the list."""
    before = worklist.renewed((), identified(capped), capped.looked, capped.checked)
    made = deliveries.clean(patients=4)
    made.change([*made.series(2), *made.series(3)], SliceThickness="3")
    after = report_on(made, tmp_path / "mended")
    paths = [tmp_path / "before.json", tmp_path / "after.json"]
    for path, report in zip(paths, (capped, after), strict=True):
        path.write_text(json.dumps(as_dict(report)), "utf-8")

    compared = comparison.compare(*map(comparison.read, paths))
    assert (len(compared.new), len(compared.mended), len(compared.unknown)) == (0, 2, 2)
    back = comparison.compare(*map(comparison.read, reversed(paths)))
    assert (len(back.new), len(back.mended), len(back.unknown)) == (2, 0, 2)

    again = worklist.renewed(before, [], capped.looked, capped.checked)
    assert {row.state for row in again} == {worklist.State.OPEN}
