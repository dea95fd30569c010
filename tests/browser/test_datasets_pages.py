"""Dataset versions and flags as people meet them: in both colour schemes, without a fault that axe finds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page
from pydicom.uid import generate_uid

import portal_site
from browsing import become, look
from cohortium.archive import Removable
from cohortium.govern import grants, users
from cohortium.govern.grants import Role
from portal_site import Served

pytestmark = pytest.mark.browser

MR = generate_uid()


def head_scan() -> bytes:
    dataset = portal_site.ct_slice(0, "S-0002", generate_uid(), MR)
    dataset.Modality, dataset.SeriesDescription = "MR", "Head T1"
    return portal_site.encode(dataset)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = portal_site.configuration(tmp_path_factory.mktemp("site"))
    with portal_site.served(settings) as served:
        contents = [*portal_site.slices(9), head_scan()]
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", contents)
        with served.engine.begin() as connection:
            for name, role in (("mary", Role.MEMBER), ("carl", Role.COLLABORATOR)):
                users.create(connection, name)
                who = users.named(connection, name)
                users.choose_password(connection, who, portal_site.PASSWORD)
                grants.give(connection, who.id, 1, role)
        yield served


def freeze(page: Page, name: str, source: str = "") -> None:
    page.get_by_label("Name", exact=True).first.fill(name)
    page.get_by_label("Of", exact=True).select_option(source)
    page.get_by_role("button", name="Freeze").press("Enter")


def test_from_an_empty_page_to_a_citation(page: Page, site: Served) -> None:
    become(page, site, "mary")
    page.goto(f"{site.url}/projects/lung")
    page.get_by_role("link", name="Dataset versions").press("Enter")
    page.get_by_role("heading", name="Nothing frozen yet").wait_for()
    look(page, "datasets-empty")
    page.locator("#list").fill("heads")
    page.get_by_label("Modality").fill("mr")
    page.get_by_role("button", name="Save list").click()
    page.get_by_role("rowheader", name="heads").wait_for()
    freeze(page, "heads-1", "heads")
    page.get_by_role("heading", name="heads-1").wait_for()
    page.get_by_role("button", name="Copy the citation").click()
    page.locator("[data-copied]", has_text="Copied").wait_for(state="attached")
    assert "dataset version heads-1" in page.evaluate("navigator.clipboard.readText()")
    page.goto(f"{site.url}/projects/lung/datasets")
    freeze(page, "all-1")
    page.get_by_text("all files are held").wait_for()
    look(page, "dataset")
    with page.expect_download() as manifest:
        page.get_by_role("link", name="Manifest").click()
    assert manifest.value.suggested_filename == "all-1.jsonl"
    assert '"kind":"cohortium dataset 1"' in Path(manifest.value.path()).read_text()


def test_two_versions_are_compared_in_a_picture(page: Page, site: Served) -> None:
    become(page, site, "mary")
    page.goto(f"{site.url}/projects/lung/datasets")
    look(page, "datasets")
    page.get_by_role("button", name="Compare").click()
    page.get_by_text("only in all-1").first.wait_for()
    assert page.locator(".overlap rect").count() == 3
    look(page, "comparison")


def test_what_was_removed_since_is_said(page: Page, site: Served) -> None:
    site.app.state.archive.remove("lung", Removable.SCAN, MR, who="olga", reason="wrong patient")
    become(page, site, "carl")
    page.goto(f"{site.url}/projects/lung/datasets/heads-1")
    page.get_by_role("heading", name="Removed since").wait_for()
    page.get_by_text("wrong patient").wait_for()
    look(page, "dataset-removed")
    page.goto(f"{site.url}/projects/lung/datasets")
    assert page.get_by_role("button", name="Freeze").count() == 0


def test_a_scan_is_flagged_and_the_flag_taken_back(page: Page, site: Served) -> None:
    become(page, site, "mary")
    page.goto(f"{site.url}/scans/1")
    page.get_by_text("Flag this scan").click()
    page.get_by_label("Unusable").check()
    page.get_by_label("Why").fill("the table moved")
    page.get_by_role("button", name="Flag", exact=True).click()
    page.get_by_text("the table moved").first.wait_for()
    look(page, "scan-flagged")
    page.goto(f"{site.url}/projects/lung?words=unusable")
    page.locator(".badge", has_text="unusable").wait_for()
    page.goto(f"{site.url}/scans/1")
    page.get_by_role("button", name="Take back the flag the table moved").click()
    page.get_by_text("Nobody has flagged it.").wait_for()
    page.get_by_text("1 flag taken back").click()
    page.get_by_text("taken back by mary").wait_for()
    become(page, site, "carl")
    page.goto(f"{site.url}/scans/1")
    assert page.get_by_text("Flag this scan").count() == 0


def test_the_page_of_the_api_needs_nothing_from_elsewhere(page: Page, site: Served) -> None:
    asked: list[str] = []
    become(page, site, "carl")
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site.url}/api/v1/docs")
    page.get_by_text("/api/v1/projects/{name}/datasets", exact=True).first.click()
    page.get_by_text("Freeze the project, or a list of its scans").first.wait_for()
    look(page, "api")
    assert all(url.startswith(site.url) for url in asked)
