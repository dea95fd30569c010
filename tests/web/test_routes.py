"""Who may call what: every route as everybody, each answer as the tables in `answers` say, and no other.

A table has a row for each route and a column for each who calls it; the project is private and holds images. What would
change something is called without a form or a body and names what is not there, so that nothing changes: 409, 415 and
422 say that the door was open.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import select
from starlette.routing import Mount

import portal_site
from cohortium.govern import grants, logins, users
from cohortium.govern.roles import Role, Standing
from cohortium.store.schema import instance, project, scan, session
from cohortium.web.routes import ROUTES, Route
from portal_site import Served

ANSWERS = Path(__file__).parent / "answers"
VALUES = {"name": "lung", "scan_id": "1", "instance_id": "1", "number": "0", "token_id": "1", "invitation_id": "1"}
VALUES |= {"item": "0" * 12, "frame": "0"}
VALUES |= {"project": "lung", "numbers": "1", "path": "7FE00010"}
VALUES |= {"place": "projects/lung", "resource": "DICOM", "file": "x", "rest": "x"}
VALUES |= {"role": "Members", "login": "nobody-of-that-name", "visibility": "private", "alias": "x", "secret": "x"}
VALUES |= {"source": "none"}  # whose sender shows a token of its own
VALUES |= {"timestamp": "20260101_000000000000", "folder": "waiting"}
NOT_THERE = portal_site.NOT_THERE | {"study": "1.2", "series": "1.3", "instance": "1.4"}
NOT_THERE |= {"place": "projects/lung/subjects/2024-01-31"}  # nor can be: it looks like a date
OUTSIDE = ("nobody", "one-time", "person")  # who must learn nothing of the project
CALLERS = (*OUTSIDE, *(each.value for each in Role), "committee", "maintainer", "manager", "administrator")


def table() -> dict[tuple[str, str], dict[str, int]]:
    """What each caller is to be answered, by method and path."""
    rows = [row for file in sorted(ANSWERS.glob("*.csv")) for row in csv.DictReader(file.open(encoding="utf-8"))]
    return {(row["method"], row["path"]): {who: int(row[who]) for who in CALLERS} for row in rows}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, module_place: Path | str) -> Iterator[Served]:
    settings = portal_site.configuration(tmp_path_factory.mktemp("site"), module_place)
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", portal_site.slices(3))
        VALUES.update(portal_site.furnish(served.engine))
        yield served


@pytest.fixture(scope="module")
def uids(site: Served) -> dict[str, str]:
    wanted = select(session.c.StudyInstanceUID, scan.c.SeriesInstanceUID, instance.c.SOPInstanceUID)
    with site.engine.connect() as connection:
        found = connection.execute(wanted.select_from(session).join(scan).join(instance).limit(1)).one()
    return dict(zip(("study", "series", "instance"), found, strict=True))


def cookie(site: Served, caller: str) -> dict[str, str]:
    """A login of the caller, who is made."""
    if caller == "nobody":
        return {}
    with site.engine.begin() as connection:
        users.create(connection, caller, Standing(caller) if caller in set(Standing) else Standing.PERSON)
        if caller != "one-time":
            users.choose_password(connection, users.named(connection, caller), portal_site.PASSWORD)
        if caller in set(Role):
            project_id = connection.execute(select(project.c.id)).scalar_one()
            grants.give(connection, users.named(connection, caller).id, project_id, Role(caller))
        return {"cohortium": logins.open_login(connection, users.named(connection, caller), 1)}


def call(client: httpx.Client, route: Route, uids: dict[str, str]) -> httpx.Response:
    values = VALUES | uids if route.method == "GET" else VALUES | NOT_THERE
    return client.request(route.method, route.path.replace(":path}", "}").format(**values))


def test_there_is_no_route_beside_the_table(site: Served) -> None:
    mounted = {route.path for route in site.app.routes if isinstance(route, Mount)}
    served = {(*route.methods, route.path) for route in site.app.routes if isinstance(route, APIRoute)}
    assert mounted == {"/static"}
    assert served == {(route.method, route.path) for route in ROUTES}
    assert len(site.app.routes) == len(ROUTES) + 1


def test_every_route_stands_in_the_tables_of_answers_and_no_other_does() -> None:
    assert sorted(table()) == sorted((route.method, route.path) for route in ROUTES)


@pytest.mark.parametrize("caller", CALLERS)
def test_each_route_answers_each_caller_as_the_table_says(site: Served, uids: dict[str, str], caller: str) -> None:
    wanted, wrong, shown = table(), [], cookie(site, caller)
    with httpx.Client(base_url=site.url) as client:
        for route in ROUTES:
            client.cookies = httpx.Cookies(shown)
            answer = call(client, route, uids)
            if answer.status_code != wanted[route.method, route.path][caller]:
                wrong.append((route.method, route.path, answer.status_code))
            if caller in OUTSIDE:
                assert "Lung" not in answer.text
            if caller == "nobody" and answer.status_code == 401:
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.headers["www-authenticate"]
            if caller == "nobody" and answer.status_code == 303:
                assert answer.headers["location"] == "/login"
    assert wrong == []
