"""Reads of images are counted whichever way they leave, and end with the quota."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Connection, delete, func, insert, select

import portal_site
from cohortium.govern import grants, harvest, logins, users
from cohortium.govern.grants import Role
from cohortium.govern.quotas import Quota, day_of
from cohortium.govern.roles import Standing
from cohortium.store.schema import instance, project, scan, session, usage
from cohortium.web.meter import Meter
from portal_site import Served
from waiting import not_around_midnight

PEOPLE = "/projects/lung/people"
SERIES = "/dicomweb/lung/studies/{study}/series/{series}"
INSTANCE = SERIES + "/instances/{instance}"
IMAGES = {  # each way out, and how many instances it counts
    "/dicomweb/lung/studies/{study}": 3,
    SERIES: 3,
    INSTANCE: 1,
    f"{INSTANCE}/frames/1": 1,
    f"{INSTANCE}/bulkdata/7FE00010": 1,
    f"{INSTANCE}/rendered": 1,
    f"{SERIES}/rendered": 3,
    f"{INSTANCE}/thumbnail": 0,
    "/api/v1/instances/1/frames/0": 1,
    "/api/v1/scans/1/thumbnail.png": 0,
    "/api/v1/instances/1/file": 1,
    "/api/v1/scans/1/archive.zip": 3,
    "/api/v1/sessions/1/archive.zip": 3,
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, module_place: Path | str) -> Iterator[Served]:
    settings = portal_site.configuration(tmp_path_factory.mktemp("site"), module_place)
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", portal_site.slices(3))
        with served.engine.begin() as connection:
            for name in ("olga", "anna"):
                users.create(connection, name)
                users.choose_password(connection, users.named(connection, name), portal_site.PASSWORD)
            grants.give(connection, users.named(connection, "olga").id, lung(connection), Role.OWNER)
            users.create(connection, "root", Standing.ADMINISTRATOR)
            users.choose_password(connection, users.named(connection, "root"), portal_site.PASSWORD)
        yield served


def lung(connection: Connection) -> int:
    return int(connection.execute(select(project.c.id)).scalar_one())


def as_(site: Served, name: str) -> httpx.Client:
    with site.engine.begin() as connection:
        token = logins.open_login(connection, users.named(connection, name), 1)
    return httpx.Client(base_url=site.url, cookies={"cohortium": token})


@pytest.fixture
def anna(site: Served) -> Iterator[httpx.Client]:
    """A collaborator who has read nothing, in a process that has counted nothing."""
    with site.engine.begin() as connection:
        connection.execute(delete(usage))
        grants.give(connection, users.named(connection, "anna").id, lung(connection), Role.COLLABORATOR)
    site.app.state.meter = Meter(site.engine, site.app.state.config.quota)
    with as_(site, "anna") as client:
        yield client


def limit(site: Served, quota: Quota) -> None:
    with site.engine.begin() as connection:
        grants.give(connection, users.named(connection, "anna").id, lung(connection), Role.COLLABORATOR, "", quota)


def address(site: Served, path: str) -> str:
    wanted = select(session.c.StudyInstanceUID, scan.c.SeriesInstanceUID, instance.c.SOPInstanceUID)
    with site.engine.connect() as connection:
        found = connection.execute(wanted.select_from(session).join(scan).join(instance).limit(1)).one()
    return path.format(**dict(zip(("study", "series", "instance"), found, strict=True)))


@pytest.mark.parametrize("path", IMAGES)
def test_every_way_out_counts_and_is_refused_when_the_quota_is_used_up(
    site: Served, anna: httpx.Client, path: str
) -> None:
    place = address(site, path)
    first = anna.get(place)
    assert first.status_code == 200
    with site.engine.connect() as connection:
        read = connection.execute(select(func.sum(usage.c.bytes), func.sum(usage.c.instances))).one()
    assert read[0] >= len(first.content) // 2  # of several parts, their frames are not counted
    assert read[1] >= IMAGES[path]
    limit(site, Quota(bytes_day=1))
    site.app.state.meter = Meter(site.engine, site.app.state.config.quota)
    refused = anna.get(place)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 86_400
    assert refused.headers["content-type"] == "application/problem+json"
    assert "used up for today" in refused.json()["detail"]


def test_what_is_no_image_is_not_counted(site: Served, anna: httpx.Client) -> None:
    limit(site, Quota(bytes_day=1, instances_total=1))
    for path in ("/projects/lung", "/scans/1", "/api/v1/scans/1", "/dicomweb/lung/series", f"{SERIES}/metadata"):
        assert anna.get(address(site, path)).status_code == 200
    with site.engine.connect() as connection:
        assert connection.execute(select(usage)).all() == []


def test_an_owner_sets_limits_and_sees_what_was_read(site: Served, anna: httpx.Client) -> None:
    anna.get(address(site, SERIES))
    with as_(site, "olga") as owner:
        form = portal_site.form_of(owner.get(PEOPLE))
        values = {"person": "anna", "role": "collaborator", "gigabytes_day": "2", "instances_total": "0", "form": form}
        assert owner.post(PEOPLE, data=values).status_code == 303
        page = owner.get(PEOPLE).text
        assert "of 2.0 GB" in page
        assert owner.post(PEOPLE, data=values | {"gigabytes_day": "many"}).status_code == 422
    with site.engine.connect() as connection:
        held = {each.name: each.quota for each in grants.granted(connection, lung(connection))}
    assert held["anna"] == Quota(2_000_000_000, None, None, 0)


def test_owners_and_administrators_see_who_reads_unusually_much(site: Served, anna: httpx.Client) -> None:
    not_around_midnight()
    settings = site.app.state.config.quota
    with site.engine.begin() as connection:
        connection.execute(
            insert(usage).values(
                user_id=users.named(connection, "anna").id,
                project_id=lung(connection),
                day=day_of(datetime.now(UTC)),
                bytes=0,
                instances=settings.alarm_instances,
            )
        )
        (alarm,) = harvest.look(connection, settings, datetime.now(UTC))
    for name, path in (("olga", PEOPLE), ("root", "/people")):
        with as_(site, name) as client:
            page = client.get(path).text
        assert "Unusual reading" in page
        assert alarm.what in page
    assert anna.get(PEOPLE).status_code == 403
