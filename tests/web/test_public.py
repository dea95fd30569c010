"""The site's one address: links, cookies and answers follow it, whatever a request says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

import portal_site
from cohortium.config import Serve
from cohortium.govern import grants, logins, users
from cohortium.govern.grants import Role
from cohortium.store.schema import audit, project
from cohortium.web.public import Public
from portal_site import Served

SOURCES = Path(__file__).parents[2] / "src" / "cohortium" / "web"
PUBLIC = "https://archive.example.org"
FORGED = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "Forwarded": "host=evil.example"}


def serving(folder: Path, section: str = "") -> Iterator[Served]:
    settings = portal_site.configuration(folder, sections=f"[serve]\n{section}")
    with portal_site.served(settings) as site:
        portal_site.fill(site.engine, settings.site.data, "lung", "Lung study", portal_site.slices(1))
        yield site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Behind a proxy, which is not named as one that is believed."""
    yield from serving(tmp_path_factory.mktemp("site"), f'public = "{PUBLIC}"')


@pytest.fixture(scope="module")
def owner(site: Served) -> Iterator[httpx.Client]:
    with site.engine.begin() as connection:
        users.create(connection, "olga")
        olga = users.named(connection, "olga")
        users.choose_password(connection, olga, portal_site.PASSWORD)
        grants.give(connection, olga.id, connection.scalar(select(project.c.id)), Role.OWNER)
        token = logins.open_login(connection, olga, 1)
    with httpx.Client(base_url=site.url, cookies={"cohortium": token}) as client:
        yield client


@pytest.mark.parametrize("host", ["evil.example", "archive.example.org.evil.example", "evil.example:443", "", "[", "@"])
@pytest.mark.parametrize("path", ["/login", "/api/v1/projects", "/static/portal.css"])
def test_a_request_to_another_host_gets_no_answer(site: Served, host: str, path: str) -> None:
    answer = httpx.get(site.url + path, headers={"Host": host})
    assert answer.status_code == 421
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 421
    assert "evil" not in answer.text


@pytest.mark.parametrize("host", ["archive.example.org", "ARCHIVE.example.org:443", "127.0.0.1:1", "localhost"])
def test_a_request_under_the_sites_own_name_or_from_its_proxy_is_answered(site: Served, host: str) -> None:
    assert httpx.get(f"{site.url}/login", headers={"Host": host}).status_code == 200


def test_what_watches_the_machine_needs_no_name(site: Served) -> None:
    assert httpx.get(f"{site.url}/health/live", headers={"Host": "10.0.0.7"}).status_code == 200


def test_links_follow_the_configuration_and_no_header(site: Served, owner: httpx.Client) -> None:
    form = portal_site.form_of(owner.get("/projects/lung/people"))
    values = {"form": form, "email": "new@hospital.example", "role": "member"}
    page = owner.post("/projects/lung/invitations", data=values, headers=FORGED).text
    assert re.search(re.escape(PUBLIC) + r"/register\?token=[\w-]{43}", page)
    (row,) = owner.get("/dicomweb/lung/series", headers=FORGED).json()
    assert row["00081190"]["Value"][0].startswith(f"{PUBLIC}/dicomweb/lung/studies/")
    assert "evil" not in page + str(row)


def test_cookies_are_secure_where_the_site_is(site: Served) -> None:
    answer = httpx.get(f"{site.url}/login", headers={"X-Forwarded-Proto": "http"})
    assert "; secure" in answer.headers["set-cookie"].lower()
    assert answer.headers["strict-transport-security"]


def test_without_a_public_address_it_is_where_the_site_listens(tmp_path: Path) -> None:
    for site in serving(tmp_path):
        assert site.app.state.public.address == site.url
        answer = httpx.get(f"{site.url}/login", headers={"X-Forwarded-Proto": "https"})
        assert "; secure" not in answer.headers["set-cookie"].lower()
        assert "strict-transport-security" not in answer.headers
    assert Public.of(Serve(host="::1", port=80)).address == "http://[::1]:80"
    assert Public.of(Serve(host="::1", port=80)).names("[::1]:80")
    assert not Public.of(Serve(host="192.0.2.1", port=80)).names("localhost")


@pytest.mark.parametrize(("proxies", "heard"), [("", "127.0.0.1"), ('proxies = ["127.0.0.0/8"]', "198.51.100.7")])
def test_a_proxy_is_believed_only_where_it_is_named(tmp_path: Path, proxies: str, heard: str) -> None:
    """The left end of the header is what the client itself sent."""
    for site in serving(tmp_path, proxies):
        client = httpx.Client(base_url=site.url, headers={"X-Forwarded-For": "203.0.113.9, 198.51.100.7"})
        portal_site.log_in(client, "nobody", "a wrong password")
        with site.engine.connect() as connection:
            row = connection.execute(select(audit.c.address).where(audit.c.what == "login failed")).one()
        assert row.address == heard


def test_no_link_is_made_from_a_request() -> None:
    """`base_url`, `url_for` and `Host` say what the client wishes."""
    wishful = re.compile(r"base_url|url_for|headers\[.host.\]|headers\.get\(.host.|\.url\.(scheme|netloc|hostname)")
    assert [str(path) for path in SOURCES.rglob("*.py") if wishful.search(path.read_text("utf-8"))] == []
