"""What uploads take of the machine is bound: memory over all of them, and the disk's reserve."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import portal_site
from cohortium.errors import Unavailable
from cohortium.govern import grants, users
from cohortium.govern.roles import Role
from cohortium.web.intake import Intake
from foreign_files import npy
from portal_site import Served

FIELDS = {"level": "project", "kind": "mask", "label": "segmentation"}
FILES = "/api/v1/projects/lung/files"


def test_an_upload_alone_may_be_large_and_a_second_waits(tmp_path: Path) -> None:
    intake = Intake(100, tmp_path, 0)
    with intake.holding() as first:
        first.now(150)  # alone, the largest file that is taken bounds it
        with pytest.raises(Unavailable, match="memory"), intake.holding() as second:
            second.now(1)
        first.now(60)
        with intake.holding() as second:
            second.now(40)
            with pytest.raises(Unavailable, match="memory"):
                second.now(41)
            second.now(10)
    with intake.holding() as third:
        third.now(100)


def test_the_disk_keeps_its_reserve(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    Intake(1, tmp_path, free // 2).demand_room()
    Intake(1, tmp_path, 0).demand_room()
    with pytest.raises(Unavailable, match="nearly full"):
        Intake(1, tmp_path, free * 2).demand_room()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    settings = portal_site.configuration(tmp_path, sections="[limits]\nintake_megabytes = 1")
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", portal_site.slices(1))
        yield served


@pytest.fixture
def owner(site: Served) -> Iterator[httpx.Client]:
    with site.engine.begin() as connection:
        password = users.create(connection, "olga")
        grants.give(connection, users.named(connection, "olga").id, 1, Role.OWNER)
    with httpx.Client(base_url=site.url, timeout=300) as client:
        portal_site.become(client, "olga", password)
        yield client


def test_who_comes_while_memory_is_full_is_asked_to_wait(site: Served, owner: httpx.Client) -> None:
    with site.app.state.intake.holding() as other:
        other.now(2_000_000)
        for answer in (_file(owner), _image(owner)):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert "memory" in answer.json()["detail"]
    assert _file(owner).status_code == 201
    assert _image(owner).status_code in (200, 409)
    with site.app.state.intake.holding() as alone:
        alone.now(1_000_000)  # what was taken and refused counts no more


def test_who_comes_while_the_disk_is_full_is_told_so(site: Served, owner: httpx.Client) -> None:
    site.app.state.intake._reserve = 1 << 60
    answers = [_file(owner), _image(owner)]
    place = "/data/projects/lung/resources/notes/files/a.npy"
    answers.append(owner.put(place, content=npy(1), headers={"user-agent": "xnatpy/0.8"}))
    for answer in answers:
        assert answer.status_code == 503, answer.text
        assert "nearly full" in answer.text


def _file(client: httpx.Client) -> httpx.Response:
    return client.post(FILES, data=FIELDS, files={"file": ("mask.npy", npy(1))})


def _image(client: httpx.Client) -> httpx.Response:
    body = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + portal_site.slices(1)[0] + b"\r\n--x--\r\n"
    kind = 'multipart/related; type="application/dicom"; boundary=x'
    return client.post("/dicomweb/lung/studies", content=body, headers={"Content-Type": kind})
