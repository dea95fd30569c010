"""The gateway's pages as a data manager meets them: at a desk and on a phone, by mouse and by keyboard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

import gateway_site
import portal_site
from browsing import DESK, become, look
from cohortium.spool import asides
from cohortium.values import Reason, State
from portal_site import Served

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = gateway_site.worked(tmp_path_factory.mktemp("site"))
    with portal_site.served(settings) as served:
        gateway_site.people(served)
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", portal_site.slices(20))
        yield served


def inspect(page: Page, site: Served, reason: Reason) -> None:
    become(page, site, "manager")
    page.set_viewport_size(DESK)
    page.goto(f"{site.url}/quarantine?reason={reason}")
    page.locator("table.rows a").first.click()
    page.get_by_role("heading", name="Header").wait_for()


def test_the_gateway_says_how_it_is(page: Page, site: Served) -> None:
    become(page, site, "manager")
    page.goto(site.url)
    page.get_by_role("link", name="Gateway").click()
    page.get_by_role("heading", name="Gateway").wait_for()
    page.get_by_role("button", name="Send a test object to share").click()
    page.get_by_text("share has the test object").wait_for()
    look(page, "gateway")
    page.get_by_role("link", name="Configuration").click()
    page.get_by_role("heading", name="Configuration").wait_for()
    look(page, "gateway-settings")
    page.get_by_role("link", name="Log", exact=True).click()
    page.get_by_role("heading", name="Log").wait_for()
    look(page, "gateway-log")


def test_the_page_refreshes_itself_and_what_has_the_focus_stays(page: Page, site: Served) -> None:
    become(page, site, "manager")
    page.goto(f"{site.url}/gateway")
    button = page.get_by_role("button", name="Send a test object to share")
    button.focus()
    page.evaluate("document.querySelector('#tiles').textContent = 'old'")
    page.get_by_text("received in the last hour").wait_for(timeout=300_000)
    assert button.evaluate("button => document.activeElement === button")


def test_the_quarantine_explains_itself(page: Page, site: Served) -> None:
    become(page, site, "manager")
    page.goto(f"{site.url}/quarantine")
    look(page, "quarantine")
    page.get_by_role("link", name="Show pixels not reviewed").click()
    look(page, "quarantine-heap")


def test_a_rectangle_is_redacted_by_keyboard_and_by_mouse(page: Page, site: Served) -> None:
    inspect(page, site, Reason.PIXELS_NOT_REVIEWED)
    look(page, "inspect-quarantined")
    first = page.url.rsplit("/", 1)[1]
    areas = page.locator("input[name=areas]")
    page.keyboard.press("r")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Enter")
    kept = areas.input_value()
    assert len(kept.split(",")) == 4
    picture = page.locator("[data-draw]").bounding_box()
    assert picture is not None
    page.mouse.move(picture["x"] + picture["width"] * 0.4, picture["y"] + picture["height"] * 0.1)
    page.mouse.down()
    page.mouse.move(picture["x"] + picture["width"] * 0.6, picture["y"] + picture["height"] * 0.3)
    page.mouse.up()
    assert areas.input_value().startswith(f"{kept};")
    page.keyboard.press("Backspace")
    assert areas.input_value() == kept
    with page.expect_navigation():
        page.keyboard.press("a")
    with site.engine.connect() as connection:
        item = asides.named(connection, first)
    assert item is not None
    assert item.state is State.RECEIVED
    decided = site.app.state.looks.spool.decided(item)
    assert ",".join(map(str, decided.areas[0])) == kept
    assert decided.by == "manager"


def test_items_are_leafed_through_and_rejected_by_keyboard(page: Page, site: Served) -> None:
    inspect(page, site, Reason.INSPECTION)
    look(page, "inspect-held")
    first = page.url
    with page.expect_navigation():
        page.keyboard.press("j")
    assert page.url != first
    with page.expect_navigation():
        page.keyboard.press("k")
    assert page.url == first
    with page.expect_navigation():
        page.keyboard.press("x")
    with site.engine.connect() as connection:
        item = asides.named(connection, first.rsplit("/", 1)[1])
        assert item is not None
        assert item.state is State.REJECTED


def test_series_are_drawn_and_looked_at(page: Page, site: Served) -> None:
    become(page, site, "manager")
    page.set_viewport_size(DESK)
    page.goto(f"{site.url}/inspections")
    page.get_by_role("button", name="Ask for series").click()
    page.get_by_role("link", name="Look at the first").click()
    page.get_by_role("heading", name="Inspection no.").wait_for()
    assert page.locator(".mosaic img").count() == 12
    look(page, "inspection")
    page.get_by_role("button", name="Unsure").click()
    page.get_by_text("Say what is to be seen, in 1 to 500").wait_for()
    page.get_by_label("What is to be seen").fill("a line of text at the top")
    page.get_by_role("button", name="Identifies somebody").click()
    page.get_by_role("cell", name="a line of text at the top").wait_for()
    look(page, "inspections")
    page.get_by_role("link", name="Gateway").last.click()
    page.get_by_role("heading", name="What was let go on identifies somebody").wait_for()
    look(page, "gateway-alarm")
    page.get_by_role("link", name="Say what was done").click()
    page.get_by_label("What was done, and who was told").fill("the users were told")
    page.get_by_role("button", name="Dealt with").click()
    page.get_by_text("Dealt with by manager").wait_for()
    assert page.get_by_role("heading", name="What was let go on identifies somebody").count() == 0
    page.get_by_role("button", name="Ask for series").click()
    page.get_by_text("Every series of the archive was drawn").wait_for()
