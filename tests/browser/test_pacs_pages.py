"""Asking a PACS, and completeness, as a data manager meets them: at a desk and on a phone, by mouse and by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

import gateway_site
import pacs_site
import portal_site
from browsing import DESK, become, look
from portal_site import Served

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with portal_site.served(pacs_site.configured(tmp_path_factory.mktemp("site"))) as served:
        gateway_site.people(served)
        yield served


def test_nothing_was_asked_for_yet_and_the_pages_say_what_to_do(page: Page, site: Served) -> None:
    become(page, site, "manager")
    page.goto(f"{site.url}/pacs")
    page.get_by_role("heading", name="Nothing was asked for yet").wait_for()
    look(page, "pacs-empty")
    page.get_by_role("link", name="Completeness").click()
    page.get_by_role("heading", name="Nothing to account for yet").wait_for()
    look(page, "completeness-empty")


def test_a_list_is_uploaded_by_keyboard_and_what_is_wrong_with_one_is_told(
    page: Page, site: Served, tmp_path: Path
) -> None:
    become(page, site, "manager")
    page.set_viewport_size(DESK)
    page.goto(f"{site.url}/pacs")
    page.get_by_label("or pasted").fill("A1\nA*\n")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "first"
    page.get_by_role("button", name="Ask the PACS").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Row 2 of the list: AccessionNumber is empty").wait_for()
    assert page.get_by_label("or pasted").input_value() == "A1\nA*", "it can be mended"
    look(page, "pacs-wrong")
    page.get_by_label("or pasted").fill("")
    (tmp_path / "list.csv").write_text("AccessionNumber\nA1\nA2\nA1\n")
    page.get_by_label("File, CSV or text").set_input_files(tmp_path / "list.csv")
    page.get_by_label("Studies within 60 minutes").fill("20")
    page.get_by_role("button", name="Ask the PACS").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Request 1 is made; 1 row of the list").wait_for()
    page.get_by_role("button", name="Pause request 1").focus()
    page.keyboard.press("Enter")
    page.locator("#request-1 ~ .state").get_by_text("paused").wait_for()
    page.get_by_role("button", name="Go on request 1").click()
    page.get_by_role("button", name="Cancel request 1").click()
    page.locator("#request-1 ~ .state").get_by_text("cancelled").wait_for()


def test_a_list_that_is_far_too_large_is_answered(page: Page, site: Served, tmp_path: Path) -> None:
    become(page, site, "manager")
    page.goto(f"{site.url}/pacs")
    (tmp_path / "huge.csv").write_bytes(b"A1\n" * (8 << 20))
    page.get_by_label("File, CSV or text").set_input_files(tmp_path / "huge.csv")
    page.get_by_role("button", name="Ask the PACS").click()
    page.get_by_text("The list has more than 1,024 kB; divide it").wait_for()


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = pacs_site.configured(tmp_path_factory.mktemp("worked"))
    pacs_site.asked(settings)
    with portal_site.served(settings) as served:
        gateway_site.people(served)
        yield served


def test_each_request_tells_how_it_is(page: Page, worked: Served) -> None:
    become(page, worked, "manager")
    page.goto(f"{worked.url}/pacs")
    page.get_by_role("heading", name="Request 5").wait_for()
    look(page, "pacs")
    page.evaluate("document.querySelector('#requests').textContent = 'old'")
    page.get_by_role("heading", name="Request 5").wait_for(timeout=20_000)


def test_completeness_down_to_the_series_and_to_whom_it_is_about(page: Page, worked: Served) -> None:
    become(page, worked, "manager")
    page.set_viewport_size(DESK)
    page.goto(f"{worked.url}/completeness")
    look(page, "completeness")
    page.get_by_role("link", name="Request 2").click()
    page.get_by_role("heading", name="What is missing").wait_for()
    look(page, "completeness-request")
    page.get_by_role("link", name="Show which studies").click()
    page.get_by_text(f"{pacs_site.ASKED}-0").wait_for()
    look(page, "completeness-named")
    page.set_viewport_size(DESK)
    with page.expect_download() as download:
        page.get_by_role("link", name="Counts as CSV").click()
    assert pacs_site.ASKED not in download.value.path().read_text()
    page.get_by_role("link", name="Hide which studies").click()
    page.get_by_role("button", name="Ask again for what is missing").click()
    page.locator("#request-2 ~ .state").get_by_text("waits").wait_for()
