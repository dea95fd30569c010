"""The audit as administrators and the committee read it: what is found, page by page and taken out, and who looked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Connection, insert, select

import portal_site
from cohortium.govern import logins, users
from cohortium.govern.roles import Standing
from cohortium.prove import audit as chain
from cohortium.store.schema import audit
from cohortium.web.portal import audit as page_of
from portal_site import Served

ROWS = (
    ("2026-01-31T23:59:59.999999+00:00", "anna", "read images", "lung/1.2.3"),
    ("2026-02-01T00:00:00.000000+00:00", "anna", "search", "lung?PatientID=ab12"),
    ("2026-02-28T23:59:59.999999+00:00", "bert", "open project", "lung"),
    ("2026-03-01T00:00:00.000000+00:00", "bert", "open project", "lung-2"),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, module_place: Path | str) -> Iterator[Served]:
    with portal_site.served(portal_site.configuration(tmp_path_factory.mktemp("site"), module_place)) as served:
        with served.engine.begin() as connection:
            for standing in (Standing.ADMINISTRATOR, Standing.COMMITTEE, Standing.MAINTAINER, Standing.PERSON):
                users.create(connection, standing.value, standing)
                users.choose_password(connection, users.named(connection, standing.value), portal_site.PASSWORD)
            for number, (time, who, what, about) in enumerate(ROWS):
                row = {"time": time, "who": who, "what": what, "object": about, "previous": "", "digest": str(number)}
                connection.execute(insert(audit).values(**row))
        yield served


def as_(site: Served, standing: Standing) -> httpx.Client:
    with site.engine.begin() as connection:
        token = logins.open_login(connection, users.named(connection, standing.value), 1)
    return httpx.Client(base_url=site.url, cookies={"cohortium": token})


@pytest.fixture
def committee(site: Served) -> Iterator[httpx.Client]:
    with as_(site, Standing.COMMITTEE) as client:
        yield client


def exported(client: httpx.Client, **wish: str) -> list[int]:
    """Which of `ROWS` an export holds."""
    lines = [json.loads(line) for line in client.get("/audit/export", params=wish).text.splitlines()]
    return sorted(int(line["digest"]) for line in lines if len(line["digest"]) == 1)


@pytest.mark.parametrize(
    ("wish", "found"),
    [
        ({}, [0, 1, 2, 3]),
        ({"who": "anna"}, [0, 1]),
        ({"project": "lung"}, [0, 1, 2]),
        ({"project": "lung-2"}, [3]),
        ({"project": "lun_"}, []),
        ({"what": "open project"}, [2, 3]),
        ({"since": "2026-02-01", "until": "2026-02-28"}, [1, 2]),
        ({"since": "2026-02-01", "who": "anna"}, [1]),
        ({"until": "2026-01-31"}, [0]),
        ({"since": "yesterday", "who": "anna"}, [0, 1]),
    ],
)
def test_rows_are_found_by_person_project_and_time(
    committee: httpx.Client, wish: dict[str, str], found: list[int]
) -> None:
    assert exported(committee, **wish) == found
    text = committee.get("/audit", params=wish).text
    for number, (_, _, _, about) in enumerate(ROWS):
        assert (f">{about}</td>" in text) is (number in found or about in [ROWS[n][3] for n in found])


def test_a_page_leads_to_the_older_rows_until_there_are_none(
    committee: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_of, "SHOWN", 1)
    monkeypatch.setattr(page_of, "AT_ONCE", 1)
    seen, path = [], "/audit?project=lung"
    for _ in range(10):
        text = committee.get(path).text
        seen += [about for _, _, _, about in ROWS if f">{about}</td>" in text]
        if 'rel="next"' not in text:
            break
        path = text.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert [each for each in seen if each != "lung"] == ["lung?PatientID=ab12", "lung/1.2.3"]
    assert exported(committee, project="lung") == [0, 1, 2]


@pytest.mark.parametrize(
    ("standing", "status"),
    [(Standing.ADMINISTRATOR, 200), (Standing.COMMITTEE, 200), (Standing.MAINTAINER, 403), (Standing.PERSON, 403)],
)
def test_who_looks_over_the_site_sees_it_and_nobody_else(site: Served, standing: Standing, status: int) -> None:
    with as_(site, standing) as client:
        for path in ("/audit", "/audit/export", "/api/v1/audit"):
            assert client.get(path).status_code == status
        assert ('href="/audit"' in client.get("/account").text) is (status == 200)


def test_who_looked_and_who_took_out_is_in_the_audit(site: Served, committee: httpx.Client) -> None:
    committee.get("/audit", params={"project": "lung", "who": "Schmidtova"})
    committee.get("/audit/export")
    with site.engine.begin() as connection:
        assert newest(connection) == [("committee", "export audit", "site"), ("committee", "read audit", "lung")]


def newest(connection: Connection) -> list[tuple[str, str, str]]:
    wanted = select(audit.c.who, audit.c.what, audit.c.object).order_by(audit.c.id.desc()).limit(2)
    return [(who, what, about) for who, what, about in connection.execute(wanted)]


def test_rows_taken_out_are_those_that_verify(tmp_path: Path) -> None:
    """A row of the page's export is the row of `prove audit export`."""
    with portal_site.served(portal_site.configuration(tmp_path)) as site:
        with site.engine.begin() as connection:
            users.create(connection, "administrator", Standing.ADMINISTRATOR)
            users.choose_password(connection, users.named(connection, "administrator"), portal_site.PASSWORD)
            chain.record(connection, "anna", "admit", "study/1")
        with as_(site, Standing.ADMINISTRATOR) as client:
            lines = [json.loads(line) for line in client.get("/audit/export").text.splitlines()]
        with site.engine.begin() as connection:
            rows = {each["id"]: each for each in chain.records(connection) if each["kind"] == "row"}
        assert lines
        assert all(rows[line["id"]] == line for line in lines)
