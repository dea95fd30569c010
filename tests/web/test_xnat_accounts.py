"""Accounts and alias tokens through XNAT's clients: who is told of whom, what a token opens, and that it ends."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pyxnat
import xnat
from sqlalchemy import select, update

import portal_site
from cohortium.govern import grants, tokens, users
from cohortium.govern.roles import Role, Standing
from cohortium.store import schema
from portal_site import PASSWORD, Served

LOG = logging.getLogger("xnat")
ACCOUNTS = ("/data/users", "/xapi/users", "/xapi/users/profiles")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, module_place: Path | str) -> Iterator[Served]:
    guests = "[serve]\nguests = true\n"
    settings = portal_site.configuration(tmp_path_factory.mktemp("site"), module_place, sections=guests)
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", portal_site.slices(1))
        with served.engine.begin() as connection:
            for name, standing in (
                ("olga", Standing.PERSON),
                ("root", Standing.ADMINISTRATOR),
                ("guest", Standing.PERSON),
            ):
                users.create(connection, name, standing)
                users.choose_password(connection, users.named(connection, name), PASSWORD)
                mail = {"email": f"{name}@example.org"}
                connection.execute(update(schema.user).where(schema.user.c.name == name).values(**mail))
            grants.give(connection, users.named(connection, "olga").id, 1, Role.OWNER)
        yield served


def connect(site: Served, name: str, password: str = PASSWORD) -> Any:
    return xnat.connect(site.url, user=name, password=password, logger=LOG)


def test_administrators_are_told_of_all_accounts_and_others_of_their_own(site: Served) -> None:
    with connect(site, "root") as session:
        assert {name: each.email for name, each in session.users.items()} == {
            name: f"{name}@example.org" for name in ("guest", "olga", "root")
        }
        assert session.get_json("/xapi/users") == ["guest", "olga", "root"]
        assert [each["admin"] for each in session.get_json("/xapi/users/profiles")] == [False, False, True]
        assert session.get_json("/xapi/users/olga")["email"] == "olga@example.org"
    with connect(site, "olga") as session:
        assert list(session.users) == ["olga"]
        assert session.get_json("/xapi/users") == ["olga"]
        assert [each["username"] for each in session.get_json("/xapi/users/profiles")] == ["olga"]
        assert session.get("/xapi/users/root", accepted_status=[404]).status_code == 404
        assert "root" not in session.get("/data/users", format="csv").text
    with pyxnat.Interface(server=site.url, user="root", password=PASSWORD) as interface:
        assert interface.manage.users() == ["guest", "olga", "root"]
        assert interface.manage.users.email("olga") == "olga@example.org"


def test_guests_and_tokens_of_administrators_are_told_of_nobody_else(site: Served) -> None:
    with httpx.Client(base_url=site.url) as client:
        assert not [each for each in ACCOUNTS if "example.org" in client.get(each).text]
        assert client.get("/xapi/users").json() == []
    with connect(site, "root") as session:
        alias, secret = session.services.issue_token()
    with httpx.Client(base_url=site.url, auth=(alias, secret)) as client:
        assert client.get("/xapi/users").json() == ["root"]


def test_an_alias_token_opens_what_its_owner_may_and_ends(site: Served) -> None:
    with connect(site, "olga") as session:
        alias, secret = session.services.issue_token()
        assert session.services.issue_token("olga").alias != alias
    assert re.fullmatch(r"[0-9a-f-]{36}", alias)
    with connect(site, alias, secret) as session:
        assert session.logged_in_user == "olga"
        session.projects["lung"].subjects["S-0001"].fields["stage"] = "2"
        for address in ("/data/projects/lung/users", "/data/services/tokens/issue"):
            assert session.get(address, accepted_status=[403]).status_code == 403
    with httpx.Client(base_url=site.url, auth=("olga", PASSWORD)) as client:
        way = f"{alias}/{secret}"
        assert client.get(f"/data/services/tokens/validate/{way}").json() == {"valid": "olga"}
        assert client.get(f"/data/services/tokens/invalidate/{way}").status_code == 200
        assert client.get(f"/data/services/tokens/validate/{way}").json() == {}
        assert client.get(f"/data/services/tokens/invalidate/{way}").status_code == 404
    assert httpx.get(f"{site.url}/data/JSESSION", auth=(alias, secret)).status_code == 401
    with site.engine.connect() as connection:
        told = connection.execute(select(schema.audit.c.what, schema.audit.c.object)).all()
    assert ("make token", f"XNAT alias {alias}") in told
    assert ("revoke token", f"XNAT alias {alias}") in told
    assert not [each for each in told if secret in each.object]


def test_nobody_gets_a_token_in_anothers_name_or_by_another_sites_page(site: Served) -> None:
    with httpx.Client(base_url=site.url, auth=("root", PASSWORD)) as client:
        assert client.get("/data/services/tokens/issue/user/olga").status_code == 403
        elsewhere = {"Sec-Fetch-Site": "cross-site"}
        assert client.get("/data/services/tokens/issue", headers=elsewhere).status_code == 409


def test_ended_alias_tokens_make_room_and_other_tokens_stay(site: Served) -> None:
    with site.engine.begin() as connection:
        who = users.named(connection, "root")
        tokens.make(connection, who, "scripts", tokens.Scope.READ, 1)
        connection.execute(update(schema.token).where(schema.token.c.user_id == who.id).values(expires="2026-01-01"))
    with connect(site, "root") as session:
        alias, _ = session.services.issue_token()
    with site.engine.connect() as connection:
        held = [each.name for each in tokens.of(connection, users.named(connection, "root"))]
    assert held == [f"XNAT alias {alias}", "scripts"]
