"""A researcher's day with XNAT's two clients, unmodified, at `cohortium serve` as a process with PostgreSQL behind it.

From an empty site to a project with images, files, fields and people, searched, downloaded, and deleted again; no test
before this one made anything, and nothing is set in the store by hand.
"""

from __future__ import annotations

import io
import logging
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import pytest
import pyxnat
import xnat
from pydicom.uid import generate_uid
from xnat.exceptions import XNATLoginFailedError, XNATResponseError, XNATUploadError

import databases
import nursery
import portal_site
from cohortium.deidentify import protocol
from foreign_files import npy
from portal_site import PASSWORD

LOG = logging.getLogger("xnat")
SETTINGS = """[serve]
guests = true
projects = "basic"

[store]
url = "{url}"
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class Site:
    """A server of its own, reached by its address alone; whoever is named in `people` has an account."""

    url: str

    def xnatpy(self, name: str, password: str = PASSWORD) -> Any:
        return xnat.connect(self.url, user=name, password=password, logger=LOG)

    def pyxnat(self, name: str) -> Any:
        return pyxnat.Interface(server=self.url, user=name, password=PASSWORD)


@pytest.fixture(scope="module")
def site(cohortium: Run, postgres: databases.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with postgres.database() as url:
        portal_site.configuration(folder, sections=SETTINGS.format(url=url))
        people = {
            name: cohortium("user", "password", name, cwd=folder).stdout.strip() for name in ("root", "mara", "colin")
        }
        said = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with nursery.start("serve", "--port", 0, cwd=folder, **said) as server:
            try:
                assert server.stdout is not None
                address = re.search(r"http://127\.0\.0\.1:\d+", server.stdout.readline())
                assert address
                for name, one_time in people.items():
                    with httpx.Client(base_url=address[0], timeout=300) as browser:
                        assert portal_site.become(browser, name, one_time).status_code == 303
                yield Site(address[0])
            finally:
                server.send_signal(signal.SIGINT)
                told = server.communicate(timeout=300)
        assert told == ("", ""), "nothing was logged"


def images(subject: str, count: int = 2, **more: str) -> list[bytes]:
    """Slices as the protocol of the project leaves them."""
    study, series, digest = generate_uid(), generate_uid(), protocol.load("basic").digest
    made = [portal_site.ct_slice(number, subject, study, series) for number in range(count)]
    for each in made:
        each.PatientIdentityRemoved = "YES"
        each.DeidentificationMethod = ["Cohortium", f"sha256:{digest[:48]}"]
        for keyword, value in more.items():
            setattr(each, keyword, value)
    return [portal_site.encode(each) for each in made]


def zipped(contents: list[bytes]) -> bytes:
    out = io.BytesIO()
    with ZipFile(out, "w") as archive:
        for number, content in enumerate(contents):
            archive.writestr(f"scan/{number}.dcm", content)
    return out.getvalue()


def inside(path: Path) -> list[bytes]:
    with ZipFile(path) as archive:
        return sorted(archive.read(name) for name in archive.namelist())


def test_from_an_empty_project_to_a_deleted_one(site: Site, tmp_path: Path) -> None:
    held = images("S-0001")
    with site.xnatpy("root") as root:
        make_a_project_and_people(root)
        make_things_by_hand(root)
        import_images(root, held)
        let_images_wait(root)
        keep_files(root, tmp_path)
        download(root, held, tmp_path)
        search(root)
        people_of_the_site(root)
    the_other_client(site, held, tmp_path)
    others_do_what_they_may(site)
    delete(site)


def make_a_project_and_people(root: Any) -> None:
    root.put("/data/projects/brain", query={"xnat:projectData/name": "Brain study"})
    project = root.projects["Brain study"]
    assert (project.id, root.access_levels["brain"]) == ("brain", "owner")
    project.set_access("mara", "members")
    project.set_access("colin", "collaborators")
    assert {name: each.access_level for name, each in project.users.items()} == {
        "root": "Owners",
        "mara": "Members",
        "colin": "Collaborators",
    }


def make_things_by_hand(root: Any) -> None:
    subject = root.classes.SubjectData(parent=root.projects["brain"], label="SUBJ-017")
    session = root.classes.MrSessionData(parent=subject, label="SUBJ-017_MR1")
    root.put(f"{session.uri}/scans/4", query={"xsiType": "xnat:mrScanData"})
    for thing in (root.projects["brain"], subject, session):
        thing.fields["stage"] = "2"
        thing.fields["group"] = "control"
        del thing.fields["group"]
        thing.clearcache()
        assert dict(thing.fields) == {"stage": "2"}
    assert [each.id for each in session.scans.values()] == ["4"]


def import_images(root: Any, held: list[bytes]) -> None:
    for _ in range(2):  # the second time changes nothing
        made = root.services.import_(
            data=zipped(held), content_type="application/zip", project="brain", subject="S-0001"
        )
        assert (made.label, made.subject.label) == ("S-0001", "S-0001")
    root.clearcache()
    (scan,) = root.projects["brain"].experiments["S-0001"].scans.values()
    assert (scan.frames, scan.modality) == (2, "CT")
    named = zipped(images("S-0004", 1, PatientName="Quastenflosser^Zebulon"))
    with pytest.raises((XNATResponseError, XNATUploadError), match="1 of 1 images were refused"):
        root.services.import_(data=named, content_type="application/zip", project="brain")
    (refused,) = root.prearchive.sessions("brain")
    assert refused.status == "ERROR"
    refused.delete()


def let_images_wait(root: Any) -> None:
    for subject in ("S-0002", "S-0003"):
        package = zipped(images(subject))
        options = {"content_type": "application/zip", "project": "brain", "destination": "/prearchive"}
        waits = root.services.import_(data=package, subject=subject, **options)
        assert (waits.status, waits.project) == ("READY", "brain")
        if subject == "S-0002":
            assert waits.archive(experiment="visit_1").label == "visit_1"
        else:
            waits.delete()
    assert root.prearchive.sessions("brain") == []
    root.clearcache()
    assert [each.label for each in root.projects["brain"].subjects.values()] == ["SUBJ-017", "S-0001", "S-0002"]


def keep_files(root: Any, tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    (folder / "part").mkdir(parents=True)
    (folder / "one.npy").write_bytes(npy(1))
    (folder / "part" / "two.npy").write_bytes(npy(2))
    session = root.projects["brain"].experiments["S-0001"]
    resource = session.create_resource("masks")
    resource.upload(folder / "one.npy", "three.npy", verbose=False)
    resource.upload_dir(folder, method="tgz_file")
    session.clearcache()
    files = session.resources["masks"].files
    assert sorted(files.data) == ["one.npy", "part/two.npy", "three.npy"]
    files["three.npy"].delete()
    files["one.npy"].download(tmp_path / "back.npy", verbose=False)
    assert (tmp_path / "back.npy").read_bytes() == npy(1)


def download(root: Any, held: list[bytes], tmp_path: Path) -> None:
    session = root.projects["brain"].experiments["S-0001"]
    (scan,) = session.scans.values()
    scan.download(tmp_path / "scan.zip", verbose=False)
    assert inside(tmp_path / "scan.zip") == sorted(held)
    session.download(tmp_path / "session.zip", verbose=False)
    assert set(held) <= set(inside(tmp_path / "session.zip"))
    (tmp_path / "all").mkdir()
    root.projects["brain"].download_dir(tmp_path / "all", verbose=False)
    found = {each.read_bytes() for each in (tmp_path / "all").rglob("*.dcm")}
    assert set(held) < found
    assert len(found) == 4
    told = {row["tag1"]: row["value"] for row in scan.dicom_dump()}
    assert (told["(0010,0020)"], told["(0012,0062)"]) == ("S-0001", "YES")
    assert scan.read_dicom().PatientID == "S-0001"


def search(root: Any) -> None:
    subjects, ct = root.classes.SubjectData, root.classes.CtSessionData
    found = ct.query().filter(ct.label.like("S-0%"), subjects.label == "S-0001").all()
    assert [each.label for each in found] == ["S-0001"]
    staged = subjects.query().filter(subjects.custom_variables["stage"] == "2").all()
    assert [each.label for each in staged] == ["SUBJ-017"]


def people_of_the_site(root: Any) -> None:
    assert sorted(root.users) == ["colin", "mara", "root"]
    assert root.services.issue_token().secret.startswith("cohortium_")


def the_other_client(site: Site, held: list[bytes], tmp_path: Path) -> None:
    with site.pyxnat("root") as interface:
        project = interface.select.project("brain")
        assert sorted(project.users()) == ["colin", "mara", "root"]
        subject = project.subject("SUBJ-020")
        subject.create()
        assert subject.exists()
        subject.delete()
        assert not subject.exists()
        session = project.subject("S-0001").experiment("S-0001")
        names = session.scan("3").resource("DICOM").files().get()
        copies = [session.scan("3").resource("DICOM").file(each).get(str(tmp_path / each)) for each in names]
        assert sorted(Path(each).read_bytes() for each in copies) == sorted(held)
        (tmp_path / "five.npy").write_bytes(npy(5))
        session.resource("masks").file("five.npy").put(str(tmp_path / "five.npy"))
        assert session.resource("masks").file("five.npy").exists()
        rows = interface.select("xnat:ctSessionData", ["xnat:ctSessionData/LABEL"]).where(
            [("xnat:ctSessionData/DATE", "=", "2024-01-31"), "AND"]
        )
        assert [row["label"] for row in rows] == ["S-0001", "visit_1"]
        assert interface.manage.users() == ["colin", "mara", "root"]


def others_do_what_they_may(site: Site) -> None:
    with site.xnatpy("mara") as mara:
        alias, secret = mara.services.issue_token()
        assert list(mara.users) == ["mara"]
    with site.xnatpy(alias, secret) as mara:
        assert mara.logged_in_user == "mara"
        mara.classes.SubjectData(parent=mara.projects["brain"], label="SUBJ-018")
    with site.xnatpy("colin") as colin:
        assert "SUBJ-018" in colin.projects["brain"].subjects
        for act in (colin.projects["brain"].delete, colin.projects["brain"].subjects["SUBJ-018"].delete):
            with pytest.raises(XNATResponseError, match="403"):
                act()
    with xnat.connect(site.url, logger=LOG) as guest:
        assert len(guest.projects) == 0
    with site.pyxnat("root") as interface:
        interface.select.project("brain").set_accessibility("public")
    with xnat.connect(site.url, logger=LOG) as guest:
        assert [each.id for each in guest.projects.values()] == ["brain"]
    with pytest.raises(XNATLoginFailedError):
        site.xnatpy("mara", "another password")


def delete(site: Site) -> None:
    with site.xnatpy("root") as root:
        project = root.projects["brain"]
        (scan,) = project.experiments["visit_1"].scans.values()
        scan.delete()
        project.clearcache()
        assert len(project.experiments["visit_1"].scans) == 0
        project.subjects["S-0001"].experiments["S-0001"].delete()
        project.subjects["SUBJ-017"].delete()
        project.clearcache()
        assert "SUBJ-017" not in project.subjects
        project.remove_access(project.users["colin"])
        project.clearcache()
        assert "colin" not in project.users
        project.delete()
        root.clearcache()
        assert len(root.projects) == 0
    with xnat.connect(site.url, logger=LOG) as guest:
        assert len(guest.projects) == 0
