"""The portal as a person meets it: a real browser, a real server, screenshots kept in build/screenshots."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, sync_playwright
from pydicom.uid import RTStructureSetStorage, SecondaryCaptureImageStorage, generate_uid

import portal_site
from browsing import ARGUMENTS, SCREENSHOTS
from cohortium.govern import users
from portal_site import PASSWORD, Served

pytestmark = pytest.mark.browser

SLICES = 21
MIDDLE = SLICES // 2 + 1
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


def colour_image() -> bytes:
    dataset = portal_site.ct_slice(0, "S-0002", "1.2.826.0.1.9", generate_uid())
    dataset.SOPClassUID, dataset.Modality, dataset.SeriesDescription = SecondaryCaptureImageStorage, "OT", "Colour"
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "WindowCenter", "WindowWidth"):
        delattr(dataset, keyword)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.NumberOfFrames = 2
    red, blue = (np.full((portal_site.EDGE, portal_site.EDGE, 3), tone, "u1") for tone in ((200, 0, 0), (0, 0, 200)))
    dataset.PixelData = red.tobytes() + blue.tobytes()
    return portal_site.encode(dataset)


def two_windows() -> list[bytes]:
    """Two slices of one value, the second with a window in which it is black."""
    series, made = generate_uid(), []
    for n, centre in enumerate((100, 5000)):
        dataset = portal_site.ct_slice(n, "S-0002", "1.2.826.0.1.9", series)
        dataset.SeriesDescription, dataset.WindowCenter, dataset.WindowWidth = "Field map", centre, 200
        dataset.PixelData = np.full((portal_site.EDGE, portal_site.EDGE), 1024 + 100, "<u2").tobytes()
        made.append(portal_site.encode(dataset))
    return made


def structure_set() -> bytes:
    dataset = portal_site.ct_slice(0, "S-0002", "1.2.826.0.1.9", generate_uid())
    dataset.SOPClassUID, dataset.Modality, dataset.SeriesDescription = RTStructureSetStorage, "RTSTRUCT", "Contours"
    for keyword in ("PixelData", "Rows", "Columns", "ImagePositionPatient"):
        delattr(dataset, keyword)
    return portal_site.encode(dataset)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = portal_site.configuration(tmp_path_factory.mktemp("site"))
    with portal_site.served(settings) as served:
        contents = [*portal_site.slices(SLICES), colour_image(), structure_set(), *two_windows()]
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", contents)
        yield served


@pytest.fixture(scope="module")
def context(browser_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=browser_path, args=ARGUMENTS, viewport=DESK
        )
        yield context
        context.close()


@pytest.fixture(scope="module")
def troubles() -> list[str]:
    """What the browser complained about, in any test."""
    return []


@pytest.fixture(scope="module")
def logged_in(context: BrowserContext, site: Served, troubles: list[str]) -> Page:
    """A page, logged in the way a new administrator logs in."""
    page = context.pages[0]
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    one_time = users.ensure_administrator(site.engine)
    assert one_time is not None
    page.goto(site.url)
    keep(page, "login")
    assert not violations(page)
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(one_time)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Choose your password").wait_for()
    keep(page, "password")
    assert not violations(page)
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Save and continue").click()
    page.get_by_role("heading", name="Projects").wait_for()
    return page


@pytest.fixture
def page(logged_in: Page, site: Served) -> Page:
    logged_in.set_viewport_size(DESK)
    logged_in.emulate_media(color_scheme="light")
    logged_in.goto(site.url)
    return logged_in


@pytest.fixture
def viewer(page: Page) -> Page:
    """The CT series, every slice loaded."""
    open_scan(page, "Thorax")
    page.locator(f"[data-loaded][data-count='{SLICES}']").wait_for()
    shown(page, MIDDLE)
    return page


def open_scan(page: Page, description: str) -> None:
    page.get_by_role("link", name="Lung study").click()
    page.get_by_role("link", name=description).click()
    page.wait_for_url("**/scans/*")


def keep(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def violations(page: Page) -> str:
    results = Axe().run(page)
    return results.generate_report() if results.violations_count else ""


def shown(page: Page, number: int) -> None:
    """Wait until the canvas shows the image of that number."""
    page.locator(f"[data-canvas][data-shown='{number}']").wait_for()
    assert (
        page.locator("[data-number]").inner_text() == f"{number} / {page.locator('[data-slider]').get_attribute('max')}"
    )


def pixel(page: Page, across: float = 0.5, down: float = 0.4) -> list[int]:
    """Red, green and blue on the canvas at a fraction of its size."""
    return page.evaluate(
        """([x, y]) => { const c = document.querySelector("[data-canvas]");
        return [...c.getContext("2d").getImageData(c.width * x, c.height * y, 1, 1).data.slice(0, 3)]; }""",
        [across, down],
    )


def settled(page: Page, true: Callable[[list[int]], bool], *at: float) -> list[int]:
    """The pixel, once it is as it is to be."""
    for _ in range(8000):
        if true(found := pixel(page, *at)):
            return found
        page.wait_for_timeout(25)
    raise AssertionError(found)


def grey_of(number: int) -> int:
    """What slice `number` (from 1) looks like under the window that its header asks for."""
    return round(((number - 1) * 10 - (128 - 512 / 2)) * 256 / 512)


def drag(page: Page, dx: int, dy: int) -> None:
    page.mouse.move(600, 400)
    page.mouse.down()
    page.mouse.move(600 + dx, 400 + dy, steps=4)
    page.mouse.up()


def test_the_projects_are_shown_at_every_width_and_in_the_dark(page: Page) -> None:
    for name, size, scheme in (("desk", DESK, "light"), ("dark", DESK, "dark"), ("phone", PHONE, "light")):
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        keep(page, f"projects-{name}")
        assert not violations(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_project_lists_its_scans_and_narrows_as_one_types(page: Page) -> None:
    page.get_by_role("link", name="Lung study").click()
    assert not violations(page)
    page.wait_for_load_state("networkidle")
    keep(page, "project")
    page.keyboard.press("/")
    page.keyboard.type("contours")
    assert page.locator("tr[data-text]:visible").count() == 1
    page.keyboard.press("Enter")
    page.wait_for_url("**words=contours")
    assert page.locator(".subject").count() == 1
    page.set_viewport_size(PHONE)
    keep(page, "project-phone")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not violations(page)


def test_the_series_opens_in_the_middle_in_the_right_order(viewer: Page) -> None:
    keep(viewer, "scan")
    assert pixel(viewer)[0] == pytest.approx(grey_of(MIDDLE), abs=1)
    assert not violations(viewer)
    letters = {edge: viewer.locator(f"[data-edge={edge}]").inner_text() for edge in ("left", "right", "top", "bottom")}
    assert letters == {"left": "R", "right": "L", "top": "A", "bottom": "P"}


def test_wheel_keys_and_slider_show_the_right_slices(viewer: Page) -> None:
    viewer.mouse.move(600, 400)
    moves = [
        (lambda: viewer.mouse.wheel(0, 100), MIDDLE + 1),
        (lambda: viewer.mouse.wheel(0, -100), MIDDLE),
        (lambda: viewer.keyboard.press("ArrowDown"), MIDDLE + 1),
        (lambda: viewer.keyboard.press("ArrowUp"), MIDDLE),
        (lambda: viewer.keyboard.press("Home"), 1),
        (lambda: viewer.keyboard.press("PageDown"), 11),
        (lambda: viewer.keyboard.press("End"), SLICES),
        (lambda: viewer.keyboard.press("ArrowDown"), SLICES),
        (lambda: viewer.keyboard.press("PageUp"), SLICES - 10),
        (lambda: viewer.locator("[data-slider]").fill("4"), 4),
    ]
    for move, number in moves:
        move()
        shown(viewer, number)
        assert pixel(viewer)[0] == pytest.approx(grey_of(number), abs=1)


def test_dragging_changes_window_and_level(viewer: Page) -> None:
    before = pixel(viewer)[0]
    drag(viewer, 0, 80)  # a higher centre: darker
    settled(viewer, lambda found: found[0] < before - 20)
    assert viewer.locator("[data-preset]").input_value() == "-1"
    viewer.keyboard.press("r")
    settled(viewer, lambda found: found[0] == before)
    viewer.keyboard.press("Home")
    shown(viewer, 1)
    dark = pixel(viewer)[0]
    drag(viewer, 200, 0)  # a wider window: nearer to the middle grey
    settled(viewer, lambda found: dark < found[0] < 128)


def test_presets_invert_and_colours(viewer: Page) -> None:
    viewer.keyboard.press("End")
    shown(viewer, SLICES)
    viewer.keyboard.press("2")  # lung: the last slice is brighter than all of its window
    settled(viewer, lambda found: found == [255, 255, 255])
    assert "W 1500" in viewer.locator("[data-text=window]").inner_text()
    viewer.keyboard.press("i")
    settled(viewer, lambda found: found == [0, 0, 0])
    viewer.keyboard.press("r")
    viewer.get_by_label("Colours").select_option("hot")
    settled(viewer, lambda found: found[0] > found[2])


def test_the_value_under_the_cursor_is_the_hounsfield_value(viewer: Page) -> None:
    viewer.mouse.move(640, 420)
    assert viewer.locator("[data-text=value]").inner_text().startswith(f"{(MIDDLE - 1) * 10} HU")


def test_zoom_and_pan_move_the_image_and_reset_brings_it_back(viewer: Page) -> None:
    assert pixel(viewer, 0.01, 0.5) == [0, 0, 0]
    viewer.mouse.move(600, 400)
    viewer.keyboard.down("Control")
    for _ in range(5):
        viewer.mouse.wheel(0, -100)
    viewer.keyboard.up("Control")
    settled(viewer, lambda found: found[0] > 50, 0.01, 0.5)
    keep(viewer, "scan-zoomed")
    viewer.keyboard.press("p")
    drag(viewer, 700, 0)
    settled(viewer, lambda found: found == [0, 0, 0], 0.01, 0.5)
    viewer.keyboard.press("r")
    settled(viewer, lambda found: found[0] == pytest.approx(grey_of(MIDDLE), abs=1))


def test_it_plays_and_stops(viewer: Page) -> None:
    viewer.keyboard.press("Space")
    viewer.locator("[data-play][aria-pressed=true]").wait_for()
    viewer.wait_for_function(
        "start => Number(document.querySelector('[data-canvas]').dataset.shown) > start", arg=MIDDLE
    )
    viewer.keyboard.press("Space")
    viewer.locator("[data-play][aria-pressed=false]").wait_for()
    stopped = viewer.locator("[data-canvas]").get_attribute("data-shown")
    viewer.wait_for_timeout(200)
    assert viewer.locator("[data-canvas]").get_attribute("data-shown") == stopped


def test_help_opens_with_a_question_mark_and_keeps_keys_to_itself(viewer: Page) -> None:
    viewer.keyboard.press("?")
    viewer.get_by_role("dialog").wait_for()
    keep(viewer, "help")
    assert not violations(viewer)
    viewer.keyboard.press("End")
    viewer.keyboard.press("Escape")
    shown(viewer, MIDDLE)


def test_the_viewer_fits_a_phone(viewer: Page) -> None:
    viewer.set_viewport_size(PHONE)
    settled(viewer, lambda found: found[0] == pytest.approx(grey_of(MIDDLE), abs=1))
    keep(viewer, "scan-phone")
    assert viewer.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not violations(viewer)


def test_colour_and_multi_frame(page: Page) -> None:
    open_scan(page, "Colour")
    shown(page, 1)
    assert pixel(page) == pytest.approx([200, 0, 0], abs=1)
    page.keyboard.press("ArrowDown")
    shown(page, 2)
    assert pixel(page) == pytest.approx([0, 0, 200], abs=1)
    assert not page.get_by_label("Colours").is_visible()


def test_each_image_is_shown_under_its_own_window_until_one_is_chosen(page: Page) -> None:
    open_scan(page, "Field map")
    shown(page, 2)
    assert pixel(page) == [0, 0, 0]
    page.keyboard.press("ArrowUp")
    shown(page, 1)
    grey = pixel(page)[0]
    assert 120 < grey < 136
    drag(page, 0, 1)
    page.keyboard.press("ArrowDown")
    shown(page, 2)
    assert 120 < pixel(page)[0] < 136


def test_an_object_without_pixels_shows_its_header(page: Page) -> None:
    open_scan(page, "Contours")
    assert page.get_by_role("heading", name="A structure set").is_visible()
    assert page.get_by_role("row", name="Series Description Contours").is_visible()
    keep(page, "scan-without-pixels")
    assert not violations(page)


def test_a_wrong_address_is_a_page_of_ours(page: Page, site: Served, troubles: list[str]) -> None:
    page.goto(f"{site.url}/nowhere")
    keep(page, "not-found")
    assert not violations(page)
    assert page.get_by_role("link", name="To the projects").is_visible()
    troubles[:] = [each for each in troubles if "404" not in each]  # the browser's own note of it


def test_nothing_was_broken_and_nothing_came_from_outside(viewer: Page, site: Served, troubles: list[str]) -> None:
    names = viewer.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert len(names) > SLICES
    assert all(name.startswith(site.url) for name in names)
    assert troubles == []
