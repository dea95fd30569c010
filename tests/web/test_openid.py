"""Logging in at an OpenID provider: a real provider process, and every way to come back with something else."""

from __future__ import annotations

import re
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
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
from cohortium.web import openid
from portal_site import Served
from waiting import free_port, listens, until

PROVIDER = Path(__file__).parents[1] / "openid_provider.py"


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    port = free_port()
    with subprocess.Popen([sys.executable, PROVIDER, str(port)], stderr=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}"
        until(lambda: listens(port))
        httpx.get(f"{url}/.well-known/openid-configuration").raise_for_status()
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


def test_the_challenge_is_the_verifiers_digest_and_new_each_time(site: Served) -> None:
    challenges = set()
    with httpx.Client(base_url=site.url) as client:
        for _ in range(2):
            asked = parse_qs(urlsplit(client.get("/openid/login").headers["location"]).query)
            verifier = under_way(site, client).verifier
            assert len(verifier) >= 43  # RFC 7636 4.1
            digest = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
            assert asked["code_challenge"] == [digest]
            assert verifier not in str(asked)
            challenges.add(digest)
    assert len(challenges) == 2


@pytest.mark.parametrize("changed", [{"verifier": ""}, {"verifier": "x" * 43}, {"nonce": "x" * 43}, {"until": 0}])
def test_a_login_with_another_verifier_or_nonce_or_too_late_is_refused(site: Served, changed: dict[str, Any]) -> None:
    with httpx.Client(base_url=site.url) as client:
        address = go(client, "anna-1")
        attempt = replace(under_way(site, client), **changed)
        client.cookies.clear()
        client.cookies.set("cohortium-openid", openid.sealed(attempt, site.app.state.marks))
        assert client.get(address).status_code == 403
        assert client.get("/").headers["location"] == "/login"


@pytest.mark.parametrize("missing", ["state", "code", "cookie"])
def test_a_way_back_without_state_code_or_cookie_is_refused(site: Served, missing: str) -> None:
    with httpx.Client(base_url=site.url) as client:
        address = go(client, "anna-1")
        if missing == "cookie":
            client.cookies.clear()
        answer = client.get(re.sub(rf"{missing}=[^&]+&?", "", address))
        assert answer.status_code == 403
        assert client.get("/").headers["location"] == "/login"


def test_a_cookie_that_somebody_else_made_begins_nothing(site: Served) -> None:
    with httpx.Client(base_url=site.url) as client:
        address = go(client, "anna-1")
        attempt = under_way(site, client)
        client.cookies.clear()
        client.cookies.set("cohortium-openid", openid.sealed(attempt, b"another key"))
        assert client.get(address).status_code == 403


def under_way(site: Served, client: httpx.Client) -> openid.Attempt:
    """What the browser's cookie says, which only the site can open."""
    attempt = openid.unsealed(client.cookies["cohortium-openid"], site.app.state.marks)
    assert attempt is not None
    return attempt


def test_an_invitation_makes_one_account_with_its_role(site: Served) -> None:
    with site.engine.connect() as connection:
        anna = users.named(connection, connection.scalar(select(user.c.name).join(identity)))
        assert grants.names(connection, anna, May.WRITE) == ["lung"]
