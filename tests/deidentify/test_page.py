"""The page that a principal investigator approves: complete, alone, and readable in a browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

import factory
from cohortium.deidentify import load_protocol
from cohortium.deidentify.difference import attributes, rules
from cohortium.deidentify.explain import explain
from cohortium.deidentify.page import page
from cohortium.deidentify.protocol import names

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"


class Fetched(HTMLParser):
    """Collects whatever a page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "img", "iframe", "object") or any(name in ("src", "href") for name, _ in attrs):
            self.found.append(tag)


@pytest.mark.parametrize("name", names())
def test_every_attribute_stands_on_the_page_once(name: str) -> None:
    protocol = load_protocol(name)
    made = page(protocol, factory.CT_IMAGE)
    rows = re.findall(r'<td class="tag">([^<]+)</td>', made)
    assert sorted(rows) == sorted(row.tag for row in explain(protocol, factory.CT_IMAGE))
    assert protocol.digest in made
    assert all(option in made for option in protocol.options)


def test_the_page_stands_alone_and_shows_text_as_text(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(
        'name = "p"\nversion = "1"\ntitle = "<script>alert(1)</script>"\nedition = "2026c"\nbase = "basic"\n', "utf-8"
    )
    made = page(load_protocol(path), factory.CT_IMAGE)
    parser = Fetched()
    parser.feed(made)
    assert parser.found == []
    assert "url(" not in made
    assert "&lt;script&gt;" in made


@pytest.mark.browser
def test_the_page_in_a_browser(browser_path: str, tmp_path: Path) -> None:
    """What the protocol keeps by its own rules comes first and open; what it removes is folded away."""
    (tmp_path / "page.html").write_text(page(load_protocol("chaimeleon-pseudonymise"), factory.CT_IMAGE), "utf-8")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=browser_path, args=arguments)
        tab = browser.new_page(viewport={"width": 1100, "height": 900})
        errors: list[str] = []
        tab.on("console", lambda message: errors.append(message.text))
        tab.goto((tmp_path / "page.html").as_uri())
        assert tab.locator("details").first.locator("tbody tr").first.inner_text().split("\t")[1] == "PatientBirthDate"
        assert tab.get_by_text("PatientBirthDate", exact=True).first.is_visible()
        assert not tab.get_by_text("PatientAddress", exact=True).is_visible()
        tab.get_by_text("Removed (").click()
        assert tab.get_by_text("PatientAddress", exact=True).is_visible()
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        tab.set_viewport_size({"width": 390, "height": 844})
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out on a phone"
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        tab.screenshot(path=SCREENSHOTS / "protocol.png")
        browser.close()
    assert errors == []


def test_a_protocol_does_not_differ_from_itself() -> None:
    for name in names():
        protocol = load_protocol(name)
        assert list(rules(protocol, protocol)) == []
        assert list(attributes(protocol, protocol, factory.CT_IMAGE)) == []


def test_what_differs_is_named_with_both_reasons() -> None:
    basic, dragon = load_protocol("basic"), load_protocol("dragon")
    assert [each.what for each in rules(basic, dragon)] == [
        "option Clean Descriptors",
        "option Retain Longitudinal Temporal Information Full Dates",
        "subjects",
        "dates",
        "clinical tables",
    ]
    found = {each.what.partition(" ")[2]: each for each in attributes(basic, dragon, factory.CT_IMAGE)}
    study_date = found["StudyDate"]
    assert (study_date.one, study_date.other) == ("empty", "keep")
    assert study_date.why_one.startswith("Table E.1-1: Z")
    assert study_date.why_other.endswith("Full Dates")
    assert "PatientAddress" not in found
