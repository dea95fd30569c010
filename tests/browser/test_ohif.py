"""OHIF over our DICOMweb, in a real browser. `COHORTIUM_OHIF` names the folder of its static build (package/dist)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Request, sync_playwright

import portal_site
from cohortium.govern import users
from portal_site import PASSWORD, Served

FOLDER = os.environ.get("COHORTIUM_OHIF", "")
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
BRIGHT = 120  # of 255

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not FOLDER, reason="COHORTIUM_OHIF names no build of OHIF"),
]


def ramp(n: int) -> bytes:
    """A slice that is dark on the left and bright on the right."""
    dataset = portal_site.ct_slice(n, "S-0001", "2.25.1", "2.25.2")
    row = np.linspace(0, 2000, portal_site.EDGE).astype("<u2")
    dataset.PixelData = np.tile(row, (portal_site.EDGE, 1)).tobytes()
    return portal_site.encode(dataset)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = portal_site.configuration(
        tmp_path_factory.mktemp("site"), sections=f'[serve]\nohif = "{Path(FOLDER).resolve()}"\n'
    )
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", [ramp(n) for n in range(9)])
        password = users.ensure_administrator(served.engine)
        assert password
        served.app.state.password = password
        yield served


@pytest.fixture
def page(site: Served, browser_path: str) -> Iterator[Page]:
    arguments = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=arguments)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{site.url}/login")
        page.fill("input[name=name]", "admin")
        page.fill("input[name=password]", site.app.state.password)
        page.click("button[type=submit]")
        page.fill("input[name=password]", PASSWORD)
        page.fill("input[name=again]", PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_url(f"{site.url}/")
        yield page
        browser.close()


def test_a_series_is_shown_and_nobody_else_is_called(site: Served, page: Page) -> None:
    asked: list[Request] = []
    refused: list[str] = []
    page.on("request", lambda request: asked.append(request))
    page.on("console", lambda said: refused.append(said.text) if "Content Security Policy" in said.text else None)
    page.on(
        "response", lambda answer: refused.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None
    )
    page.goto(f"{site.url}/ohif/")
    page.get_by_text("S-0001").first.wait_for(timeout=300_000)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "ohif-studies.png")
    page.goto(f"{site.url}/ohif/viewer?StudyInstanceUIDs=2.25.1")
    page.locator(".cornerstone-canvas").first.wait_for(timeout=300_000)
    shown = _wait_for_picture(page)
    assert shown
    hosts = {urlsplit(each.url).netloc for each in asked if each.url.startswith("http")}
    assert hosts == {urlsplit(site.url).netloc}
    assert refused == []


def _wait_for_picture(page: Page) -> bool:
    """Whether the slice is seen, dark on its left and bright on its right."""
    for _ in range(300):
        page.wait_for_timeout(1000)
        path = SCREENSHOTS / "ohif-series.png"
        page.screenshot(path=path)
        picture = np.asarray(Image.open(path).convert("L"))
        left, right = picture[300:500, 420:480], picture[300:500, 1050:1110]
        if left.mean() < BRIGHT < right.mean():
            return True
    return False
