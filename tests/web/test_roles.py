"""Every route, as everybody: what each role, standing and visibility opens is what the table says, and no more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select
from starlette.routing import compile_path

import portal_site
from cohortium.govern import grants, logins, users
from cohortium.govern.roles import ALLOWED, ON_SITE, REACHED, WITHIN, May, Role, Standing, Visibility
from cohortium.store.schema import instance, project, scan, session
from cohortium.web.auth import Access
from cohortium.web.routes import ROUTES, Route
from cohortium.web.xnat import absent
from portal_site import Served

OF_ROWS = ("/api/v1/s", "/api/v1/instances/", "/api/v1/files/", "/scans/", "/files/")
VALUES = {"name": "lung", "scan_id": "1", "instance_id": "1", "number": "0", "token_id": "1", "invitation_id": "1"}
VALUES |= {"item": "0" * 12, "frame": "0"}
VALUES |= {"project": "lung", "numbers": "1", "path": "7FE00010"}
PROGRAMS = ("/api/", "/dicomweb/")
SEARCHES = ("/api/v1/sessions", "/api/v1/scans", "/api/v1/instances")
XNAT = "/data/"  # whose addresses have names of any depth in them; each is asked for here in one form
AT = "/data/projects/lung"
ASKED = {  # what a role opens there: method, address, and the answer where it is open
    ("GET", AT): (May.READ, {200}),
    ("GET", f"{AT}/subjects/S-0001/experiments"): (May.READ, {200}),
    ("GET", f"{AT}/resources"): (May.READ, {200}),
    ("GET", f"{AT}/resources/none"): (May.READ, {404}),
    ("GET", f"{AT}/resources/none/files"): (May.READ, {404}),
    ("GET", f"{AT}/resources/none/files/none.txt"): (May.READ, {404}),
    ("HEAD", f"{AT}/resources/none/files/none.txt"): (May.READ, {404}),
    ("GET", f"{AT}/files"): (May.READ, {200}),
    ("GET", "/data/services/dicomdump?src=/archive/projects/lung/experiments/none"): (May.READ, {404}),
    ("POST", "/data/services/import?project=lung"): (May.WRITE, {422}),  # of nothing
    **{
        ("POST", f"/data/services/{name}?src=/prearchive/projects/lung/2026_01/waiting"): (May.DELETE, {404})
        for name in ("archive", "prearchive/rebuild", "prearchive/delete", "prearchive/move")
    },
    ("GET", "/data/prearchive/projects/lung"): (May.DELETE, {200}),
    ("GET", "/data/prearchive/projects/lung/2026_01/waiting"): (May.DELETE, {404}),
    ("GET", "/data/prearchive/projects/lung/2026_01/waiting/scans"): (May.DELETE, {404}),
    ("GET", f"{AT}/users"): (May.MANAGE, {200}),
    ("PUT", f"{AT}/users/Owners/nobody-of-that-name"): (May.MANAGE, {404, 409}),
    ("DELETE", f"{AT}/users/Owners/nobody-of-that-name"): (May.MANAGE, {404, 409}),
    ("GET", f"{AT}/accessibility"): (May.SEE, {200}),
    ("PUT", f"{AT}/accessibility/open-to-all"): (May.MANAGE, {400, 404, 409, 422}),
    ("DELETE", f"{AT}/subjects/none"): (May.DELETE, {404}),
    ("DELETE", f"{AT}/resources/none"): (May.DELETE, {404}),
    ("DELETE", f"{AT}/resources/none/files/none.txt"): (May.DELETE, {404}),
    ("PUT", f"{AT}/resources/2024-01-31"): (May.WRITE, {409}),  # looks like a date
    ("PUT", f"{AT}/resources/notes/files/2024-01-31"): (May.WRITE, {409, 422}),
    ("POST", f"{AT}/resources/notes/files/2024-01-31"): (May.WRITE, {409, 422}),
    ("PUT", f"{AT}/subjects/2024-01-31"): (May.WRITE, {409, 422}),  # looks like a date
}
GUARDED = [route for route in ROUTES if isinstance(route.access, May) and not route.path.startswith(XNAT)]


@dataclass(frozen=True)
class Caller:
    """Somebody with a login: a standing, and perhaps a role in the project."""

    standing: Standing
    role: Role | None = None

    @property
    def name(self) -> str:
        return self.role.value if self.role else self.standing.value

    def may(self, what: May, visibility: Visibility) -> bool:
        if what in ALLOWED[self.standing]:
            return True
        shown = visibility in REACHED[self.standing] and what in ALLOWED[visibility]
        return what not in ON_SITE and (shown or (self.role is not None and what in ALLOWED[self.role]))


CALLERS = [*(Caller(Standing.PERSON, role) for role in Role), *(Caller(each) for each in Standing)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, module_place: Path | str) -> Iterator[Served]:
    guests = "[serve]\nguests = true"
    settings = portal_site.configuration(tmp_path_factory.mktemp("site"), module_place, sections=guests)
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", portal_site.slices(2))
        VALUES.update(portal_site.furnish(served.engine))
        yield served


@pytest.fixture(scope="module")
def cookies(site: Served) -> dict[str, dict[str, str]]:
    made: dict[str, dict[str, str]] = {"guest": {}}
    with site.engine.begin() as connection:
        project_id = connection.scalar(select(project.c.id))
        for caller in CALLERS:
            if caller.standing is Standing.GUEST:
                continue
            users.create(connection, caller.name, caller.standing)
            users.choose_password(connection, users.named(connection, caller.name), portal_site.PASSWORD)
            who = users.named(connection, caller.name)
            if caller.role:
                grants.give(connection, who.id, project_id, caller.role)
            made[caller.name] = {"cohortium": logins.open_login(connection, who, 1)}
    return made


@pytest.fixture(scope="module")
def xnat(site: Served, cookies: dict[str, dict[str, str]]) -> dict[str, str]:
    """The sessions of XNAT's clients, of everybody who has a login."""
    with site.engine.begin() as connection:
        who = {name: users.named(connection, name) for name, held in cookies.items() if held}
        return {name: logins.open_login(connection, each, 1, "xnat") for name, each in who.items()}


def show(site: Served, visibility: Visibility) -> None:
    with site.engine.begin() as connection:
        grants.make_visible(connection, connection.scalar(select(project.c.id)), visibility)


def uids(site: Served) -> dict[str, str]:
    wanted = select(session.c.StudyInstanceUID, scan.c.SeriesInstanceUID, instance.c.SOPInstanceUID)
    with site.engine.connect() as connection:
        found = connection.execute(wanted.select_from(session).join(scan).join(instance).limit(1)).one()
    return dict(zip(("study", "series", "instance"), found, strict=True))


def expected(caller: Caller, route: Route, visibility: Visibility) -> set[int]:
    """A form without its token is refused only where the route is open, so that nothing changes by asking."""
    assert isinstance(route.access, May)
    if caller.may(route.access, visibility):
        if route.method == "DELETE" or (route.method == "PUT" and "{consent_id}" in route.path):
            return {404}  # what is named is not there
        if ("{item}" in route.path or "/inspections/" in route.path) and route.method == "GET":
            return {404}  # nothing is in the spool
        if "/completeness/" in route.path and route.method == "GET":
            return {404}  # nothing was asked for
        if route.path.endswith("/submission.zip"):
            return {422}  # the version has no clinical table
        if route.path.endswith("/report"):
            return {409}  # the check has not begun
        return {200} if route.method == "GET" else {400, 409, 411, 415, 422}
    if caller.standing is Standing.GUEST and route.access not in (May.SEE, May.READ):
        return {401} if route.path.startswith(PROGRAMS) else {303}
    if route.access in ON_SITE:
        return {403}
    if route.path in SEARCHES:
        return {200}  # a list of nothing
    if route.method != "GET" and route.path.startswith(OF_ROWS):
        return {403, 404, 409, 422}  # what is wrong with the request comes before whose scan it is
    names_a_project = "{name}" in route.path or "{project}" in route.path
    if not names_a_project and route.path.startswith("/dicomweb/"):
        return {204, 404}  # a list of nothing, or nothing
    return {403} if names_a_project and caller.may(May.SEE, visibility) else {404}


@pytest.mark.parametrize("visibility", Visibility, ids=str)
@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
def test_every_route_opens_for_whom_the_table_says(
    site: Served, cookies: dict[str, dict[str, str]], caller: Caller, visibility: Visibility
) -> None:
    show(site, visibility)
    there = uids(site)
    with httpx.Client(base_url=site.url, cookies=cookies[caller.name]) as client:
        for route in GUARDED:
            values = VALUES if route.method == "GET" else VALUES | portal_site.NOT_THERE
            named = dict.fromkeys(there, "2.25.404") if route.method == "DELETE" else there
            answer = client.request(route.method, route.path.replace(":path}", "}").format(**values, **named))
            wanted = expected(caller, route, visibility)
            assert answer.status_code in wanted, f"{caller.name}, {visibility}: {route.method} {route.path}"
            if not caller.may(May.SEE, visibility):
                assert "Lung" not in answer.text
            if not caller.may(May.READ, visibility) and route.access is not May.AUDIT:  # which says who read of whom
                assert "S-0001" not in answer.text


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
def test_addresses_of_xnat_open_for_whom_the_table_says(site: Served, caller: Caller, xnat: dict[str, str]) -> None:
    for visibility in Visibility:
        show(site, visibility)
        with httpx.Client(base_url=site.url, cookies={"JSESSIONID": xnat.get(caller.name, "")}) as client:
            for (method, address), (may, opened) in ASKED.items():
                answer = client.request(method, address)
                wanted = opened if caller.may(may, visibility) else {401, 403, 404}
                assert answer.status_code in wanted, f"{caller.name}, {visibility}: {method} {address}"
                if not caller.may(May.READ, visibility):
                    assert "S-0001" not in answer.text


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
def test_lists_show_what_may_be_seen(site: Served, cookies: dict[str, dict[str, str]], caller: Caller) -> None:
    for visibility in Visibility:
        show(site, visibility)
        with httpx.Client(base_url=site.url, cookies=cookies[caller.name]) as client:
            assert ("Lung study" in client.get("/").text) is caller.may(May.SEE, visibility)
            projects = client.get("/api/v1/projects").json()
            assert bool(projects) is caller.may(May.SEE, visibility)
            assert any(each["counts"] for each in projects) is caller.may(May.READ, visibility)


def test_the_table_is_what_consortia_agreed_on() -> None:
    """Owner: full access. Member: full except deleting. Collaborator: read. Maintainer: no data."""
    data = frozenset({May.SEE, May.READ, May.DEPOSIT, May.WRITE, May.DELETE, May.MANAGE})
    assert ALLOWED[Role.OWNER] == data
    assert {May.READ, May.DEPOSIT, May.WRITE} <= ALLOWED[Role.MEMBER]
    assert May.DELETE not in ALLOWED[Role.MEMBER]
    assert ALLOWED[Role.COLLABORATOR] == {May.SEE, May.READ}
    assert ALLOWED[Standing.MAINTAINER] & data == set()
    assert ALLOWED[Standing.COMMITTEE] & data == {May.SEE}
    assert ALLOWED[Visibility.PRIVATE] == set()
    assert ALLOWED[Standing.SITE] == set()
    assert WITHIN[Standing.SITE] == {May.DEPOSIT}


def test_every_route_that_names_a_project_names_what_is_done_with_it() -> None:
    of_types = {"/xapi/schemas/{name}", "/data/search/elements/{name}"}  # of XNAT's types, not of a project
    named = {route.path for route in ROUTES if "{name}" in route.path and not isinstance(route.access, May)}
    assert named == of_types
    assert [route.path for route in ROUTES if route.access is Access.ANYONE and "{" in route.path] == []


def test_every_address_of_xnat_that_needs_a_role_is_asked_for() -> None:
    of_xnat = [route for route in ROUTES if route.path.startswith(XNAT)]
    asked = set()
    for method, address in ASKED:
        path = address.split("?")[0]
        asked.add(next(each for each in of_xnat if each.method == method and compile_path(each.path)[0].match(path)))
    there = {each for each in of_xnat if isinstance(each.access, May) and each.endpoint is not absent}
    assert there - asked == set()
