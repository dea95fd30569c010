"""Who may call what: every route, as nobody, with a one-time password, and as a person without any role."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.routing import Mount

import portal_site
from cohortium.govern import users
from cohortium.web.auth import Access
from cohortium.web.routes import ROUTES, Route
from portal_site import Served

VALUES = {"name": "lung", "scan_id": "1", "instance_id": "1", "number": "0", "token_id": "1", "invitation_id": "1"}
VALUES |= {"project": "lung", "study": "1.2", "series": "1.3", "instance": "1.4", "numbers": "1", "path": "7FE00010"}
VALUES |= {"place": "projects/lung/subjects", "resource": "DICOM", "file": "x", "rest": "x"}
VALUES |= {"role": "Members", "login": "guest", "visibility": "public", "timestamp": "20260101_000000000000"}
PROGRAMS = ("/api/", "/dicomweb/", "/data/", "/xapi/")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, module_place: Path | str) -> Iterator[Served]:
    settings = portal_site.configuration(tmp_path_factory.mktemp("site"), module_place)
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", portal_site.slices(3))
        VALUES.update(portal_site.furnish(served.engine))
        yield served


def call(client: httpx.Client, route: Route) -> httpx.Response:
    return client.request(route.method, route.path.replace(":path}", "}").format(**VALUES))


def test_there_is_no_route_beside_the_table(site: Served) -> None:
    mounted = {route.path for route in site.app.routes if isinstance(route, Mount)}
    served = {(*route.methods, route.path) for route in site.app.routes if isinstance(route, APIRoute)}
    assert mounted == {"/static"}
    assert served == {(route.method, route.path) for route in ROUTES}
    assert len(site.app.routes) == len(ROUTES) + 1


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_nobody_gets_nothing(site: Served, route: Route) -> None:
    with httpx.Client(base_url=site.url) as client:
        answer = call(client, route)
    if route.access is Access.ANYONE:
        assert answer.status_code in (200, 401, 403, 404, 409)
    elif route.path.startswith(PROGRAMS):
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
    else:
        assert answer.status_code == 303
        assert answer.headers["location"] == "/login"
    assert "Lung" not in answer.text


@pytest.fixture(scope="module")
def without_role(site: Served) -> Iterator[httpx.Client]:
    with site.engine.begin() as connection:
        password = users.create(connection, "guest")
    with httpx.Client(base_url=site.url) as client:
        portal_site.become(client, "guest", password)
        yield client


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_person_without_a_role_sees_no_project(without_role: httpx.Client, route: Route) -> None:
    answer = call(without_role, route)
    assert "Lung" not in answer.text
    if route.path.startswith("/dicomweb/studies/") and route.path.endswith(("/series", "/instances")):
        assert answer.status_code == 204  # a search finds nothing, whatever it is below
    elif "{" in route.path and route.method == "GET":
        assert answer.status_code in (404, 501)
    else:
        assert answer.status_code in (200, 204, 303, 401, 403, 404, 409, 422, 501)


@pytest.fixture(scope="module")
def choosing(site: Served) -> Iterator[httpx.Client]:
    """Logged in with a one-time password, and no other chosen yet."""
    password = users.ensure_administrator(site.engine, "root")
    assert password is not None
    with httpx.Client(base_url=site.url) as client:
        assert portal_site.log_in(client, "root", password).headers["location"] == "/password"
        yield client


CLOSED = [route for route in ROUTES if route.access not in (Access.ANYONE, Access.CHOOSING)]


@pytest.mark.parametrize("route", CLOSED, ids=lambda route: f"{route.method} {route.path}")
def test_a_one_time_password_leads_to_the_choice_of_another_and_nowhere_else(
    choosing: httpx.Client, route: Route
) -> None:
    answer = call(choosing, route)
    assert "Lung" not in answer.text
    if route.path.startswith(PROGRAMS):
        assert answer.status_code == 403
    else:
        assert answer.headers["location"] == "/password"
