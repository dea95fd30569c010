"""A browser over a served site: how the tests of pages log in, and how they look at a page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize, sync_playwright

from cohortium.govern import logins, users
from portal_site import Served
from waiting import PATIENCE

SCREENSHOTS = Path(__file__).parents[1] / "build" / "screenshots"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESK: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 375, "height": 812}


@contextmanager
def browser(executable: str, profile: Path) -> Iterator[Page]:
    """A page of a browser that may use the clipboard, and knows nothing of earlier ones."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=executable,
            args=ARGUMENTS,
            viewport=DESK,
            permissions=["clipboard-read", "clipboard-write"],
            timeout=1000 * PATIENCE,
        )
        context.set_default_timeout(1000 * PATIENCE)
        yield context.pages[0]
        context.close()


def become(page: Page, site: Served, name: str) -> None:
    """Be logged in as that account from now on, and leave the page at which another one was."""
    page.goto("about:blank")
    page.context.clear_cookies()
    with site.engine.begin() as connection:
        token = logins.open_login(connection, users.named(connection, name), 1)
    page.context.add_cookies([{"name": "cohortium", "value": token, "url": site.url}])


def look(page: Page, name: str) -> None:
    """Keep a picture on a phone and in both colour schemes; nothing overflows, and axe finds no fault in any."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for shape, size in (("phone", PHONE), ("dark", DESK), ("light", DESK)):
        page.set_viewport_size(size)
        page.emulate_media(color_scheme="dark" if shape == "dark" else "light")
        page.screenshot(path=SCREENSHOTS / f"{name}-{shape}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], shape
        assert faults(page) == [], shape


def faults(page: Page) -> list[tuple[str, list[str]]]:
    """What axe says is wrong (WCAG 2 A and AA, and its best practices), and where."""
    found = Axe().run(page).response["violations"]
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]
