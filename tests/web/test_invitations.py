"""From an invitation to an account: vouched for, mailed or handed over, under the terms in force."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select, update

import portal_site
from cohortium.govern import grants, logins, terms, users
from cohortium.govern.grants import Role
from cohortium.govern.roles import May
from cohortium.store.schema import audit, invitation, project, user
from inbox import Inbox
from portal_site import PASSWORD, Served

PEOPLE = "/projects/lung/people"
LINK = re.compile(r"http://\S+/register\?token=[\w-]{43}")


def served(folder: Path, sections: str = "") -> Iterator[Served]:
    settings = portal_site.configuration(folder, sections=sections)
    with portal_site.served(settings) as site:
        portal_site.fill(site.engine, settings.site.data, "lung", "Lung study", portal_site.slices(1))
        yield site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "terms.txt").write_text("Use the data for research alone.\n")
    yield from served(tmp_path, '[serve]\nterms = "terms.txt"')


def owner(site: Served) -> httpx.Client:
    with site.engine.begin() as connection:
        users.create(connection, "olga")
        olga = users.named(connection, "olga")
        users.choose_password(connection, olga, PASSWORD)
        grants.give(connection, olga.id, connection.scalar(select(project.c.id)), Role.OWNER)
        if site.app.state.terms:
            terms.accept(connection, olga, site.app.state.terms)
        return httpx.Client(base_url=site.url, cookies={"cohortium": logins.open_login(connection, olga, 1)})


def invite(client: httpx.Client, email: str = "new@hospital.example", role: str = "member") -> httpx.Response:
    form = portal_site.form_of(client.get(PEOPLE))
    return client.post("/projects/lung/invitations", data={"form": form, "email": email, "role": role})


def register(link: str, site: Served, **values: str) -> tuple[httpx.Client, httpx.Response]:
    client = httpx.Client(base_url=site.url)
    page = client.get(link)
    agreed = site.app.state.terms.digest if site.app.state.terms else ""
    entries = {"name": "nina", "password": PASSWORD, "again": PASSWORD, "agreed": agreed, "token": link.split("=")[1]}
    return client, client.post("/register", data={"form": portal_site.form_of(page), **entries, **values})


def test_who_is_invited_gets_the_role_and_who_vouched_is_on_record(site: Served) -> None:
    shown = invite(owner(site))
    assert shown.status_code == 200
    link = LINK.search(shown.text)[0]
    client, answer = register(link, site)
    assert answer.status_code == 303
    assert "Lung study" in client.get("/").text
    with site.engine.connect() as connection:
        nina = users.named(connection, "nina")
        row = connection.execute(select(user).where(user.c.id == nina.id)).one()
        assert (row.email, row.vouched, row.terms) == ("new@hospital.example", "olga", site.app.state.terms.digest)
        assert grants.names(connection, nina, May.WRITE) == ["lung"]
        assert grants.names(connection, nina, May.DELETE) == []
        said = [tuple(each) for each in connection.execute(select(audit.c.who, audit.c.what))]
    assert ("olga", "invite member") in said
    assert ("nina", "register") in said


def test_a_link_works_once_and_until_it_ends_or_is_withdrawn(site: Served) -> None:
    client = owner(site)
    first = LINK.search(invite(client).text)[0]
    assert register(first, site)[1].status_code == 303
    assert "has ended" in register_again(first, site)
    second = LINK.search(invite(client, "second@hospital.example").text)[0]
    with site.engine.begin() as connection:
        assert second.split("=")[1] not in connection.scalars(select(invitation.c.digest)).all()
        connection.execute(update(invitation).values(expires="2020-01-01T00:00:00.000000+00:00"))
    assert "has ended" in httpx.get(second).text
    third = LINK.search(invite(client, "third@hospital.example").text)[0]
    with site.engine.connect() as connection:
        held = connection.scalar(select(func.max(invitation.c.id)))
    form = portal_site.form_of(client.get(PEOPLE))
    assert client.post(f"/projects/lung/invitations/{held}/withdraw", data={"form": form}).status_code == 303
    assert "has ended" in httpx.get(third).text


def register_again(link: str, site: Served) -> str:
    client = httpx.Client(base_url=site.url)
    form = portal_site.form_of(client.get(client.get("/login").url))
    entries = {"name": "other", "password": PASSWORD, "again": PASSWORD, "agreed": site.app.state.terms.digest}
    return client.post("/register", data={"form": form, "token": link.split("=")[1], **entries}).text


@pytest.mark.parametrize(
    "values", [{"agreed": ""}, {"agreed": "0" * 64}, {"password": "short", "again": "short"}, {"name": "olga"}]
)
def test_no_account_without_the_terms_a_good_password_and_a_free_name(site: Served, values: dict[str, str]) -> None:
    link = LINK.search(invite(owner(site)).text)[0]
    _, answer = register(link, site, **values)
    assert answer.status_code == 422
    assert register(link, site)[1].status_code == 303  # the invitation was not used up


@pytest.mark.parametrize("email", ["", "nobody", "a@b\nBcc: c@d", "a b@c", "<a@b>"])
def test_what_is_no_address_is_not_invited(site: Served, email: str) -> None:
    assert invite(owner(site), email).status_code == 422


def test_new_terms_are_accepted_before_anything_else(site: Served) -> None:
    client = owner(site)
    assert client.get("/").status_code == 200
    site.app.state.terms = terms.Terms("Other terms.", "ab" * 32)
    assert client.get("/").headers["location"] == "/terms"
    assert client.get("/api/v1/projects").status_code == 403
    page = client.get("/terms")
    assert "Other terms." in page.text
    form = portal_site.form_of(page)
    client.post("/terms", data={"form": form, "agreed": "cd" * 32})  # a version that was not shown
    assert client.get("/").headers["location"] == "/terms"
    client.post("/terms", data={"form": form, "agreed": "ab" * 32})
    assert client.get("/").status_code == 200
    with site.engine.connect() as connection:
        assert connection.execute(select(audit.c.object).where(audit.c.what == "accept terms")).scalars().all() == [
            "ab" * 32
        ]


def test_an_invitation_is_mailed_where_mail_is_configured(tmp_path: Path, inbox: tuple[Inbox, int]) -> None:
    box, port = inbox
    mail = f'[mail]\nhost = "127.0.0.1"\nport = {port}\nstarttls = false\nsender = "archive@hospital.example"'
    for site in served(tmp_path, mail):
        page = invite(owner(site)).text
        assert not LINK.search(page)  # who was mailed a link is the one who has it
        message = message_from_bytes(box.messages[0])
        assert (message["to"], message["from"]) == ("new@hospital.example", "archive@hospital.example")
        text = message.get_payload(decode=True)
        assert isinstance(text, bytes)
        assert register(LINK.search(text.decode())[0], site)[1].status_code == 303


def test_where_mail_fails_the_link_is_shown_and_why(tmp_path: Path) -> None:
    mail = '[mail]\nhost = "127.0.0.1"\nport = 1\nstarttls = false\nsender = "archive@hospital.example"'
    for site in served(tmp_path, mail):
        page = invite(owner(site)).text
        assert LINK.search(page)
        assert "was not taken" in page


def test_an_administrator_invites_to_an_account_and_changes_standings(site: Served) -> None:
    with site.engine.begin() as connection:
        users.create(connection, "root", users.Standing.ADMINISTRATOR)
        root = users.named(connection, "root")
        users.choose_password(connection, root, PASSWORD)
        terms.accept(connection, root, site.app.state.terms)
        users.create(connection, "carl")
        client = httpx.Client(base_url=site.url, cookies={"cohortium": logins.open_login(connection, root, 1)})
    form = portal_site.form_of(client.get("/people"))
    link = LINK.search(client.post("/people/invitations", data={"form": form, "email": "n@h.example"}).text)[0]
    other, answer = register(link, site)
    assert answer.status_code == 303
    assert "Lung study" not in other.get("/").text
    change = {"form": form, "person": "carl", "standing": "committee"}
    assert client.post("/people/standing", data=change).status_code == 303
    with site.engine.connect() as connection:
        assert users.named(connection, "carl").standing is users.Standing.COMMITTEE
    assert client.post("/people/standing", data=change | {"person": "root"}).status_code == 400
    assert client.post("/people/standing", data=change | {"standing": "guest"}).status_code == 400
