"""What other systems send to a source of the site: durable and sealed when it is answered, under the source's token."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
from pydicom import dcmread

import portal_site
from cohortium import config, keys
from cohortium.dicom import filemeta
from cohortium.errors import ConfigError
from cohortium.spool import Spool
from cohortium.store import open_store
from cohortium.values import State
from cohortium.web.app import create
from hospital import PLANTED, slice_of
from portal_site import Served

TOKEN = "0123456789abcdef" * 2
AS_SENDER = {"Authorization": f"Bearer {TOKEN}"}
SECTIONS = """
[limits]
file_megabytes = 1
[[source.http]]
name = "ward"
token_file = "ward.token"
[[pipeline]]
name = "ct"
sources = ["ward"]
project = "lung"
"""
DICOMDIR = filemeta.build("1.2.840.10008.1.3.10", "1.2.3", "1.2.840.10008.1.2.1") + PLANTED[0].encode()
IMAGES = [slice_of(number) for number in range(1, 4)]


@pytest.fixture
def settings(tmp_path: Path) -> config.Config:
    token = tmp_path / "ward.token"
    token.touch(mode=0o600)
    token.write_text(TOKEN)
    return portal_site.configuration(tmp_path, sections=SECTIONS)


@pytest.fixture
def site(settings: config.Config) -> Iterator[Served]:
    with portal_site.served(settings) as served:
        yield served


@pytest.fixture
def sender(site: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.url, headers=AS_SENDER, timeout=300) as client:
        yield client


def stow(client: httpx.Client, parts: list[bytes], place: str = "/intake/ward/studies") -> httpx.Response:
    body = b"".join(b"--x\r\nContent-Type: application/dicom\r\n\r\n" + each + b"\r\n" for each in parts) + b"--x--\r\n"
    kind = 'multipart/related; type="application/dicom"; boundary=x'
    return client.post(place, content=body, headers={"Content-Type": kind})


def zipped(*contents: bytes) -> bytes:
    package = BytesIO()
    with ZipFile(package, "w") as file:
        for number, content in enumerate(contents):
            file.writestr(f"{PLANTED[4]}/{number}", content)
    return package.getvalue()


def taken(settings: config.Config, state: State = State.RECEIVED) -> list[bytes]:
    """What the next gateway finds."""
    key = keys.load(settings.site.key, settings.site.data)
    with Spool(open_store(settings), settings.site.data / "spool", key) as spool:
        items = [item for batch in spool.waiting(state) for item in batch]
        assert {item.source for item in items} <= {"ward"}
        return sorted(spool.incoming(item) for item in items)


def test_each_part_of_stow_has_its_answer_and_is_found_by_the_gateway(
    sender: httpx.Client, settings: config.Config
) -> None:
    cut = IMAGES[2][:200] + bytes(200)  # DICOM by its first bytes, and nothing that can be read
    answer = stow(sender, [IMAGES[0], b"a letter", IMAGES[1], cut])
    assert answer.status_code == 202
    assert answer.headers["content-type"] == "application/dicom+json"
    said = answer.json()
    uids = [each["00081155"]["Value"][0] for each in said["00081199"]["Value"]]
    assert uids == [dcmread(BytesIO(each)).SOPInstanceUID for each in IMAGES[:2]]
    assert [each["00081197"]["Value"] for each in said["00081198"]["Value"]] == [[0xC000], [0xC000]]
    assert taken(settings) == sorted([*IMAGES[:2], cut])


def test_stow_answers_as_the_archive_does(sender: httpx.Client, settings: config.Config) -> None:
    assert stow(sender, [IMAGES[0]]).status_code == 200
    assert stow(sender, [IMAGES[0]], "/intake/ward").status_code == 200
    other = stow(sender, [IMAGES[1]], "/intake/ward/studies/1.2.3")
    assert other.status_code == 409
    assert other.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0xA900]
    assert stow(sender, [b"a letter"]).status_code == 409
    assert stow(sender, []).status_code == 400
    assert stow(sender, [IMAGES[0] + bytes(1_100_000)]).status_code == 413
    assert sender.post("/intake/ward/studies", content=b"x", headers={"Content-Type": "text/plain"}).status_code == 415
    assert taken(settings) == [IMAGES[0]]


def test_forms_bring_images_and_zips_of_them(sender: httpx.Client, settings: config.Config) -> None:
    contents = [IMAGES[0], zipped(*IMAGES[1:], DICOMDIR), b"a letter", zipped(IMAGES[0])[:-30]]
    answer = sender.post("/intake/ward", files=[("file", (PLANTED[5], each)) for each in contents])
    assert answer.status_code == 202
    assert [each["taken"] for each in answer.json()["files"]] == [1, 2, 0, 0]
    assert "cannot be unpacked" in answer.json()["files"][3]["problem"]
    assert taken(settings) == sorted(IMAGES)
    assert taken(settings, State.QUARANTINED) == [contents[3]]


def test_a_body_may_be_one_file_of_any_size(sender: httpx.Client, settings: config.Config) -> None:
    package = zipped(*IMAGES, bytes(900_000), bytes(900_000))  # more than a file may have
    answer = sender.post("/intake/ward", content=package, headers={"Content-Type": "application/zip"})
    assert (answer.status_code, answer.json()) == (200, {"files": [{"taken": 3, "problem": ""}]})
    assert taken(settings) == sorted(IMAGES)


def test_nobody_learns_of_a_source_without_its_token(site: Served, settings: config.Config) -> None:
    shown = ["", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", "Bearer", "Basic eDp5"]
    with httpx.Client(base_url=site.url) as client:
        for name in ("ward", "none"):
            answers = [
                stow(client, [IMAGES[0]], f"/intake/{name}/studies") for client.headers["Authorization"] in shown
            ]
            assert {each.status_code for each in answers} == {401}
            assert len({each.text for each in answers}) == 1
        assert stow(client, [IMAGES[0]], "/intake/none").status_code == 401
        assert client.post("/intake/ward", auth=("anyone", TOKEN), files={"f": IMAGES[0]}).status_code == 200
    assert taken(settings) == [IMAGES[0]]


def test_nothing_of_a_patient_lies_in_the_clear_anywhere(
    sender: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    package = zipped(*IMAGES, bytes(4_000_000))
    sender.post("/intake/ward", content=package, headers={"Content-Type": "application/zip"})
    sender.post("/intake/ward", files=[("file", (PLANTED[5], each)) for each in (IMAGES[0], package[:-30], b"x")])
    stow(sender, IMAGES)
    assert list(scratch.iterdir()) == []
    there = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert [value for value in PLANTED if value.encode() in there or value in caplog.text] == []


def test_a_weak_or_open_token_opens_no_portal(settings: config.Config) -> None:
    token = settings.file.parent / "ward.token"
    token.write_text("short")
    with pytest.raises(ConfigError, match="openssl rand"):
        create(settings)
    token.chmod(0o644)
    with pytest.raises(Exception, match="chmod 600"):
        create(settings)
