"""The first page: what waits for whom, and how what they may read grows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import insert, select, update

import portal_site
from cohortium import find
from cohortium.archive import datasets
from cohortium.govern import grants, harvest, logins, quotas, tokens, users
from cohortium.govern.roles import Role, Scope, Standing
from cohortium.store import jobs
from cohortium.store.schema import data_key, project, usage
from portal_site import Served
from waiting import not_around_midnight

PEOPLE = {"olga": Role.OWNER, "mary": Role.MEMBER, "carl": Role.COLLABORATOR, "nora": None}
STANDINGS = {"root": Standing.ADMINISTRATOR, "mike": Standing.MAINTAINER, "dan": Standing.COMMITTEE}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, module_place: Path | str) -> Iterator[Served]:
    settings = portal_site.configuration(tmp_path_factory.mktemp("site"), module_place)
    with portal_site.served(settings) as served:
        for name, subjects in (("lung", 3), ("liver", 1)):
            contents = [each for n in range(subjects) for each in portal_site.slices(1, subject=f"{name}-{n}")]
            portal_site.fill(served.engine, settings.site.data, name, name.capitalize(), contents)
        with served.engine.begin() as connection:
            for name in (*PEOPLE, *STANDINGS):
                users.create(connection, name, STANDINGS.get(name, Standing.PERSON))
                users.choose_password(connection, users.named(connection, name), portal_site.PASSWORD)
            lung = connection.scalar(select(project.c.id).where(project.c.name == "lung"))
            for name, role in PEOPLE.items():
                if role:
                    grants.give(connection, users.named(connection, name).id, lung, role)
        yield served


@contextmanager
def person(site: Served, name: str) -> Iterator[httpx.Client]:
    with site.engine.begin() as connection:
        token = logins.open_login(connection, users.named(connection, name), 1)
    with httpx.Client(base_url=site.url, cookies={"cohortium": token}) as client:
        yield client


def seen(site: Served, words: str) -> set[str]:
    """Who reads these words on their first page."""
    found = set()
    for name in (*PEOPLE, *STANDINGS):
        with person(site, name) as client:
            if words in client.get("/").text:
                found.add(name)
    return found


def test_nothing_waits_is_said_to_who_has_something_to_see_to(site: Served) -> None:
    assert seen(site, "Nothing waits for you") == {"olga", "root", "mike"}


def test_what_was_refused_waits_for_owners(site: Served) -> None:
    with person(site, "mary") as client:
        fields = {"level": "project", "kind": "mask", "label": "mask"}
        files = {"file": ("tool.bin", b"MZ" + bytes(9))}
        assert client.post("/api/v1/projects/lung/files", data=fields, files=files).status_code == 422
    assert seen(site, "1 offer to Lung waits") == {"olga", "root"}


def test_unusual_reading_waits_for_owners_and_administrators(site: Served) -> None:
    not_around_midnight()
    with site.engine.begin() as connection:
        carl, lung = (
            users.named(connection, "carl"),
            connection.scalar(select(project.c.id).where(project.c.name == "lung")),
        )
        read = {"user_id": carl.id, "project_id": lung, "bytes": 1, "instances": 5000}
        for back in (0, 1):
            moment = datetime.now(UTC) - timedelta(days=back)
            connection.execute(insert(usage).values(day=quotas.day_of(moment), **read))
        harvest.look(connection, site.app.state.config.quota, datetime.now(UTC) - timedelta(days=1))
        harvest.look(connection, site.app.state.config.quota, datetime.now(UTC))
        assert len(harvest.alarms(connection)) == 2
        assert harvest.alarms(connection, ["lun", "liver"]) == []
    assert seen(site, "carl read") == {"olga", "root"}
    with person(site, "olga") as client:
        page = client.get("/").text
    assert page.count("carl read") == 1, "one row for one person and project, the newest"
    assert 'href="/projects/lung/people">carl read' in page


def test_jobs_that_failed_wait_for_who_keeps_the_machine(site: Served) -> None:
    with site.engine.begin() as connection:
        jobs.put(connection, "seal")
        held = jobs.lease(connection, ["seal"], timedelta(seconds=9))
        assert held is not None
        jobs.failed(connection, held, "the store does not answer", retry=True)
    assert seen(site, "Job seal") == {"root", "mike"}


def test_a_token_that_ends_soon_waits_for_its_owner(site: Served) -> None:
    with site.engine.begin() as connection:
        for name, days in (("notebook", 7), ("server", 90)):
            tokens.make(connection, users.named(connection, "carl"), name, Scope.READ, days)
    assert seen(site, "Your token notebook") == {"carl"}
    assert seen(site, "Your token server") == set()


def test_who_writes_is_told_to_freeze_and_all_see_the_newest_version(site: Served) -> None:
    assert seen(site, "No version yet") == {"olga", "mary", "root"}
    with site.engine.begin() as connection:
        lung = connection.scalar(select(project.c.id).where(project.c.name == "lung"))
        made = datasets.freeze(connection, lung, "baseline-1", "mary")
        assert datasets.newest(connection, [lung]) == {lung: made}
        assert datasets.newest(connection, []) == {}
    assert seen(site, "baseline-1") == {"olga", "mary", "carl", "root"}


def test_subjects_are_counted_in_the_week_they_came_for_who_may_read_them(site: Served) -> None:
    not_around_midnight()
    monday = datetime.now(UTC).date() - timedelta(days=datetime.now(UTC).weekday())
    with site.engine.begin() as connection:
        moved = update(data_key).where(data_key.c.PatientID == "lung-0")
        connection.execute(moved.values(created=(monday - timedelta(days=8)).isoformat()))
        old = update(data_key).where(data_key.c.PatientID == "lung-1")
        connection.execute(old.values(created="2001-01-01"))
        weeks = {
            name: find.growth(connection, users.named(connection, name), datetime.now(UTC).date(), 3)
            for name in ("carl", "root", "nora", "dan")
        }
    assert [each.begins for each in weeks["carl"]] == [monday - timedelta(weeks=back) for back in (2, 1, 0)]
    assert [each.subjects for each in weeks["carl"]] == [1, 0, 1]
    assert [each.subjects for each in weeks["root"]] == [1, 0, 2]
    assert {each.subjects for each in (*weeks["nora"], *weeks["dan"])} == {0}
    assert seen(site, "2 new subjects <") == {"olga", "mary", "carl"}
    assert seen(site, "3 new subjects <") == {"root"}
    assert seen(site, "by project") == {"root"}, "there is something to compare"


def test_who_has_nothing_to_open_is_told_why(site: Served) -> None:
    assert seen(site, "Ask the owner of a project") == {"nora"}
    assert seen(site, "sees no data") == {"mike"}
