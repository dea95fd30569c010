"""Roles, invitations, tokens and terms as people meet them: by keyboard, without a fault that axe finds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page
from sqlalchemy import insert, select

import portal_site
from browsing import become, look
from cohortium.govern import grants, harvest, quotas, terms, users
from cohortium.govern.grants import Role
from cohortium.govern.roles import Standing
from cohortium.store.schema import project, usage
from portal_site import Served
from waiting import not_around_midnight

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "terms.txt").write_text("The data are used for research alone.\nNobody is identified.\n" * 12)
    settings = portal_site.configuration(folder, sections='[serve]\nterms = "terms.txt"')
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", portal_site.slices(3))
        not_around_midnight()
        with served.engine.begin() as connection:
            for name in ("olga", "paul", "carl"):
                users.create(connection, name, Standing.COMMITTEE if name == "carl" else Standing.PERSON)
                who = users.named(connection, name)
                users.choose_password(connection, who, portal_site.PASSWORD)
                terms.accept(connection, who, served.app.state.terms)
            project_id = connection.scalar(select(project.c.id))
            grants.give(connection, users.named(connection, "olga").id, project_id, Role.OWNER, "admin")
            grants.give(connection, users.named(connection, "paul").id, project_id, Role.COLLABORATOR, "olga")
            day = quotas.day_of(datetime.now(UTC))
            read = {"user_id": users.named(connection, "paul").id, "project_id": project_id, "bytes": 73_400_320}
            connection.execute(insert(usage).values(day=day, instances=1200, **read))
            harvest.look(connection, settings.quota, datetime.now(UTC))
            users.create(connection, "root", Standing.ADMINISTRATOR)
            users.choose_password(connection, users.named(connection, "root"), portal_site.PASSWORD)
        yield served


def test_an_owner_gives_a_role_by_keyboard(page: Page, site: Served) -> None:
    become(page, site, "olga")
    page.goto(f"{site.url}/projects/lung")
    page.get_by_role("link", name="People").press("Enter")
    page.get_by_role("heading", name="People").wait_for()
    page.get_by_text("Limits on what may be read").press("Enter")
    page.get_by_label("GB a day").fill("5")
    look(page, "people")
    page.get_by_label("Account").focus()
    page.keyboard.type("carl")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("row", name="carl").wait_for()
    page.get_by_role("button", name="Withdraw the role of carl").press("Enter")
    page.get_by_role("row", name="carl").wait_for(state="detached")


def test_an_invitation_leads_to_an_account(page: Page, site: Served) -> None:
    become(page, site, "olga")
    page.goto(f"{site.url}/projects/lung/people")
    page.get_by_label("E-mail address").fill("nina@hospital.example")
    page.get_by_role("button", name="Invite").click()
    page.get_by_role("heading", name="Hand this link over").wait_for()
    look(page, "invitation")
    link = page.locator(".secret").inner_text()
    page.context.clear_cookies()
    page.goto(link)
    page.get_by_role("heading", name="Welcome").wait_for()
    look(page, "register")
    page.get_by_label("Name to log in with").fill("nina")
    page.get_by_label("Password").fill(portal_site.PASSWORD)
    page.get_by_label("The same again").fill(portal_site.PASSWORD)
    page.get_by_label("I accept these terms").check()
    page.get_by_role("button", name="Make my account").click()
    page.get_by_role("link", name="Lung study").wait_for()


def test_a_token_is_made_and_shown_once(page: Page, site: Served) -> None:
    become(page, site, "paul")
    page.goto(f"{site.url}/account")
    page.get_by_label("Where it will be used").fill("notebook")
    page.get_by_role("button", name="Make a token").click()
    page.get_by_role("heading", name="Your new token").wait_for()
    look(page, "account")
    page.goto(f"{site.url}/account")
    assert page.locator(".secret").count() == 0


def test_the_committee_knows_of_a_project_and_sees_no_image(page: Page, site: Served) -> None:
    become(page, site, "carl")
    page.goto(site.url)
    page.get_by_role("link", name="Lung study").wait_for()
    look(page, "committee")
    page.get_by_role("link", name="Lung study").click()
    page.get_by_role("heading", name="Its images are not shown to you").wait_for()
    look(page, "outline")
    page.goto(f"{site.url}/account")
    page.get_by_role("link", name="Audit").click()
    page.get_by_label("Person").fill("olga")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("cell", name="open project").first.wait_for()
    look(page, "audit")


def test_an_administrator_accepts_the_terms_and_sees_accounts_and_the_site(page: Page, site: Served) -> None:
    become(page, site, "root")
    page.goto(site.url)
    page.get_by_role("heading", name="Terms of use").wait_for()
    look(page, "terms")
    page.get_by_role("button", name="I accept these terms").click()
    page.get_by_role("heading", name="Projects").wait_for()
    page.goto(f"{site.url}/people")
    page.get_by_role("button", name="Disable the account carl").click()
    page.get_by_role("button", name="Enable the account carl").wait_for()
    page.get_by_text("Delete carl").press("Enter")
    look(page, "accounts")
    page.goto(f"{site.url}/site")
    look(page, "site")
