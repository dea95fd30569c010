"""Files, consents and the prearchive as owner, member and collaborator meet them: by keyboard, faultless to axe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Page

import portal_site
from browsing import become, look
from cohortium.govern import grants, users
from cohortium.govern.roles import Role
from foreign_files import mp4, npy
from portal_site import Served

pytestmark = pytest.mark.browser

FILES, PREARCHIVE, CONSENTS = (f"/projects/lung/{part}" for part in ("files", "prearchive", "consents"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = portal_site.configuration(tmp_path_factory.mktemp("site"))
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", portal_site.slices(2))
        with served.engine.begin() as connection:
            for name, role in (("olga", Role.OWNER), ("mary", Role.MEMBER), ("carl", Role.COLLABORATOR)):
                users.create(connection, name)
                who = users.named(connection, name)
                users.choose_password(connection, who, portal_site.PASSWORD)
                grants.give(connection, who.id, 1, role)
        yield served


def file(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def upload(page: Page, label: str, *files: FilePayload, kind: str = "mask", consent: str = "") -> None:
    page.get_by_label("Kind").select_option(kind)
    page.get_by_label("Label").fill(label)
    if consent:
        page.get_by_label("Consent, of a video").fill(consent)
    page.get_by_label("Files", exact=True).set_input_files(files)
    page.get_by_role("button", name="Upload").press("Enter")


def test_an_empty_place_says_who_can_fill_it(page: Page, site: Served) -> None:
    become(page, site, "carl")
    page.goto(f"{site.url}/projects/lung")
    page.get_by_label("Parts of Lung study").get_by_role("link", name="Files").press("Enter")
    page.get_by_role("heading", name="No files here yet").wait_for()
    page.get_by_text("An owner or member of the project can upload some.").wait_for()
    assert page.get_by_role("button", name="Upload").count() == 0
    assert page.get_by_role("link", name="Prearchive").count() == 0
    look(page, "files-empty")


def test_a_member_uploads_versions_and_everybody_downloads_them(page: Page, site: Served) -> None:
    become(page, site, "mary")
    page.goto(site.url + FILES)
    upload(page, "segmentation", file("mask.npy", npy(1)))
    page.get_by_role("rowheader", name="mask.npy").wait_for()
    upload(page, "segmentation", file("mask.npy", npy(2)), file("liver.npy", npy(3)))
    page.get_by_role("rowheader", name="liver.npy").wait_for()
    look(page, "files")
    become(page, site, "carl")
    page.goto(site.url + FILES)
    assert page.get_by_role("button", name="Upload").count() == 0
    page.get_by_role("link", name="mask.npy", exact=True).press("Enter")
    page.get_by_role("heading", name="Versions").wait_for()
    assert page.locator("tbody tr").count() == 2
    with page.expect_download() as first:
        page.get_by_role("link", name="Download version 1").press("Enter")
    assert Path(first.value.path()).read_bytes() == npy(1)
    with page.expect_download() as newest:
        page.locator(".heading").get_by_role("link", name="Download version 2").press("Enter")
    assert (newest.value.suggested_filename, Path(newest.value.path()).read_bytes()) == ("mask.npy", npy(2))
    assert page.get_by_role("heading", name="Remove").count() == 0
    look(page, "file-to-read")


def test_a_refused_file_says_why_and_what_was_typed_stays(page: Page, site: Served) -> None:
    become(page, site, "mary")
    page.goto(site.url + FILES)
    upload(page, "mask", file("kidney.npy", npy(4)), file("Mustermann.npy", npy(5)))
    problem = page.get_by_role("alert")
    problem.get_by_text("File 2:").wait_for()
    problem.get_by_text("What is not named here came in.").wait_for()
    assert "Mustermann" not in problem.inner_text()
    assert page.get_by_label("Label").input_value() == "mask"
    look(page, "files-refused")
    page.goto(site.url + FILES)
    page.get_by_role("rowheader", name="kidney.npy").wait_for()


def test_an_owner_sees_at_once_what_waits_and_mends_it(page: Page, site: Served) -> None:
    become(page, site, "olga")
    page.goto(site.url)
    look(page, "home-owner")
    page.get_by_role("link", name="1 offer to Lung study waits").press("Enter")
    page.get_by_role("heading", name="Prearchive").wait_for()
    look(page, "prearchive")
    page.get_by_label("File name").fill("Schmidt.npy")
    page.get_by_role("button", name="Offer again").press("Enter")
    page.get_by_role("alert").wait_for()
    assert "Schmidt" not in page.get_by_role("alert").inner_text()
    page.get_by_label("File name").fill("spleen.npy")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Nothing waits here").wait_for()
    look(page, "prearchive-empty")
    page.goto(site.url + FILES)
    page.get_by_role("rowheader", name="spleen.npy").wait_for()
    page.goto(site.url)
    page.get_by_text("Nothing waits for you").wait_for()


def test_an_owner_lets_go_of_what_waits(page: Page, site: Served) -> None:
    become(page, site, "olga")
    page.goto(site.url + FILES)
    upload(page, "mask", file("tool.bin", b"MZ" + bytes(9)))
    page.get_by_role("alert").get_by_text("no type").wait_for()
    page.get_by_label("Parts of Lung study").get_by_role("link", name="Prearchive").press("Enter")
    page.get_by_role("button", name="Delete no.").press("Enter")
    page.get_by_role("heading", name="Nothing waits here").wait_for()


@pytest.mark.parametrize("name", ["mary", "carl"])
def test_the_prearchive_and_consents_are_the_owners_alone(page: Page, site: Served, name: str) -> None:
    become(page, site, name)
    for path in (PREARCHIVE, CONSENTS):
        answer = page.goto(site.url + path)
        assert answer is not None
        assert answer.status == 403
        page.get_by_role("link", name="To the projects").wait_for()


def test_a_video_is_seen_by_whom_its_consent_names_and_goes_with_it(page: Page, site: Served) -> None:
    become(page, site, "olga")
    page.goto(site.url + CONSENTS)
    look(page, "consents-empty")
    page.get_by_label("Reference number").fill("C-17")
    page.get_by_label("Held by").fill("ward")
    page.get_by_label("Date of consent").fill("2026-01-31")
    page.get_by_role("button", name="Record").press("Enter")
    page.get_by_text("Its videos are seen by owners alone.").wait_for()
    page.goto(site.url + FILES)
    upload(page, "gait", file("gait.mp4", mp4()), kind="video", consent="C-17")
    page.get_by_text("identifiable, with consent C-17").wait_for()
    assert video_is_listed(page, site, "carl") is False
    become(page, site, "olga")
    page.goto(site.url + CONSENTS)
    page.get_by_label("Account that may see its videos").fill("carl")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Show them no more to carl").wait_for()
    look(page, "consents")
    assert video_is_listed(page, site, "carl") is True
    become(page, site, "olga")
    page.goto(site.url + CONSENTS)
    page.get_by_text("Withdraw this consent").press("Enter")
    page.get_by_label("Withdrawn because").fill("asked for it")
    page.get_by_role("button", name="Withdraw and destroy its videos of C-17").press("Enter")
    page.get_by_text("withdrawn 2").wait_for()
    assert video_is_listed(page, site, "olga") is False


def video_is_listed(page: Page, site: Served, name: str) -> bool:
    become(page, site, name)
    page.goto(site.url + FILES)
    return page.get_by_role("rowheader", name="gait.mp4").count() == 1


def test_an_owner_removes_a_file_with_a_reason(page: Page, site: Served) -> None:
    become(page, site, "olga")
    page.goto(site.url + FILES)
    page.get_by_role("link", name="mask.npy", exact=True).press("Enter")
    look(page, "file")
    page.get_by_role("button", name="Remove all versions").press("Enter")
    assert page.url.endswith("/content") is False
    assert page.evaluate("document.activeElement.id") == "reason", "a reason is asked for before anything goes"
    page.keyboard.type("wrong model")
    page.keyboard.press("Enter")
    page.get_by_role("rowheader", name="liver.npy").wait_for()
    assert page.get_by_role("rowheader", name="mask.npy").count() == 0
