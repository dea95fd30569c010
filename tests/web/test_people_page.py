"""The page on which an owner says who may do what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

import portal_site
from cohortium.govern import grants, logins, users
from cohortium.govern.grants import Role
from cohortium.govern.roles import Standing
from cohortium.store.schema import audit, project
from portal_site import Served

PAGE = "/projects/lung/people"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, module_place: Path | str) -> Iterator[Served]:
    settings = portal_site.configuration(tmp_path_factory.mktemp("site"), module_place)
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", portal_site.slices(2))
        yield served


@pytest.fixture(scope="module")
def owner(site: Served) -> Iterator[httpx.Client]:
    with site.engine.begin() as connection:
        for name, standing in (("olga", Standing.PERSON), ("paul", Standing.PERSON), ("mike", Standing.MAINTAINER)):
            users.create(connection, name, standing)
            users.choose_password(connection, users.named(connection, name), portal_site.PASSWORD)
        olga = users.named(connection, "olga")
        grants.give(connection, olga.id, connection.scalar(select(project.c.id)), Role.OWNER)
        token = logins.open_login(connection, olga, 1)
    with httpx.Client(base_url=site.url, cookies={"cohortium": token}) as client:
        yield client


def post(client: httpx.Client, path: str, **values: str) -> httpx.Response:
    return client.post(path, data={"form": portal_site.form_of(client.get(PAGE)), **values})


def newest(site: Served) -> tuple[str, ...]:
    with site.engine.connect() as connection:
        wanted = select(audit.c.who, audit.c.what, audit.c.object, audit.c.address, audit.c.basis)
        return tuple(connection.execute(wanted.order_by(audit.c.id.desc()).limit(1)).one())


def test_an_owner_gives_changes_and_withdraws_roles(site: Served, owner: httpx.Client) -> None:
    assert post(owner, PAGE, person="paul", role="collaborator").status_code == 303
    assert newest(site) == ("olga", "grant collaborator", "lung/paul", "127.0.0.1", "owner")
    assert post(owner, PAGE, person="paul", role="member").status_code == 303
    page = owner.get(PAGE).text
    assert "paul" in page
    assert "olga" in page
    assert post(owner, f"{PAGE}/withdraw", person="paul").status_code == 303
    assert newest(site)[1:3] == ("revoke role", "lung/paul")
    assert "paul" not in owner.get(PAGE).text


def test_an_owner_says_what_the_project_shows(site: Served, owner: httpx.Client) -> None:
    assert post(owner, "/projects/lung/visibility", visibility="protected").status_code == 303
    assert newest(site)[1:3] == ("make protected", "lung")
    assert 'value="protected" checked' in owner.get(PAGE).text
    assert post(owner, "/projects/lung/visibility", visibility="everything").status_code == 400
    post(owner, "/projects/lung/visibility", visibility="private")


@pytest.mark.parametrize("person", ["nobody", "mike"])
def test_who_is_not_there_or_maintains_gets_no_role(owner: httpx.Client, person: str) -> None:
    answer = post(owner, PAGE, person=person, role="member")
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


def test_searches_are_in_the_audit_by_name_and_digest_and_never_by_value(site: Served, owner: httpx.Client) -> None:
    owner.get("/projects/lung", params={"words": "Schmidtova"})
    first = newest(site)
    owner.get("/api/v1/projects/lung", params={"words": "Schmidtova"})
    assert newest(site)[2] == first[2]
    owner.get("/projects/lung", params={"words": "another"})
    assert newest(site)[2] != first[2]
    assert first[:2] == ("olga", "search")
    assert first[2].startswith("lung?words=")
    assert first[4] == "owner"
    with site.engine.connect() as connection:
        assert not any("chmidt" in str(row) for row in connection.execute(select(audit)))


def test_reading_images_is_in_the_audit_once_for_all_frames(site: Served, owner: httpx.Client) -> None:
    scan = owner.get("/api/v1/scans/1").json()
    for at in scan["frames"]:
        assert owner.get(f"/api/v1/instances/{at['instance']}/frames/{at['frame']}").status_code == 200
    with site.engine.connect() as connection:
        rows = connection.execute(select(audit).where(audit.c.what == "read images")).mappings().all()
    assert [(row["who"], row["object"], row["basis"]) for row in rows] == [
        ("olga", f"lung/{scan['SeriesInstanceUID']}", "owner")
    ]
