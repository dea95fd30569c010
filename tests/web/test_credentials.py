"""What programs show in place of a login: tokens, and names with passwords."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

import portal_site
from cohortium.govern import grants, tokens, users
from cohortium.govern.grants import Role
from cohortium.govern.roles import May, Scope
from cohortium.govern.users import User
from cohortium.store.schema import audit, project, token, user
from portal_site import PASSWORD, Served

Make = Callable[..., str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, module_place: Path | str) -> Iterator[Served]:
    settings = portal_site.configuration(tmp_path_factory.mktemp("site"), module_place)
    with portal_site.served(settings) as served:
        for name in ("lung", "liver"):
            portal_site.fill(served.engine, settings.site.data, name, f"{name} study", portal_site.slices(2))
        yield served


@pytest.fixture(scope="module")
def anna(site: Served) -> User:
    """Collaborator in both projects, with a password of her own."""
    with site.engine.begin() as connection:
        users.create(connection, "anna")
        who = users.named(connection, "anna")
        users.choose_password(connection, who, PASSWORD)
        for project_id in connection.scalars(select(project.c.id)).all():
            grants.give(connection, who.id, project_id, Role.COLLABORATOR)
        return users.named(connection, "anna")


@pytest.fixture
def make(site: Served, anna: User) -> Iterator[Make]:
    def made(scope: Scope = Scope.READ, project: str = "") -> str:
        with site.engine.begin() as connection:
            only = grants.id_of(connection, anna, project, May.READ) if project else None
            return tokens.make(connection, anna, "laptop", scope, 1, only)

    yield made
    with site.engine.begin() as connection:
        connection.execute(token.delete())


def projects(site: Served, **options: Any) -> httpx.Response:
    return httpx.get(f"{site.url}/api/v1/projects", **options)


def bearer(shown: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {shown}"}}


def names(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [card["name"] for card in answer.json()]


def test_a_token_opens_what_its_owner_may_see_in_both_ways(site: Served, make: Make) -> None:
    shown = make()
    assert names(projects(site, **bearer(shown))) == ["liver", "lung"]
    assert names(projects(site, auth=("anna", shown))) == ["liver", "lung"]


def test_a_token_for_one_project_opens_no_other(site: Served, make: Make) -> None:
    shown = make(project="lung")
    assert names(projects(site, **bearer(shown))) == ["lung"]
    assert httpx.get(f"{site.url}/api/v1/projects/liver", **bearer(shown)).status_code == 404
    scans = [httpx.get(f"{site.url}/api/v1/scans/{n}", **bearer(shown)).status_code for n in (1, 2)]
    assert scans == [200, 404]


def test_a_token_that_ended_or_was_revoked_or_never_was_is_none(site: Served, anna: User, make: Make) -> None:
    shown = make()
    with site.engine.begin() as connection:
        assert shown not in connection.scalars(select(token.c.digest)).all()
        connection.execute(update(token).values(expires="2020-01-01T00:00:00.000000+00:00"))
    assert projects(site, **bearer(shown)).status_code == 401
    with site.engine.begin() as connection:
        connection.execute(token.delete())
    second = make()
    with site.engine.begin() as connection:
        assert tokens.revoke(connection, anna, tokens.of(connection, anna)[0].id) == "laptop"
    assert projects(site, **bearer(second)).status_code == 401
    assert projects(site, **bearer(tokens.MARK + "x" * 43)).status_code == 401


def test_a_token_neither_opens_the_account_nor_makes_tokens(site: Served, make: Make) -> None:
    shown = make(Scope.WRITE)
    assert httpx.get(f"{site.url}/account", **bearer(shown)).status_code == 403
    assert httpx.post(f"{site.url}/account/tokens", data={"name": "more"}, **bearer(shown)).status_code == 403


def test_nobody_revokes_the_token_of_another(site: Served, anna: User, make: Make) -> None:
    make()
    with site.engine.begin() as connection:
        other = User(anna.id + 1, "other", anna.standing, False)
        assert tokens.revoke(connection, other, tokens.of(connection, anna)[0].id) is None


def test_a_password_opens_by_basic_and_is_not_hashed_with_every_request(
    site: Served, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert names(projects(site, auth=("anna", PASSWORD))) == ["liver", "lung"]
    monkeypatch.setattr(users, "authenticate", None)  # a second hash would fail
    assert names(projects(site, auth=("anna", PASSWORD))) == ["liver", "lung"]


def test_a_changed_password_is_noticed_at_once(site: Served, anna: User) -> None:
    assert projects(site, auth=("anna", PASSWORD)).status_code == 200
    with site.engine.begin() as connection:
        users.choose_password(connection, anna, PASSWORD + " more")
    assert projects(site, auth=("anna", PASSWORD)).status_code == 401
    with site.engine.begin() as connection:
        users.choose_password(connection, anna, PASSWORD)


def test_a_one_time_password_opens_nothing_by_basic_and_is_not_used_up(site: Served) -> None:
    with site.engine.begin() as connection:
        once = users.create(connection, "new")
    assert projects(site, auth=("new", once)).status_code == 401
    assert users.authenticate(site.engine, "new", once) is not None


@pytest.mark.parametrize("header", [b"Basic !!", b"Basic YQ==", b"Basic", b"Digest x", b"", b"Bearer", b"Bearer \xe4"])
def test_what_cannot_be_read_opens_nothing(site: Served, header: bytes) -> None:
    answer = projects(site, headers=[(b"Authorization", header)])
    assert answer.status_code in (401, 429)
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"].startswith("Basic ")


def test_a_browser_is_never_told_to_ask_for_a_password_itself(site: Served) -> None:
    answer = projects(site, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.headers["www-authenticate"] == 'Bearer realm="Cohortium"'


def test_guessing_by_basic_has_to_wait(site: Served) -> None:
    answers = [projects(site, auth=("erika", "guess")) for _ in range(7)]
    assert [answer.status_code for answer in answers[:5]] == [401] * 5
    assert 429 in [answer.status_code for answer in answers[5:]]
    waiting = next(answer for answer in answers if answer.status_code == 429)
    assert int(waiting.headers["retry-after"]) >= 1
    with site.engine.connect() as connection:
        failed = connection.execute(select(audit.c.who, audit.c.object).where(audit.c.what == "login failed")).all()
    assert ("anyone", "program") in [tuple(row) for row in failed]
    assert not any("erika" in str(row) for row in failed)


def test_the_page_makes_lists_and_revokes(site: Served, anna: User) -> None:
    with httpx.Client(base_url=site.url) as client:
        portal_site.log_in(client, "anna", PASSWORD)
        form = portal_site.form_of(client.get("/account"))
        values = {"name": "viewer", "scope": "read", "project": "lung", "days": "30", "form": form}
        page = client.post("/account/tokens", data=values).text
        shown = tokens.MARK + page.split(tokens.MARK)[1].split("<")[0]
        assert names(projects(site, **bearer(shown))) == ["lung"]
        assert shown not in client.get("/account").text
        assert "viewer" in client.get("/account").text
        assert client.post("/account/tokens", data=values).status_code == 422  # the name is taken
        assert client.post("/account/tokens", data=values | {"form": ""}).status_code == 409
        assert client.post("/account/tokens", data=values | {"scope": "all"}).status_code == 400
        with site.engine.connect() as connection:
            held = tokens.of(connection, anna)[0].id
        client.post(f"/account/tokens/{held}/revoke", data={"form": form})
        assert projects(site, **bearer(shown)).status_code == 401


def test_a_new_password_ends_every_token(site: Served, anna: User, make: Make) -> None:
    shown = make()
    with site.engine.begin() as connection:
        users.choose_password(connection, anna, PASSWORD)
    assert projects(site, **bearer(shown)).status_code == 401
    with site.engine.connect() as connection:
        assert connection.scalar(select(user.c.one_time).where(user.c.name == "anna")) is False
