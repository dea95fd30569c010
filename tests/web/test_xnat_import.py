"""Packages of images through xnatpy, unmodified: in, twice, broken, too large inside, reaching out, of another."""

from __future__ import annotations

import io
import logging
import tarfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest
import xnat
from pydicom import dcmread
from pydicom.uid import generate_uid
from sqlalchemy import func, select, update
from xnat.exceptions import XNATResponseError, XNATUploadError

import portal_site
from cohortium.archive.prearchive import DICOM
from cohortium.govern import grants, users
from cohortium.govern.roles import Role
from cohortium.spool.scratch import CHUNK, Scratch
from cohortium.store import schema
from cohortium.wire import packages
from portal_site import Served

LOG = logging.getLogger("xnat")
NUMBERS = count(1)
REFUSED = (XNATResponseError, XNATUploadError)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, module_place: Path | str) -> Iterator[Served]:
    settings = portal_site.configuration(tmp_path_factory.mktemp("site"), module_place)
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", portal_site.slices(2))
        with served.engine.begin() as connection:
            connection.execute(update(schema.project).values(admit="trusted"))
        yield served


@pytest.fixture(scope="module")
def connect(site: Served) -> Callable[[Role], Any]:
    def connected(role: Role) -> Any:
        with site.engine.begin() as connection:
            name = f"{role.value}-{next(NUMBERS)}"
            password = users.create(connection, name)
            connection.execute(update(schema.user).where(schema.user.c.name == name).values(one_time=False))
            grants.give(connection, users.named(connection, name).id, 1, role)
        return xnat.connect(site.url, user=name, password=password, logger=LOG)

    return connected


@pytest.fixture(scope="module")
def member(connect: Callable[[Role], Any]) -> Iterator[Any]:
    with connect(Role.MEMBER) as connection:
        yield connection


def zipped(contents: list[bytes], begin: str = "scan/") -> bytes:
    out = io.BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as archive:
        for number, content in enumerate(contents):
            archive.writestr(f"{begin}{number}.dcm", content)
    return out.getvalue()


def tarred(contents: list[bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for number, content in enumerate(contents):
            info = tarfile.TarInfo(f"scan/{number}.dcm")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def held(site: Served) -> tuple[int, int]:
    """How many instances there are, and entries that wait."""
    with site.engine.connect() as connection:
        tables = (schema.instance, schema.prearchive)
        found = [connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables]
    return found[0], found[1]


def test_a_zip_comes_in_once_however_often_it_is_sent(site: Served, member: Any, tmp_path: Path) -> None:
    images = portal_site.slices(3, subject="S-0002")
    (tmp_path / "session.zip").write_bytes(zipped(images))
    before, _ = held(site)
    for _ in range(2):
        made = member.services.import_(tmp_path / "session.zip", project="lung", subject="S-0002", experiment="visit_1")
        assert (made.label, made.subject.label) == ("visit_1", "S-0002")
    assert held(site) == (before + 3, 0)
    made.download(tmp_path / "back.zip", verbose=False)
    with ZipFile(tmp_path / "back.zip") as archive:
        assert {archive.read(name) for name in archive.namelist()} == set(images)


def test_a_folder_and_a_packed_tar_come_in(site: Served, member: Any, tmp_path: Path) -> None:
    for number, content in enumerate(portal_site.slices(2, subject="S-0003")):
        (tmp_path / f"{number}.dcm").write_bytes(content)
    made = member.services.import_dir(tmp_path, project="lung", destination="/archive", trigger_pipelines=False)
    assert made.label == "S-0003"
    made = member.services.import_(
        data=tarred(portal_site.slices(2, subject="S-0003")), content_type="application/x-tar", project="lung"
    )
    assert made.label == "S-0003_1"
    assert len(next(iter(made.scans.values())).files) == 2


def test_a_package_becomes_the_named_subjects(site: Served, member: Any) -> None:
    images = portal_site.slices(2, subject="S-0011")
    asked = {"data": zipped(images), "content_type": "application/zip", "project": "lung"}
    before, _ = held(site)
    for subject in ("case_1", "case_2", "case_1"):
        made = member.services.import_(**asked, subject=subject, experiment=f"{subject}_a")
        assert (made.label, made.subject.label) == (f"{subject}_a", subject)
    assert held(site) == (before + 4, 0)
    with made.scans[0].resources["DICOM"].files[0].open() as file:
        assert dcmread(io.BytesIO(file.read())).PatientName == "case_1"
    own = member.services.import_(**asked)
    assert (own.label, own.subject.label) == ("S-0011", "S-0011")
    by_number = member.services.import_(**asked, subject=own.subject.id, experiment=own.id)
    assert by_number.id == own.id


def test_an_experiment_that_was_made_empty_takes_the_images(site: Served, member: Any) -> None:
    subject = member.classes.SubjectData(parent=member.projects["lung"], label="case_3")
    empty = member.classes.MrSessionData(parent=subject, label="case_3_a")
    asked = {"content_type": "application/zip", "project": "lung"}
    package = zipped(portal_site.slices(2, subject="case_3"))
    with pytest.raises(REFUSED, match="409"):
        member.services.import_(data=zipped(portal_site.slices(1, subject="S-0012")), **asked, experiment="case_3_a")
    made = member.services.import_(data=package, **asked, subject="case_3", experiment="case_3_a")
    assert (made.id, made.label, made.date.isoformat()) == (empty.id, "case_3_a", "2024-01-31")
    other = zipped(portal_site.slices(1, subject="case_3"))
    with pytest.raises(REFUSED, match="409"):
        member.services.import_(data=other, **asked, subject="case_3", experiment="case_3_a")
    assert len(made.scans) == 1


def big() -> bytes:
    out = io.BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as archive:
        for number in range(5):
            with archive.open(f"{number}.dcm", "w") as file:
                for _ in range(96):
                    file.write(bytes(1 << 20))
    return out.getvalue()


def linked() -> bytes:
    out = io.BytesIO()
    with ZipFile(out, "w") as archive:
        info = ZipInfo("link.dcm")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return out.getvalue()


def linked_tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        info = tarfile.TarInfo("link.dcm")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    return out.getvalue()


IMAGES = portal_site.slices(2, subject="S-0004")
WRONG = {
    "cut": (zipped(IMAGES)[:-100], "422"),
    "no package": (b"PK nothing", "422"),
    "damaged": (zipped(IMAGES).replace(zipped(IMAGES)[400:420], bytes(20), 1), "422"),
    "cut tar": (tarred(IMAGES)[:-200], "422"),
    "bomb": (big(), "413"),
    "reaching out": (zipped(IMAGES, "../"), "422"),
    "absolute": (zipped(IMAGES, "/etc/"), "422"),
    "of a disk": (zipped(IMAGES, "C:\\"), "422"),
    "link": (linked(), "422"),
    "link in a tar": (linked_tar(), "422"),
    "broken image": (zipped([*IMAGES, IMAGES[0][:140] + b"Quastenflosser"]), "422"),
    "no image": (zipped([b"Quastenflosser"]), "422"),
    "two sessions": (zipped([*IMAGES, *portal_site.slices(1, subject="S-0004")]), "422"),
    "empty": (zipped([]), "422"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_changes_nothing(site: Served, member: Any, name: str) -> None:
    content, status = WRONG[name]
    before = held(site)
    with pytest.raises(REFUSED, match=status) as told:
        member.services.import_(data=content, content_type="application/zip", project="lung")
    assert "Quastenflosser" not in str(told.value)
    assert held(site) == before


def test_a_snapshot_is_left_out_and_a_broken_image_on_demand(site: Served, member: Any) -> None:
    image, broken = portal_site.slices(1, subject="S-0005"), IMAGES[0][:140] + b"Quastenflosser"
    asked = {"content_type": "application/zip", "project": "lung"}
    before, _ = held(site)
    with pytest.raises(REFUSED, match="422"):
        member.services.import_(data=zipped([*image, b"GIF89a"]), import_handler="DICOM-zip", **asked)
    for package, more in ((zipped([*image, b"GIF89a"]), {}), (zipped([*image, broken]), {"ignore_unparsable": True})):
        assert member.services.import_(data=package, **asked, **more).subject.label == "S-0005"
    assert held(site) == (before + 1, 0)
    with site.engine.connect() as connection:
        said = connection.scalars(select(schema.audit.c.object).where(schema.audit.c.what == "leave out of import"))
        assert said.all() == ["lung: 1 files that are no images"] * 2


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"subject": "Quastenflosser"}, "409"),
        ({"subject": "2001-01-31"}, "409"),
        ({"experiment": "S-0001_1"}, "409"),
        ({"experiment": "Quastenflosser"}, "409"),
        ({"overwrite": "delete"}, "409"),
        ({"quarantine": True}, "409"),
        ({"import_handler": "XAR"}, "501"),
        ({"project": "secret"}, "404"),
    ],
)
def test_wishes_that_do_not_agree_change_nothing(
    site: Served, member: Any, options: dict[str, Any], status: str
) -> None:
    before = held(site)
    with pytest.raises(REFUSED, match=status):
        member.services.import_(data=zipped(IMAGES), content_type="application/zip", **({"project": "lung"} | options))
    assert held(site) == before


def test_a_collaborator_imports_nothing(connect: Callable[[Role], Any]) -> None:
    with connect(Role.COLLABORATOR) as connection, pytest.raises(REFUSED, match="403"):
        connection.services.import_(data=zipped(IMAGES), content_type="application/zip", project="lung")


def test_what_the_check_refuses_is_counted_and_waits(site: Served, member: Any) -> None:
    named = portal_site.ct_slice(1, "S-0006", generate_uid(), generate_uid())
    named.PatientName = "Quastenflosser^Zebulon"
    with site.engine.begin() as connection:
        connection.execute(update(schema.project).values(admit="check"))
    try:
        with pytest.raises(REFUSED, match="1 of 1 images were refused") as told:
            member.services.import_(
                data=zipped([portal_site.encode(named)]), content_type="application/zip", project="lung"
            )
    finally:
        with site.engine.begin() as connection:
            connection.execute(update(schema.project).values(admit="trusted"))
            waits = connection.execute(select(schema.prearchive.c.kind)).scalars().all()
            connection.execute(schema.prearchive.delete())
    assert "Quastenflosser" not in str(told.value)
    assert waits == [DICOM]


def waiting(client: Any, subject: str) -> Any:
    """A session that was sent to the prearchive, as its owner sees it."""
    package = zipped(portal_site.slices(2, subject=subject))
    sent = client.services.import_(
        data=package, content_type="application/zip", project="lung", destination="/prearchive", subject=subject
    )
    (found,) = client.prearchive.sessions("lung")
    assert (found.uri, found.status, found.project) == (sent.uri, "READY", "lung")
    return found


def test_an_owner_archives_and_deletes_what_waits(site: Served, member: Any, connect: Callable[[Role], Any]) -> None:
    before, _ = held(site)
    with connect(Role.OWNER) as owner:
        found = waiting(owner, "S-0007")
        assert held(site) == (before, 2)
        assert owner.prearchive.find(project="lung", status="READY") == [found]
        assert len(found.scans) == 0
        assert found.timestamp == found.uploaded
        with pytest.raises(REFUSED, match="403"):
            member.prearchive.sessions("lung")
        assert member.prearchive.sessions() == []
        with pytest.raises(REFUSED, match="409"):
            found.move("secret")
        for other in ({"experiment": "S-0001_1"}, {"subject": "Quastenflosser"}, {"project": "secret"}):
            with pytest.raises(REFUSED, match="409"):
                found.archive(**other)
        assert held(site) == (before, 2)
        made = found.archive(experiment="visit_2")
        assert (made.label, made.subject.label) == ("visit_2", "S-0007")
        assert held(site) == (before + 2, 0)
        waiting(owner, "S-0008").delete()
        assert owner.prearchive.sessions() == []
        waiting(owner, "S-0009").rebuild()
        assert owner.prearchive.sessions() == []
        assert held(site) == (before + 4, 0)


def test_what_waits_keeps_the_labels_that_it_is_to_have(site: Served, connect: Callable[[Role], Any]) -> None:
    before, _ = held(site)
    asked = {"content_type": "application/zip", "project": "lung", "destination": "/prearchive"}
    with connect(Role.OWNER) as owner:
        for subject in ("case_4", "case_5"):
            package = zipped(portal_site.slices(2, subject="S-0013"))
            sent = owner.services.import_(data=package, **asked, subject=subject, experiment=f"{subject}_a")
            assert (sent.label, sent.subject, sent.uri.rsplit("/")[-1]) == (f"{subject}_a", subject, f"{subject}_a")
        made = owner.prearchive.find(project="lung", subject="case_4")[0].archive()
        assert (made.label, made.subject.label) == ("case_4_a", "case_4")
        made = owner.prearchive.sessions("lung")[0].archive(subject="case_6", experiment="case_6_a")
        assert (made.label, made.subject.label) == ("case_6_a", "case_6")
        with pytest.raises(REFUSED, match="409"):
            owner.services.import_(data=package, **asked, subject="Quastenflosser")
    assert held(site) == (before + 4, 0)


def test_what_the_check_refuses_again_waits_on(site: Served, member: Any) -> None:
    named = portal_site.ct_slice(1, "S-0010", generate_uid(), generate_uid())
    named.PatientName = "Quastenflosser^Zebulon"
    with site.engine.begin() as connection:
        connection.execute(update(schema.grant).where(schema.grant.c.role == "member").values(role="owner"))
        connection.execute(update(schema.project).values(admit="check"))
    try:
        package = zipped([portal_site.encode(named)])
        with pytest.raises(REFUSED, match="1 of 1 images were refused"):
            member.services.import_(data=package, content_type="application/zip", project="lung")
        (found,) = member.prearchive.sessions("lung")
        assert found.status == "ERROR"
        with pytest.raises(REFUSED, match="422") as told:
            found.archive()
        assert "Quastenflosser" not in str(told.value)
        found.delete()
        assert held(site)[1] == 0
    finally:
        with site.engine.begin() as connection:
            connection.execute(update(schema.project).values(admit="trusted"))


def test_scratch_is_read_anywhere_and_nothing_of_it_lies_in_the_open(tmp_path: Path) -> None:
    content = bytes(range(256)) * (CHUNK // 100)
    with Scratch(tmp_path, lambda: None) as scratch:
        for at in range(0, len(content), 70_000):
            scratch.take(content[at : at + 70_000])
        scratch.finish()
        assert scratch.size == len(content)
        assert scratch.read() == content
        scratch.seek(-CHUNK, io.SEEK_END)
        assert scratch.read(10) == content[-CHUNK:][:10]
        scratch.seek(CHUNK - 5)
        assert scratch.read(10) == content[CHUNK - 5 : CHUNK + 5]
        assert list(tmp_path.iterdir()) == []
        assert content[:64] not in Path(f"/proc/self/fd/{scratch._file.fileno()}").read_bytes()


def test_files_come_in_the_order_in_which_they_are_packed(tmp_path: Path) -> None:
    for package in (zipped(IMAGES), tarred(IMAGES)):
        with Scratch(tmp_path, lambda: None) as scratch:
            scratch.take(package)
            scratch.finish()
            assert list(packages.files(scratch, 1 << 20)) == IMAGES
    assert dcmread(io.BytesIO(IMAGES[0])).PatientID == "S-0004"
