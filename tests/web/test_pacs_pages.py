"""Asking a PACS, and completeness, over HTTP: who may, who sees what, what hostile uploads hear, what is audited."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

import gateway_site
import pacs_site
import portal_site
from cohortium import keys
from cohortium.govern import logins, users
from cohortium.spool import Spool
from cohortium.spool.wanted import Asked, Standing
from cohortium.store.schema import audit, requested
from portal_site import Served, form_of

PLANTED = (pacs_site.ASKED, pacs_site.UID, "ACC-OLD", "SUBJ-001")

WAYS: list[tuple[dict[str, str], int]] = [
    ({"pasted": "AccessionNumber\r\nÄ1\r\n"}, 1),
    ({"first": "2024-03-01", "last": "2024-03-31", "modality": "CT", "description": "THORAX*"}, 31),
    ({"patient": "HOSP-778899"}, 1),
    ({"first": "2024-03-01", "patient": "HOSP-778899", "source": "old-pacs"}, 1),
]
UNFIT: list[tuple[bytes, dict[str, str], str]] = [
    (b"", {}, "Give one of these"),
    (b"A1", {"pasted": "A2"}, "Give one of these"),
    (b"A1", {"modality": "CT"}, "Give one of these"),
    (b"TULIPAN\x00\x01", {}, "This is no text"),
    ("TULIPAN".encode("utf-16")[:-1], {}, "cannot be told"),
    (b'A1\n"TULIPAN', {}, "Row 2"),
    (b"PatientID;StudyDate\nTULIPAN", {}, "Row 2 of the list has 1 cells"),
    (b"A1\nTULIPAN*", {}, "Row 2"),
    (b"A1\n" * 400_000, {}, "divide it"),
    (b"A1", {"hours": "7-25"}, "span such as"),
    (b"A1", {"hours": "8-17", "source": "old-pacs"}, "from 19 to 6 only"),
    (b"A1", {"studies_hour": "many"}, "whole number"),
    (b"", {"first": "yesterday"}, "A day is written"),
    (b"", {"modality": "CT"}, "from which day"),
]


@pytest.fixture
def site(tmp_path: Path, place: Path | str) -> Iterator[Served]:
    settings = pacs_site.configured(tmp_path, place)
    pacs_site.asked(settings)
    with portal_site.served(settings) as served:
        gateway_site.people(served)
        yield served


def as_(site: Served, name: str) -> httpx.Client:
    with site.engine.begin() as connection:
        token = logins.open_login(connection, users.named(connection, name), 1)
    return httpx.Client(base_url=site.url, cookies={"cohortium": token}, timeout=300)


def said(site: Served) -> list[tuple[str, str, str]]:
    with site.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(audit.c.who, audit.c.what, audit.c.object))]


def newest(site: Served) -> Asked:
    asked: Asked = site.app.state.requests.asked()[0]
    return asked


def ask(client: httpx.Client, file: bytes = b"", **fields: Any) -> httpx.Response:
    sent = {"form": form_of(client.get("/pacs")), "source": "pacs", **fields}
    return client.post("/pacs", data=sent, files={"list": ("TULIPAN.csv", file)})


def test_no_page_of_counts_names_anybody(site: Served) -> None:
    for name in ("manager", "administrator", "maintainer"):
        with as_(site, name) as client:
            for path in ("/pacs", "/completeness", "/completeness/1", "/completeness/2/counts.csv"):
                answer = client.get(path)
                assert answer.status_code == 200, (name, path)
                assert not [value for value in PLANTED if value in answer.text], (name, path)


def test_whom_it_is_about_is_shown_to_data_managers_and_each_look_is_audited(site: Served) -> None:
    for name in ("administrator", "maintainer"):
        with as_(site, name) as client:
            assert client.get("/completeness/1/named").status_code == 403
            assert client.get("/completeness/1/named.csv").status_code == 403
            assert "Show which studies" not in client.get("/completeness/1").text
    with as_(site, "manager") as client:
        for path in ("/completeness/1/named", "/completeness/1/named.csv"):
            answer = client.get(path)
            assert f"{pacs_site.ASKED}-0" in answer.text
            assert f"{pacs_site.UID}.1.0.2" in answer.text, "a series"
            assert answer.headers["cache-control"] == "no-store"
        client.get("/completeness/2/counts.csv")
        assert "SUBJ-001" in client.get("/completeness/absent.csv?source=ward").text
    rows = said(site)
    assert rows.count(("manager", "look at who was asked for", "request 1")) == 2
    assert ("manager", "export completeness", "request 2") in rows
    assert ("manager", "look at what is absent", "ward") in rows


def test_a_request_is_complete_only_when_every_image_is_held_and_compared(site: Served) -> None:
    with as_(site, "maintainer") as client:
        assert "</span> complete</span>" in client.get("/pacs").text
        with site.engine.begin() as connection:
            first = requested.c.request_id == 1
            connection.execute(update(requested).where(first).values(confirmed=299, aside=1, sent=299))
        page = client.get("/pacs").text
    assert "</span> complete</span>" not in page
    assert "3 of its images are set aside, or were not compared when sent" in page


def test_counts_leave_as_a_table(site: Served) -> None:
    with as_(site, "maintainer") as client:
        rows = list(csv.DictReader(StringIO(client.get("/completeness/2/counts.csv").text)))
    assert len(rows) == 6 * 3 + 1, "six studies of two series, and a query that found none"
    whole = [row for row in rows if not row["series"]]
    assert sum(int(row["listed"]) for row in whole) == 6 * 300
    assert sum(int(row["arrived"]) for row in whole) == 6 * 300 - 3 * 38
    assert whole[-1]["why"] == "the PACS holds no such study"


def test_a_list_is_asked_for_within_hours_and_a_quota(site: Served) -> None:
    with as_(site, "manager") as client:
        answer = ask(client, b"A1\nA2\nA1\n", hours="20-5", studies_hour="7")
        assert (answer.status_code, answer.headers["location"]) == (303, "/pacs?asked=6&twice=1")
        page = client.get(answer.headers["location"])
        assert "Request 6 is made; 1 row of the list only said again" in page.text
    found = newest(site)
    assert (found.queries, found.hours, found.studies_hour, found.by) == (2, "20-5", 7, "manager")
    assert ("manager", "a PACS is asked", "pacs, request 6") in said(site)
    lines = site.app.state.requests.next_query("pacs", [6])
    assert lines == (6, 0, {"AccessionNumber": "A1"})


def test_other_ways_to_ask(site: Served) -> None:
    with as_(site, "manager") as client:
        for fields, queries in WAYS:
            assert ask(client, **fields).status_code == 303
            assert newest(site).queries == queries


def test_what_cannot_be_asked_is_told_and_nothing_is_asked(site: Served) -> None:
    with as_(site, "manager") as client:
        for file, fields, words in UNFIT:
            answer = ask(client, file, **fields)
            assert answer.status_code in (413, 422), words
            assert words in answer.text.split('role="alert">')[1].split("<")[0]
            assert "TULIPAN" not in answer.text
    assert newest(site).id == 5


def test_a_form_that_is_not_from_the_page_asks_nothing(site: Served) -> None:
    with as_(site, "manager") as client:
        for sent in ({"form": "x", "pasted": "A1", "source": "pacs"}, {"pasted": "A1", "source": "pacs"}):
            assert client.post("/pacs", data=sent, files={"list": ("", b"")}).status_code == 409
        assert client.post("/pacs", content=b"--x", headers={"content-type": "multipart/form-data"}).status_code == 400
        assert ask(client, b"A1", source="elsewhere").status_code == 400
        assert client.post("/pacs/3", data={"step": "cancel", "form": "x"}).status_code == 409
    with as_(site, "administrator") as client:
        assert client.post("/pacs", data={"pasted": "A1"}, files={"list": ("", b"")}).status_code == 403
    assert newest(site).id == 5


def test_requests_are_paused_go_on_and_are_cancelled(site: Served) -> None:
    with as_(site, "administrator") as client:
        form = form_of(client.get("/completeness/2"))
        for number, step, standing in (
            (3, "pause", Standing.PAUSED),
            (3, "go on", Standing.OPEN),
            (3, "cancel", Standing.CANCELLED),
            (2, "again", Standing.OPEN),
        ):
            answer = client.post(f"/pacs/{number}", data={"step": step, "form": form})
            assert (answer.status_code, answer.headers["location"]) == (303, f"/pacs#request-{number}")
            assert site.app.state.requests.one(number).standing is standing
            assert ("administrator", f"a request to a PACS is {standing}", f"request {number}") in said(site)
        assert client.post("/pacs/4", data={"step": "go on", "form": form}).status_code == 422
        assert client.post("/pacs/99", data={"step": "pause", "form": form}).status_code == 404
        assert client.post("/pacs/3", data={"step": "drop", "form": form}).status_code == 400
    assert site.app.state.requests.one(2).stages == {"settled": 3, "waiting": 4}


def test_lists_that_were_let_go_of_are_shown_to_nobody_and_their_counts_stay(site: Served) -> None:
    site.app.state.requests.let_go(datetime.now(UTC) + timedelta(days=1))
    with as_(site, "manager") as client:
        page = client.get("/completeness/2")
        assert "Show which studies" not in page.text
        assert "were let go of" in page.text
        assert client.get("/completeness/2/named").status_code == 409
        assert "1,686" in page.text


def test_while_a_gateway_is_at_work_the_time_left_is_told(site: Served) -> None:
    settings = site.app.state.config
    with as_(site, "maintainer") as client:
        assert "left, until" not in client.get("/pacs").text
        with Spool(site.engine, settings.site.data / "spool", keys.load(settings.site.key, settings.site.data)):
            page = client.get("/pacs").text
    assert "can be asked" in page
    assert "about 5 hours left, until" in page, "108 studies and queries, 20 of them within an hour"


def test_a_folder_is_compared_and_the_newest_stays(site: Served) -> None:
    with as_(site, "administrator") as client:
        page = client.get("/completeness")
        assert "absent.csv" not in page.text
        sent = {"pipeline": "incoming", "form": form_of(page)}
        assert client.post("/completeness", data=sent).status_code == 303
        assert client.post("/completeness", data=sent | {"pipeline": "ct"}).status_code == 400
        (site.app.state.config.site.data.parent / "ward").rmdir()
        assert client.post("/completeness", data=sent).status_code == 422
    (found,) = site.app.state.comparisons.newest()
    assert (found.by, found.known, found.absent) == ("administrator", 0, 0)
    assert ("administrator", "compare delivery", "incoming") in said(site)


def test_a_site_without_a_pacs_hears_how_to_name_one(tmp_path: Path) -> None:
    settings = pacs_site.configured(tmp_path, sections='[[project]]\nname = "lung"\n')
    with portal_site.served(settings) as served:
        gateway_site.people(served)
        with as_(served, "manager") as client:
            assert "[[source.pacs]]" in client.get("/pacs").text
            assert "Ask a PACS" in client.get("/completeness").text
