"""The pages of `cohortium check` as a provider opens them: on a phone, at a desk, by keyboard and on paper."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import browsing
import deliveries
from cohortium import check
from cohortium.check import comparison, page, worklist
from cohortium.check.examine import examine
from cohortium.check.report import as_dict, identified

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    before, after = deliveries.clean(patients=4), deliveries.clean(patients=4)
    for made, rules in (
        (before, ("accuracy.slice-thickness", "structure.stray", "metadata.width")),
        (after, ("completeness.missing", "structure.stray", "metadata.table")),
    ):
        for rule in rules:
            deliveries.VIOLATIONS[rule](made)
        made.change(made.series(1), SeriesDescription="Mueller Hans", SliceThickness="2")
    names, rows = ("before", "after"), ()
    for name, made in zip(names, (before, after), strict=True):
        report = examine(made.write(folder / name), check.load("dragon"), left_out=deliveries.SLOW, draw=True)
        (folder / f"{name}.json").write_text(json.dumps(as_dict(report)), "utf-8")
        rows = worklist.renewed(rows, identified(report), report.looked, report.checked)
    (folder / "report.html").write_text(page.page(replace(report, rows=rows)), "utf-8")
    both = (comparison.read(folder / f"{name}.json") for name in names)
    (folder / "comparison.html").write_text(page.compared(comparison.compare(*both)), "utf-8")
    return folder


@pytest.mark.parametrize("name", ["report", "comparison"])
def test_everyone_can_read_it(page: Page, folder: Path, name: str) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto((folder / f"{name}.html").as_uri())
    browsing.look(page, f"check-{name}")
    assert complaints == []


def test_what_is_to_be_done_leads_to_the_findings_by_keyboard(page: Page, folder: Path) -> None:
    page.goto((folder / "report.html").as_uri())
    page.get_by_role("link", name="1 finding of structure.stray").press("Enter")
    closed = page.locator("#rule-structure\\.stray")
    expect(closed.locator(".found")).to_be_hidden()
    closed.locator("summary").press("Enter")
    expect(closed.locator(".found")).to_be_visible()


def test_pictures_are_shown_of_the_series_that_may_be(page: Page, folder: Path) -> None:
    page.goto((folder / "report.html").as_uri())
    loaded = "images => images.map(each => each.naturalWidth)"
    assert page.locator("#rule-completeness\\.missing .slices img").evaluate_all(loaded) == [160, 160]
    assert page.locator("#rule-accuracy\\.slice-thickness .slices img").count() == 0


def test_on_paper_every_finding_is_open(page: Page, folder: Path) -> None:
    page.goto((folder / "report.html").as_uri())
    closed = page.locator("#rule-structure\\.stray .found")
    assert not closed.is_visible()
    page.emulate_media(media="print")
    assert closed.bounding_box()["height"] > 0
    assert closed.evaluate("each => each.checkVisibility({contentVisibilityAuto: true})")
    page.emulate_media(media="screen")
