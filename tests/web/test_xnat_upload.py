"""Files beside the images through XNAT's clients: made, uploaded one by one and as a directory, read, removed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pyxnat
import xnat
from xnat.exceptions import XNATResponseError, XNATUploadError

import portal_site
from cohortium.govern import grants, users
from cohortium.govern.roles import Role
from foreign_files import npy
from portal_site import PASSWORD, Served

LOG = logging.getLogger("xnat")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, module_place: Path | str) -> Iterator[Served]:
    settings = portal_site.configuration(tmp_path_factory.mktemp("site"), module_place)
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", portal_site.slices(1))
        with served.engine.begin() as connection:
            for name, role in (("olga", Role.OWNER), ("mara", Role.MEMBER), ("colin", Role.COLLABORATOR)):
                users.create(connection, name)
                users.choose_password(connection, users.named(connection, name), PASSWORD)
                grants.give(connection, users.named(connection, name).id, 1, role)
        yield served


@pytest.fixture(scope="module")
def olga(site: Served) -> Iterator[Any]:
    with xnat.connect(site.url, user="olga", password=PASSWORD, logger=LOG) as session:
        yield session


def test_a_file_goes_to_a_resource_and_comes_back(olga: Any, tmp_path: Path) -> None:
    (tmp_path / "one.npy").write_bytes(npy(1))
    for at in (olga.projects["lung"], olga.projects["lung"].subjects["S-0001"].experiments[0].scans["3"]):
        resource = at.create_resource("masks")
        assert (resource.label, resource.file_count) == ("masks", 0)
        resource.upload(tmp_path / "one.npy", "one.npy", verbose=False)
        resource.upload_data(npy(2), "part/two.npy")
        at.clearcache()
        found = at.resources["masks"].files
        assert sorted(found.data) == ["one.npy", "part/two.npy"]
        with found["part/two.npy"].open() as file:
            assert file.read() == npy(2)
        assert at.resources["masks"].data["content"] == "mask"


@pytest.mark.parametrize("method", ["tgz_file", "tar_memory", "per_file"])
def test_a_directory_goes_whole(olga: Any, tmp_path: Path, method: str) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "one.npy").write_bytes(npy(1))
    (tmp_path / "part" / "two.npy").write_bytes(npy(2))
    subject = olga.projects["lung"].subjects["S-0001"]
    resource = subject.create_resource("features")
    resource.upload_dir(tmp_path, method=method)
    subject.clearcache()
    assert sorted(subject.resources["features"].files.data) == ["one.npy", "part/two.npy"]
    subject.resources["features"].files["one.npy"].delete()
    left = olga.get_json(f"{subject.uri}/resources/features/files")["ResultSet"]["Result"]
    assert [each["Name"] for each in left] == ["two.npy"]
    olga.delete(f"{subject.uri}/resources/features")
    subject.clearcache()
    assert "features" not in subject.resources


def test_what_may_tell_who_somebody_is_does_not_come_in(olga: Any) -> None:
    project = olga.projects["lung"]
    with pytest.raises(XNATResponseError, match="409"):
        project.create_resource("Mustermann")
    resource = project.create_resource("documents")
    with pytest.raises(XNATUploadError, match="1 of 1 files") as refusal:
        resource.upload_data(b"name,age\nErika Mustermann,61\n", "table.csv")
    assert "Erika" not in str(refusal.value)
    with pytest.raises(XNATUploadError, match="409"):
        olga.projects["lung"].subjects["S-0001"].experiments[0].scans["3"].resources["DICOM"].upload_data(b"x", "a.dcm")


def test_members_upload_owners_remove_and_readers_do_neither(site: Served) -> None:
    place = "/data/projects/lung/resources/masks"
    with xnat.connect(site.url, user="mara", password=PASSWORD, logger=LOG) as session:
        session.upload_string(f"{place}/files/three.npy", npy(3))
        for path in (place, f"{place}/files/three.npy"):
            with pytest.raises(XNATResponseError, match="403"):
                session.delete(path)
    with xnat.connect(site.url, user="colin", password=PASSWORD, logger=LOG) as session:
        with pytest.raises(XNATUploadError, match="403"):
            session.upload_string(f"{place}/files/four.npy", npy(4))
        with pytest.raises(XNATResponseError, match="403"):
            session.put("/data/projects/lung/resources/notes")


def test_pyxnat_sends_a_form(site: Served, tmp_path: Path) -> None:
    (tmp_path / "five.npy").write_bytes(npy(5))
    with pyxnat.Interface(server=site.url, user="olga", password=PASSWORD) as interface:
        file = interface.select.project("lung").resource("masks").file("five.npy")
        file.put(str(tmp_path / "five.npy"))
        assert file.exists()
        assert Path(file.get(str(tmp_path / "back.npy"))).read_bytes() == npy(5)
