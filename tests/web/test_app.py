"""The running application: logging in, what surrounds every answer, what the API gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select, update

import portal_site
from cohortium.govern import users
from cohortium.store.schema import audit, instance, login
from portal_site import PASSWORD, Served


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, module_place: Path | str) -> Iterator[Served]:
    settings = portal_site.configuration(tmp_path_factory.mktemp("site"), module_place)
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", portal_site.slices(5))
        yield served


@pytest.fixture(scope="module")
def client(site: Served) -> Iterator[httpx.Client]:
    password = users.ensure_administrator(site.engine)
    assert password is not None
    with httpx.Client(base_url=site.url) as client:
        assert portal_site.become(client, "admin", password).headers["location"] == "/"
        yield client


def trail(site: Served) -> list[tuple[str, str, str]]:
    with site.engine.connect() as connection:
        rows = connection.execute(select(audit.c.who, audit.c.what, audit.c.object).order_by(audit.c.id))
        return [(row.who, row.what, row.object) for row in rows]


def test_from_one_time_password_to_projects(site: Served, client: httpx.Client) -> None:
    assert "Lung study" in client.get("/").text
    assert [entry[:2] for entry in trail(site)[:2]] == [("admin", "login"), ("admin", "choose password")]


def test_the_cookie_is_out_of_reach_and_new_after_login(site: Served, client: httpx.Client) -> None:
    with httpx.Client(base_url=site.url) as fresh:
        before = fresh.get("/login").cookies["cohortium"]
        answer = portal_site.log_in(fresh, "admin", PASSWORD)
        header = answer.headers["set-cookie"]
        after = answer.cookies["cohortium"]
    assert before != after
    assert all(part in header for part in ("HttpOnly", "SameSite=strict", "Path=/"))
    with site.engine.connect() as connection:
        assert not {before, after} & set(connection.scalars(select(login.c.token_digest)))


def test_logging_out_ends_the_login_at_the_server(site: Served, client: httpx.Client) -> None:
    with httpx.Client(base_url=site.url) as other:
        portal_site.log_in(other, "admin", PASSWORD)
        token = portal_site.form_of(other.get("/"))
        kept = other.cookies["cohortium"]
        assert other.post("/logout", data={"form": token}).status_code == 303
        other.cookies.set("cohortium", kept)
        assert other.get("/").headers["location"] == "/login"
    assert trail(site)[-1][:2] == ("admin", "logout")


@pytest.mark.parametrize(("path", "token"), [("/login", ""), ("/login", "0" * 64), ("/logout", ""), ("/logout", "ä")])
def test_a_form_from_elsewhere_is_not_taken(site: Served, path: str, token: str) -> None:
    with httpx.Client(base_url=site.url) as other:
        other.get("/login")
        answer = other.post(path, data={"name": "admin", "password": PASSWORD, "form": token})
    assert answer.status_code == 409


def test_a_form_sent_by_another_site_is_not_taken_even_with_its_token(site: Served) -> None:
    with httpx.Client(base_url=site.url) as other:
        token = portal_site.form_of(other.get("/login"))
        form = {"name": "admin", "password": PASSWORD, "form": token}
        assert other.post("/login", data=form, headers={"sec-fetch-site": "cross-site"}).status_code == 409


def test_guessing_has_to_wait_and_says_nothing_about_who_exists(site: Served) -> None:
    with httpx.Client(base_url=site.url) as other:
        answers = {name: [portal_site.log_in(other, name, "no") for _ in range(7)] for name in ("erika", "admin2")}
    for each in answers.values():
        assert [answer.status_code for answer in each[:5]] == [403] * 5
        assert 429 in [answer.status_code for answer in each[5:]]
    texts = {name: each[0].text.replace(name, "") for name, each in answers.items()}
    strip = {text.split('name="form"')[0] for text in texts.values()}
    assert len(strip) == 1


def test_an_ended_login_is_no_login(site: Served, client: httpx.Client) -> None:
    with httpx.Client(base_url=site.url) as other:
        portal_site.log_in(other, "admin", PASSWORD)
        with site.engine.begin() as connection:
            newest = connection.scalar(select(login.c.token_digest).order_by(login.c.created.desc()).limit(1))
            connection.execute(
                update(login).where(login.c.token_digest == newest).values(expires="2020-01-01T00:00:00.000000+00:00")
            )
        assert other.get("/api/v1/projects").status_code == 401


@pytest.mark.parametrize("path", ["/", "/login", "/scans/1", "/api/v1/scans/1", "/nowhere", "/static/portal.css"])
def test_headers_are_strict_everywhere(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == ("no-cache" if path.startswith("/static/") else "no-store")


@pytest.mark.parametrize("path", ["/", "/login", "/projects/lung", "/scans/1", "/nowhere"])
def test_pages_hold_no_inline_code_and_no_outside_address(client: httpx.Client, path: str) -> None:
    text = client.get(path).text
    assert " style=" not in text
    assert " onclick=" not in text
    assert "http://" not in text
    assert "https://" not in text
    assert "<script>" not in text


def test_frames_come_in_order_and_say_what_they_are(client: httpx.Client) -> None:
    scan = client.get("/api/v1/scans/1").json()
    assert [at["position"] for at in scan["frames"]] == [0, 2.5, 5, 7.5, 10]
    assert scan["presets"][1]["name"] == "Lung"
    for n, at in enumerate(scan["frames"]):
        answer = client.get(f"/api/v1/instances/{at['instance']}/frames/{at['frame']}")
        about = json.loads(answer.headers["cohortium-frame"])
        assert about["samples"] == "int16"
        assert about["window"] == {"name": "As acquired", "centre": 128, "width": 512}
        assert about["spacing"] == [2.5, 2.5]
        samples = np.frombuffer(answer.content, "<i2").reshape(about["rows"], about["columns"])
        assert (samples == n * 10).all()


def test_a_thumbnail_is_a_picture(client: httpx.Client) -> None:
    assert Image.open(BytesIO(client.get("/api/v1/scans/1/thumbnail.png").content)).size == (112, 112)


def test_opening_is_audited(site: Served, client: httpx.Client) -> None:
    client.get("/projects/lung")
    series = client.get("/api/v1/scans/1").json()["SeriesInstanceUID"]
    client.get("/scans/1")
    opened = ("admin", "open scan", f"lung/{series}")
    assert trail(site)[-3:] == [("admin", "open project", "lung"), opened, opened]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/scans/99",
        "/api/v1/scans/x",
        f"/api/v1/scans/{1 << 64}",
        "/api/v1/instances/1/frames/7",
        f"/api/v1/instances/{1 << 64}/frames/0",
        "/api/nothing",
        "/api/v1/projects/",
    ],
)
def test_what_is_not_there_is_a_problem_document(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 404


@pytest.mark.parametrize(
    "path", ["/projects/none", "/scans/99", "/scans/x", f"/scans/{1 << 64}", "/login/", "/nowhere"]
)
def test_what_is_not_there_is_a_page_for_people(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text


def test_a_large_or_endless_body_is_not_taken(client: httpx.Client) -> None:
    assert client.post("/login", data={"name": "x" * 70_000}).status_code == 413
    assert client.post("/login", content=iter([b"name=x"])).status_code == 413


def test_damage_in_the_archive_is_told_and_nothing_else(site: Served, client: httpx.Client) -> None:
    with site.engine.begin() as connection:
        row = connection.execute(select(instance).order_by(instance.c.id.desc()).limit(1)).one()
        connection.execute(update(instance).where(instance.c.id == row.id).values(digest="0" * 64))
    answer = client.get(f"/api/v1/instances/{row.id}/frames/0")
    with site.engine.begin() as connection:
        connection.execute(update(instance).where(instance.c.id == row.id).values(digest=row.digest))
    assert answer.status_code == 500
    assert answer.json()["detail"].startswith("object 000000000000 is missing")


def test_what_cannot_be_decoded_is_a_clear_answer(site: Served, client: httpx.Client) -> None:
    data = site.app.state.config.site.data
    dataset = portal_site.ct_slice(1, "S-0009", "1.2.3", "1.2.3.4")
    dataset.PixelData = b"\0\0"
    portal_site.fill(site.engine, data, "broken", "Broken", [portal_site.encode(dataset)])
    with site.engine.connect() as connection:
        newest = connection.scalar(select(instance.c.id).order_by(instance.c.id.desc()).limit(1))
    answer = client.get(f"/api/v1/instances/{newest}/frames/0")
    assert answer.status_code == 422
    assert "cannot be decoded" in answer.json()["detail"]


def test_an_error_nobody_thought_of_shows_no_traceback(
    site: Served, client: httpx.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(site.app.state, "pictures", None)
    answer = client.get("/api/v1/scans/1/thumbnail.png")
    assert answer.status_code == 500
    assert "Traceback" not in answer.text
    assert "NoneType" not in answer.text
    assert "AttributeError in cohortium.web.api.scans" in caplog.text
