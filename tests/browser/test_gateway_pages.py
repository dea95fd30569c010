"""The gateway's pages as a data manager meets them: at a desk and on a phone, by mouse and by keyboard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

import gateway_site
import portal_site
from browsing import become, look
from portal_site import Served

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = gateway_site.worked(tmp_path_factory.mktemp("site"))
    with portal_site.served(settings) as served:
        gateway_site.people(served)
        yield served


def test_the_gateway_says_how_it_is(page: Page, site: Served) -> None:
    become(page, site, "manager")
    page.goto(site.url)
    page.get_by_role("link", name="Gateway").click()
    page.get_by_role("heading", name="Gateway").wait_for()
    look(page, "gateway")
    page.get_by_role("link", name="Configuration").click()
    page.get_by_role("heading", name="Configuration").wait_for()
    look(page, "gateway-settings")
    page.get_by_role("link", name="Log", exact=True).click()
    page.get_by_role("heading", name="Log").wait_for()
    look(page, "gateway-log")


def test_the_quarantine_explains_itself(page: Page, site: Served) -> None:
    become(page, site, "manager")
    page.goto(f"{site.url}/quarantine")
    look(page, "quarantine")
    page.get_by_role("link", name="Show pixels not reviewed").click()
    look(page, "quarantine-heap")


def test_an_item_is_inspected(page: Page, site: Served) -> None:
    become(page, site, "manager")
    page.goto(f"{site.url}/quarantine?reason=waits for somebody to look at it")
    page.locator("table a").first.click()
    page.get_by_role("heading", name="Header").wait_for()
    look(page, "inspect-held")
    page.goto(f"{site.url}/quarantine?reason=pixels not reviewed")
    page.locator("table a").first.click()
    page.get_by_role("heading", name="Header").wait_for()
    look(page, "inspect-quarantined")
