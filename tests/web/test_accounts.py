"""Accounts that are disabled, enabled and deleted: what opens them ends at once, and the audit keeps their names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

import portal_site
from cohortium.errors import Refused
from cohortium.govern import grants, identities, logins, tokens, users
from cohortium.govern.grants import Role
from cohortium.govern.roles import May, Scope, Standing
from cohortium.govern.users import State
from cohortium.prove import audit
from cohortium.store.schema import audit as rows
from cohortium.store.schema import project, user
from portal_site import PASSWORD, Served


@pytest.fixture
def site(tmp_path: Path, place: Path | str) -> Iterator[Served]:
    settings = portal_site.configuration(tmp_path, place)
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", portal_site.slices(1))
        with served.engine.begin() as connection:
            for name in ("anna", "root"):
                users.create(connection, name, Standing.ADMINISTRATOR if name == "root" else Standing.PERSON)
                users.choose_password(connection, users.named(connection, name), PASSWORD)
        yield served


@dataclass
class Ways:
    """Every way in that a person has."""

    site: Served
    cookie: str
    token: str

    def open(self) -> list[int]:
        url = f"{self.site.url}/dicomweb/lung/studies"
        cookies, bearer = {"cohortium": self.cookie}, {"Authorization": f"Bearer {self.token}"}
        with self.site.engine.connect() as connection:
            known = identities.whose(connection, "https://provider.example", "anna-1")
        answers = [
            httpx.get(url, cookies=cookies),
            httpx.get(url, headers=bearer),
            httpx.get(url, auth=("anna", PASSWORD)),
        ]
        return [*(answer.status_code for answer in answers), 200 if known else 401]


@pytest.fixture
def anna(site: Served) -> Ways:
    with site.engine.begin() as connection:
        who = users.named(connection, "anna")
        grants.give(connection, who.id, connection.execute(select(project.c.id)).scalar_one(), Role.MEMBER)
        identities.link(connection, who, "https://provider.example", "anna-1")
        token = tokens.make(connection, who, "laptop", Scope.READ, 1)
        return Ways(site, logins.open_login(connection, who, 1), token)


@pytest.fixture
def root(site: Served) -> Iterator[httpx.Client]:
    with site.engine.begin() as connection:
        token = logins.open_login(connection, users.named(connection, "root"), 1)
    with httpx.Client(base_url=site.url, cookies={"cohortium": token}) as client:
        yield client


def make(root: httpx.Client, person: str, state: str) -> httpx.Response:
    form = portal_site.form_of(root.get("/people"))
    return root.post("/people/state", data={"form": form, "person": person, "state": state})


def test_a_disabled_account_opens_in_no_way_and_an_enabled_one_has_its_roles(
    site: Served, anna: Ways, root: httpx.Client
) -> None:
    assert anna.open() == [200] * 4
    assert make(root, "anna", "disabled").status_code == 303
    assert anna.open() == [401] * 4
    with httpx.Client(base_url=site.url) as client:
        assert portal_site.log_in(client, "anna", PASSWORD).status_code == 403
    assert "disabled" in root.get("/people").text
    assert make(root, "anna", "active").status_code == 303
    assert anna.open() == [401, 401, 200, 200]  # the login and the token are gone, the password opens again


def test_a_deleted_account_is_gone_but_for_its_name_in_the_audit(site: Served, anna: Ways, root: httpx.Client) -> None:
    assert anna.open() == [200] * 4
    assert make(root, "anna", "deleted").status_code == 303
    assert anna.open() == [401] * 4
    assert "anna" not in root.get("/people").text
    assert make(root, "anna", "active").status_code == 422
    with site.engine.begin() as connection:
        row = connection.execute(select(user).where(user.c.name == "anna")).one()
        assert (row.email, row.password_hash, row.standing) == ("", "!", "person")
        assert grants.granted(connection, connection.execute(select(project.c.id)).scalar_one()) == []
        assert connection.scalars(select(rows.c.what).where(rows.c.who == "anna")).all() != []
        assert connection.scalars(select(rows.c.object).where(rows.c.what == "account deleted")).all() == ["anna"]
        audit.verify_chain(connection)
        with pytest.raises(Refused, match="exists already"):
            users.create(connection, "anna")  # nobody else ever gets the name
        assert identities.free_name(connection, "anna") == "anna-2"
    with pytest.raises(Refused, match="deleted"):
        users.renew(site.engine, "anna")


def test_the_last_administrator_stays_and_nobody_shuts_their_own_account(site: Served, root: httpx.Client) -> None:
    assert make(root, "root", "deleted").status_code == 400
    with site.engine.begin() as connection:
        for state in (State.DISABLED, State.DELETED):
            with pytest.raises(Refused, match="only administrator"):
                users.make(connection, "root", state)
        with pytest.raises(Refused, match="only administrator"):
            users.stand(connection, "root", Standing.PERSON)
        users.create(connection, "second", Standing.ADMINISTRATOR)
        users.make(connection, "root", State.DISABLED)
        with pytest.raises(Refused, match="only administrator"):
            users.make(connection, "second", State.DISABLED)


@pytest.mark.parametrize(("person", "state", "status"), [("nobody", "disabled", 422), ("anna", "frozen", 400)])
def test_what_is_no_account_or_no_state_is_refused(
    root: httpx.Client, anna: Ways, person: str, state: str, status: int
) -> None:
    assert make(root, person, state).status_code == status
    assert anna.open() == [200] * 4


def test_who_loses_an_account_loses_what_it_was_just_remembered_for(site: Served, anna: Ways) -> None:
    """The password of Basic is remembered by this process; the account is shut by another."""
    assert anna.open()[2] == 200
    with site.engine.begin() as connection:
        users.make(connection, "anna", State.DISABLED)
    assert anna.open()[2] == 401
    with site.engine.connect() as connection:
        assert grants.names(connection, users.named(connection, "anna"), May.READ) == ["lung"]  # the role waits
