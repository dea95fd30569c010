"""The report in a real browser: it says what was found, filters its values, and can be read by everyone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect, sync_playwright

import factory
from cohortium import keys
from cohortium.deidentify import load_protocol
from cohortium.deidentify.tree import Task, run
from cohortium.verify import record, report
from cohortium.verify.proof import Extent, prove
from cohortium.verify.record import Entry, Record

pytestmark = pytest.mark.browser
KEY = keys.SiteKey(bytes(range(32)))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    sources = []
    for number in range(3):
        sources.append(folder / f"{number}.dcm")
        sources[-1].write_bytes(factory.ct(SOPInstanceUID=f"1.2.3.{number}"))
    task = Task(load_protocol("basic"), KEY, "test", folder / "out", digests=True, marking=record.marking_key(KEY))
    made = list(run(task, [(path, "") for path in sources]))
    entries = tuple(Entry(each.mark, each.state, each.output, each.digest) for each in made)
    outputs = [(each.output, folder / "out" / each.output) for each in made]
    known = Record("study", "basic 1.0", "0" * 64, "0", entries)
    report.write(
        folder / "report", prove(sources, outputs, (known, KEY), Extent(1, series=3), lambda *_: None, show=True)
    )
    return (folder / "report" / "report.html").as_uri()


@pytest.fixture(scope="module")
def page(address: str, browser_path: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_everyone_can_read_it(page: Page, address: str, scheme: str, width: int) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(address)
    violations = Axe().run(page).response["violations"]
    assert [(each["id"], each["help"]) for each in violations] == []
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_it_says_what_was_found_and_shows_pictures(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("#verdict")).to_contain_text("No identifying value was found")
    loaded = "images => images.map(each => each.naturalWidth)"
    assert page.locator(".strip img").evaluate_all(loaded) == [factory.COLUMNS] * 3


def test_values_can_be_filtered(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_label("Show what contains").fill("convolution")
    expect(page.locator(".attribute:visible")).to_have_count(1)
    expect(page.locator(".attribute:visible")).to_contain_text("ConvolutionKernel")
