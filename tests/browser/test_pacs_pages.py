"""Asking a PACS, and completeness, as a data manager meets them: at a desk and on a phone, by mouse and by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page
from pydicom.dataset import Dataset

import gateway_site
import pacs_site
import portal_site
from browsing import DESK, become, look
from gateway_service import Service
from hospital import slice_of
from pacs_servers import dcmqrscp
from portal_site import Served
from waiting import free_port

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
    page.get_by_role("heading", name="Request 5").wait_for(timeout=300_000)


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


BESIDE_A_PACS = """
[gateway]
quiet_seconds = 600
egress = ["127.0.0.1:{pacs}"]
[[project]]
name = "lung"
[[source.receiver]]
name = "scanners"
port = {port}
peers = ["DCMQRSCP@127.0.0.1"]
[[source.pacs]]
name = "pacs"
ae_title = "DCMQRSCP"
host = "127.0.0.1"
port = {pacs}
receiver = "scanners"
[[destination.folder]]
name = "share"
path = "share"
[[pipeline]]
name = "ct"
sources = ["pacs", "scanners"]
project = "lung"
destinations = ["archive", "share"]
specification = "basic"
gate = false
"""


def test_what_a_real_pacs_has_is_asked_for_and_followed_to_the_receivers(page: Page, tmp_path: Path) -> None:
    def named(dataset: Dataset) -> None:
        dataset.AccessionNumber, dataset.StudyTime, dataset.StudyID = pacs_site.ASKED, "120000", "1"
        dataset.SeriesInstanceUID = f"1.2.826.0.3.{1 + dataset.InstanceNumber % 2}"

    (tmp_path / "files").mkdir()
    for number in range(1, 7):
        (tmp_path / "files" / f"{number}.dcm").write_bytes(slice_of(number, named))
    port = free_port()
    with dcmqrscp(tmp_path, port) as server:
        server.store(tmp_path / "files")
        (tmp_path / "site" / "share").mkdir(parents=True)
        sections = BESIDE_A_PACS.format(pacs=server.port, port=port)
        settings = pacs_site.configured(tmp_path / "site", sections=sections)
        service = Service(settings.file, port)
        with portal_site.served(settings) as served:
            gateway_site.people(served)
            service.start()
            try:
                _ask_and_follow(page, served)
            finally:
                service.stop()
    assert len(list((tmp_path / "site" / "share").rglob("*.dcm"))) == 6
    kept = b"".join(path.read_bytes() for path in (tmp_path / "site").rglob("*") if path.is_file())
    assert pacs_site.ASKED.encode() not in kept, "it lies sealed, or nowhere"


def _ask_and_follow(page: Page, site: Served) -> None:
    become(page, site, "manager")
    page.set_viewport_size(DESK)
    page.goto(f"{site.url}/pacs")
    page.locator("#ways .badge.ok").wait_for()
    page.get_by_label("or pasted").fill(f"{pacs_site.ASKED}\nACC-NOWHERE\n")
    page.get_by_role("button", name="Ask the PACS").click()
    page.get_by_text("held, digests compared").wait_for(timeout=300_000)
    page.get_by_text("the PACS holds no such study").wait_for()
    page.locator(".stages").get_by_text("finished").wait_for(timeout=300_000)
    page.get_by_role("link", name="Completeness of request 1").click()
    page.get_by_role("row", name="archive 6 compared digest stated by the receiver").wait_for()
    page.get_by_role("row", name="share 6 compared read back, same digest").wait_for()
    for number in (1, 2):
        page.get_by_role("row", name=f"Series {number} 3 3 3 0 3 3 all held").wait_for()
    look(page, "completeness-of-a-pacs")
