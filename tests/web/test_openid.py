"""Logging in at an OpenID provider: a real provider process, and every way to come back with something else."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import func, select

import portal_site
from cohortium.govern import grants, invitations, users
from cohortium.govern.grants import Role
from cohortium.govern.roles import May, Standing
from cohortium.govern.users import User
from cohortium.store.schema import identity, project, user
from portal_site import Served


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    claims = json.dumps({"sub": "anna-1", "preferred_username": "anna"})
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce", "true"]
    with subprocess.Popen([*command, "--user-claims", claims], stderr=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}"
        transport = httpx.HTTPTransport(retries=10)
        with httpx.Client(transport=transport) as client:
            client.get(f"{url}/.well-known/openid-configuration").raise_for_status()
        yield url
        process.terminate()


@pytest.fixture(scope="module")
def site(provider: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("site")
    secret = folder / "oidc.secret"
    secret.write_text("shared with the provider")
    secret.chmod(0o600)
    section = f'[oidc]\nissuer = "{provider}"\nclient_id = "site"\nclient_secret_file = "oidc.secret"'
    settings = portal_site.configuration(folder, sections=section)
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", portal_site.slices(1))
        yield served


def invite(site: Served) -> str:
    with site.engine.begin() as connection:
        by = User(0, "olga", Standing.PERSON, False)
        project_id = connection.scalar(select(project.c.id))
        return invitations.make(connection, by, "anna@hospital.example", project_id, Role.MEMBER)


def go(client: httpx.Client, subject: str, invitation: str = "") -> str:
    """To the provider, and what it sends back: the address of our own page, with code and state."""
    where = client.get("/openid/login", params={"invitation": invitation}).headers["location"]
    asked = parse_qs(urlsplit(where).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert {"state", "nonce", "code_challenge"} <= asked.keys()
    return httpx.post(where, data={"sub": subject}).headers["location"]


def people(site: Served) -> int:
    with site.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(user)) or 0


def test_who_is_invited_gets_in_and_later_by_identity_alone(site: Served) -> None:
    with httpx.Client(base_url=site.url) as client:
        assert "Log in with your institution" in client.get("/login").text
        back = client.get(go(client, "anna-1", invite(site)))
        assert back.status_code == 200
        assert "You are logged in" in back.text
        assert "Lung study" in client.get("/").text
    with site.engine.connect() as connection:
        held = connection.execute(select(identity.c.subject, user.c.vouched).join(user)).all()
        assert [tuple(row) for row in held] == [("anna-1", "olga")]
    number = people(site)
    with httpx.Client(base_url=site.url) as again:
        assert again.get(go(again, "anna-1")).status_code == 200
        assert "Lung study" in again.get("/").text
    assert people(site) == number


def test_no_password_opens_an_account_of_the_provider(site: Served) -> None:
    with site.engine.connect() as connection:
        name = connection.scalar(select(user.c.name).join(identity))
    assert users.authenticate(site.engine, name, "!") is None


def test_who_is_not_invited_stays_out(site: Served) -> None:
    number = people(site)
    with httpx.Client(base_url=site.url) as client:
        back = client.get(go(client, "mallory"))
        assert back.status_code == 403
        assert "No account here belongs to that identity" in back.text
        assert client.get("/").headers["location"] == "/login"
        assert client.get(go(client, "mallory", "x" * 43)).status_code == 403
    assert people(site) == number


def test_an_answer_to_another_browser_or_attempt_is_not_taken(site: Served) -> None:
    with httpx.Client(base_url=site.url) as client, httpx.Client(base_url=site.url) as other:
        address = go(client, "anna-1")
        assert other.get(address).status_code == 403  # nothing was begun there
        go(other, "anna-1")
        assert other.get(address).status_code == 403  # something else was
        assert client.get(re.sub(r"state=[\w-]+", "state=x", address)).status_code == 403
        assert client.get(re.sub(r"code=[\w-]+", "code=x", address)).status_code == 403


def test_a_stolen_code_opens_nothing_in_another_login(site: Served) -> None:
    """The thief begins a login of their own and puts the victim's code into the answer."""
    with httpx.Client(base_url=site.url) as victim, httpx.Client(base_url=site.url) as thief:
        code = parse_qs(urlsplit(go(victim, "anna-1")).query)["code"][0]
        own = go(thief, "mallory")
        assert thief.get(re.sub(r"code=[^&]+", f"code={code}", own)).status_code == 403
        assert thief.get("/").headers["location"] == "/login"


def test_an_invitation_makes_one_account_with_its_role(site: Served) -> None:
    with site.engine.connect() as connection:
        anna = users.named(connection, connection.scalar(select(user.c.name).join(identity)))
        assert grants.names(connection, anna, May.WRITE) == ["lung"]
