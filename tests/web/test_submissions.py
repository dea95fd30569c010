"""A dataset version as a package for submission, through the API: whole, or refused with its place; nothing stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
from sqlalchemy import select, update

from client_archive import Archive, archived
from cohortium.archive import datasets, lists
from cohortium.govern import logins, users
from cohortium.store import schema
from cohortium.web.api.submissions import MEMORY
from submissions import Tables, put, read, tables

pytestmark = pytest.mark.skipif(not MEMORY.is_dir(), reason="this system has no /dev/shm")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    with archived(tmp_path_factory.mktemp("site")) as made:
        with made.served.engine.begin() as connection:
            connection.execute(update(schema.project).values(admit="trusted"))
        yield made


def frozen(archive: Archive, folder: Path, made: Tables, name: str) -> str:
    """A version of the project with these tables; its digest."""
    with archive.client as client:
        for source in put(folder, made):
            client.upload("lung", source.path, kind="clinical", label="clinical")
        return client.freeze("lung", name).digest


def asked(archive: Archive, version: str, **query: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {archive.token}"}
    url = f"{archive.served.url}/api/v1/projects/lung/datasets/{version}/submission.zip"
    return httpx.get(url, headers=headers, params=query, timeout=120)


def lying() -> set[str]:
    return {path.name for path in MEMORY.glob("cohortium-*")}


@pytest.mark.parametrize("form", ["xport", "csv"])
def test_a_version_is_sent_as_one_zip(archive: Archive, tmp_path: Path, form: str) -> None:
    before = lying()
    digest = frozen(archive, tmp_path / "in", tables("p01", "p02"), "clinical")
    answer = asked(archive, "clinical", format=form, sdtmig="3.4")
    assert answer.status_code == 200, answer.text
    with ZipFile(BytesIO(answer.content)) as zip:
        assert zip.testzip() is None
        zip.extractall(tmp_path / "out")
    end = ".csv" if form == "csv" else ".xpt"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *(f"{name}{end}" for name in ("dm", "dd", "lb", "mb", "pr")),
        "define.xml",
        "package.json",
    }
    assert len(read(tmp_path / "out" / f"lb{end}")) == 20
    package = json.loads((tmp_path / "out" / "package.json").read_text("utf-8"))
    assert package["dataset"] == {"name": "lung/clinical", "digest": digest}
    assert package["standards"]["SDTMIG"] == "3.4"
    assert lying() <= before
    with archive.served.engine.connect() as connection:
        assert "retrieve submission" in connection.scalars(select(schema.audit.c.what)).all()


def test_the_page_of_a_version_offers_it_where_there_are_tables(archive: Archive, tmp_path: Path) -> None:
    with archive.served.engine.begin() as connection:
        shown = {"cohortium": logins.open_login(connection, users.named(connection, "ada"), 1)}
        saved = lists.save(
            connection, 1, "scans", connection.scalars(select(schema.scan.c.SeriesInstanceUID)).all(), "ada"
        )
        bare = datasets.freeze(connection, 1, "bare", "ada", source=saved).digest
    digest = frozen(archive, tmp_path, tables("p07"), "offered")
    for version, offered in ((bare, False), (digest, True)):
        page = httpx.get(f"{archive.served.url}/projects/lung/datasets/{version}", cookies=shown)
        assert page.status_code == 200
        assert (f"datasets/{version}/submission.zip" in page.text) is offered


def test_what_cannot_be_written_is_told_with_its_place(archive: Archive, tmp_path: Path) -> None:
    made = tables()
    made["p01_lb.csv"][2]["LBSTRESN"] = "Mueller"
    frozen(archive, tmp_path, {"p09_lb.csv": made["p01_lb.csv"]}, "wrong")
    answer = asked(archive, "wrong")
    assert answer.status_code == 422
    assert "p09_lb.csv, row 3: LBSTRESN is no number in 1 row" in answer.json()["detail"]
    assert "Mueller" not in answer.text


def test_a_version_that_lacks_a_table_is_no_version_any_more(archive: Archive, tmp_path: Path) -> None:
    rows = [row | {"USUBJID": f"P8{number}"} for number, row in enumerate(tables()["p01_mb.csv"])]
    frozen(archive, tmp_path, {"p08_mb.csv": rows}, "lacking")
    with archive.client as client:
        (of,) = (each for each in client.files("lung") if each.label == "clinical")
    archive.served.app.state.archive.detach(of.id, "p08_mb.csv", who="ada", reason="sent by mistake")
    assert asked(archive, "lacking").status_code == 410
