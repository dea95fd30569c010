"""XNAT's two clients, unmodified, over a real port: connect, browse, download and compare, be refused, remove."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import pytest
import pyxnat
import xnat
from pydicom import Dataset, dcmread
from requests import Session
from sqlalchemy import select, update
from xnat.exceptions import XNATLoginFailedError, XNATResponseError

import portal_site
from cohortium.govern import grants, tokens, users
from cohortium.govern.quotas import Quota
from cohortium.govern.roles import Role, Scope, Visibility
from cohortium.store import schema
from portal_site import Served

LOG = logging.getLogger("xnat")
SERIES = ("2.25.801", "2.25.802")


def with_codes(content: bytes) -> bytes:
    """The image with a sequence that holds another one."""
    made, code = dcmread(io.BytesIO(content)), Dataset()
    code.CodeValue, code.EquivalentCodeSequence = "24627-2", [Dataset()]
    code.EquivalentCodeSequence[0].CodeMeaning = "Chest CT"
    made.ProcedureCodeSequence, made.ReferencedStudySequence = [code], []
    return portal_site.encode(made)


IMAGES = [
    *map(with_codes, portal_site.slices(3, series=SERIES[0])),
    *portal_site.slices(2, subject="S-0002", series=SERIES[1]),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, module_place: Path | str) -> Iterator[Served]:
    settings = portal_site.configuration(
        tmp_path_factory.mktemp("site"), module_place, sections="[serve]\nguests = true\n"
    )
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", IMAGES)
        portal_site.fill(served.engine, settings.site.data, "secret", "Secret", portal_site.slices(1, subject="S-9"))
        yield served


def account(site: Served, name: str, role: Role | None) -> str:
    """A password that has been chosen; the role is one in `lung`."""
    with site.engine.begin() as connection:
        password = users.create(connection, name)
        connection.execute(update(schema.user).where(schema.user.c.name == name).values(one_time=False))
        if role:
            lung = connection.scalar(select(schema.project.c.id).where(schema.project.c.name == "lung"))
            grants.give(connection, users.named(connection, name).id, lung or 0, role)
    return password


@pytest.fixture(scope="module")
def password(site: Served) -> str:
    return account(site, "anna", Role.COLLABORATOR)


@pytest.fixture(scope="module")
def client(site: Served, password: str) -> Iterator[Any]:
    with xnat.connect(site.url, user="anna", password=password, logger=LOG) as connection:
        yield connection


@pytest.fixture(scope="module")
def other(site: Served, password: str) -> Iterator[Any]:
    with pyxnat.Interface(server=site.url, user="anna", password=password) as interface:
        yield interface


def test_connect_by_password_by_token_and_as_a_guest(site: Served, client: Any) -> None:
    assert client.logged_in_user == "anna"
    assert client.xnat_version_tuple >= (1, 8)
    with site.engine.begin() as connection:
        token = tokens.make(connection, users.named(connection, "anna"), "scripts", Scope.READ, 1)
    alias = "12345678-1234-1234-1234-123456789abc"
    for name in ("anna", alias):
        with xnat.connect(site.url, user=name, password=token, logger=LOG) as connection:
            assert connection.logged_in_user == "anna"
            assert list(connection.projects.keys()) == ["lung"]
    with xnat.connect(site.url, logger=LOG) as connection:
        assert connection.logged_in_user == "guest"
        assert len(connection.projects) == 0
    with pytest.raises(XNATLoginFailedError):
        xnat.connect(site.url, user="anna", password="wrong", logger=LOG)


def test_the_session_opens_no_page_of_the_portal_and_ends(site: Served, password: str) -> None:
    answer = httpx.put(f"{site.url}/data/services/auth", data={"username": "anna", "password": password})
    token = answer.text
    assert answer.cookies["JSESSIONID"] == token
    for name, address, status in (
        ("JSESSIONID", "/data/projects", 200),
        ("JSESSIONID", "/api/v1/projects", 401),
        ("cohortium", "/api/v1/projects", 401),
        ("cohortium", "/account", 303),
    ):
        with httpx.Client(base_url=site.url, cookies={name: token}) as browser:
            seen = browser.get(address)
        if address == "/api/v1/projects":
            assert seen.status_code == status or seen.json() == []  # a guest's
        else:
            assert seen.status_code == status
    with httpx.Client(base_url=site.url, cookies={"JSESSIONID": token}) as browser:
        assert browser.get("/data/auth").text == "User 'anna' is logged in"
        assert browser.delete("/data/JSESSION", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 409
        assert browser.delete("/data/JSESSION").status_code == 200
    with httpx.Client(base_url=site.url, cookies={"JSESSIONID": token}) as browser:
        assert browser.get("/data/auth").text == "User 'guest' is logged in"


def test_browse_by_labels_and_numbers(client: Any) -> None:
    project = client.projects["Lung study"]
    assert (project.id, len(project.subjects), len(project.experiments)) == ("lung", 2, 2)
    subject = project.subjects["S-0001"]
    assert subject.id.startswith("COHORTIUM_S")
    session = project.experiments["S-0001_1"]
    assert type(session).__name__ == "CtSessionData"
    assert (session.label, session.modality, str(session.date)) == ("S-0001_1", "CT", "2024-01-31")
    assert session.subject.label == "S-0001"
    assert [each.id for each in subject.experiments.values()] == [session.id]
    (scan,) = session.scans.values()
    assert (scan.id, scan.uid, scan.type, scan.frames) == ("3", SERIES[0], "Thorax 1.5 B31f", 3)
    assert client.create_object(f"/data/archive/projects/lung/experiments/{session.label}").id == session.id
    assert client.create_object(f"/data/experiments/{session.id}").label == session.label
    rows = project.experiments.tabulate(columns=("ID", "label", "subject_label"))
    assert {row.subject_label for row in rows} == {"S-0001", "S-0002"}
    assert client.access_levels == {"lung": "collaborator"}


def test_download_a_scan_a_session_a_project_and_a_file(client: Any, tmp_path: Path) -> None:
    held = {dcmread(io.BytesIO(each)).SOPInstanceUID: each for each in IMAGES}
    project = client.projects["lung"]
    session = project.experiments["S-0001_1"]
    (scan,) = session.scans.values()
    resource = scan.resources["DICOM"]
    assert (resource.label, resource.file_count) == ("DICOM", 3)
    assert resource.file_size == sum(len(each) for each in IMAGES[:3])
    for thing in (scan, session, resource):
        thing.download(tmp_path / "all.zip", verbose=False)
        with ZipFile(tmp_path / "all.zip") as archive:
            assert {archive.read(name) for name in archive.namelist()} == set(IMAGES[:3])
            assert all(name.startswith("S-0001_1/scans/3/resources/DICOM/files/") for name in archive.namelist())
    project.download_dir(tmp_path, verbose=False)
    assert {file.read_bytes() for file in tmp_path.rglob("*.dcm")} == set(IMAGES)
    file = scan.files[0]
    file.download(tmp_path / "one.dcm", verbose=False)
    assert (tmp_path / "one.dcm").read_bytes() == held[file.path.removesuffix(".dcm")]
    assert int(file.size) == len(held[file.path.removesuffix(".dcm")])
    assert scan.read_dicom().PatientID == "S-0001"


def test_the_header_of_a_scan(client: Any) -> None:
    (scan,) = client.projects["lung"].experiments["S-0001_1"].scans.values()
    rows = {row["tag1"]: row for row in scan.dicom_dump()}
    assert rows["(0010,0020)"]["value"] == "S-0001"
    assert rows["(0008,0060)"]["desc"] == "Modality"
    assert "(7FE0,0010)" not in rows
    said = [(row["tag1"], row["tag2"], row["value"]) for row in scan.dicom_dump(fields=["ProcedureCodeSequence"])]
    code, equivalent = "(0008,1032)", "(0008,0121)"
    assert said == [
        (code, "", ""),
        (code, "(0008,0100)", "24627-2"),
        (code, equivalent, ""),
        (f"{code} {equivalent}", "(0008,0104)", "Chest CT"),
    ]
    assert rows["(0008,1110)"]["vr"] == "SQ"
    (row,) = scan.dicom_dump(fields=["Modality"])
    assert row["value"] == "CT"


def test_pyxnat_selects_and_downloads(other: Any, tmp_path: Path) -> None:
    assert other.select.projects().get() == ["lung"]
    project = other.select.project("lung")
    assert project.exists()
    assert sorted(each.label() for each in project.subjects()) == ["S-0001", "S-0002"]
    session = project.subject("S-0001").experiment("S-0001_1")
    assert session.exists()
    assert session.attrs.get("date") == "2024-01-31"
    assert session.scans().get() == ["3"]
    scan = session.scan("3")
    assert scan.resource("DICOM").exists()
    names = scan.resource("DICOM").files().get()
    assert len(names) == 3
    copy = scan.resource("DICOM").file(names[0]).get(str(tmp_path / "copy.dcm"))
    assert Path(copy).read_bytes() in IMAGES
    assert not other.select.project("secret").exists()


def test_what_may_not_be_seen_or_done_is_refused(site: Served, client: Any) -> None:
    assert "secret" not in client.projects
    for address in ("/data/projects/secret", "/data/projects/secret/subjects", "/data/subjects/S-0001", "/data/x/y"):
        with pytest.raises(XNATResponseError, match="status 404"):
            client.get(address)
    with pytest.raises(XNATResponseError, match="status 403"):
        client.delete("/data/projects/lung/subjects/S-0001")
    for address, status in (("/xapi/containers", 501), ("/data/projects/new", 403)):
        with pytest.raises(XNATResponseError, match=f"status {status}"):
            client.put(address)


def test_an_owner_removes_a_session(site: Served) -> None:
    secret = account(site, "olga", Role.OWNER)
    with xnat.connect(site.url, user="olga", password=secret, logger=LOG) as connection:
        session = connection.projects["lung"].experiments["S-0002_1"]
        session.delete()
        assert [each.label for each in connection.projects["lung"].experiments.values()] == ["S-0001_1"]
    with site.engine.connect() as connection:
        assert connection.scalar(select(schema.tombstone.c.who).where(schema.tombstone.c.level == "session")) == "olga"


def test_an_owner_gives_and_takes_roles(site: Served) -> None:
    secret = account(site, "otto", Role.OWNER)
    account(site, "mia", None)
    with pyxnat.Interface(server=site.url, user="otto", password=secret) as interface:
        project = interface.select.project("lung")
        project.add_user("mia", "collaborator")
        assert "mia" in project.collaborators()
        project.add_user("mia", "member")
        assert project.user_role("mia") == "member"
        project.remove_user("mia")
        assert "mia" not in project.users()
        assert project.accessibility() == b"private"
    with xnat.connect(site.url, user="otto", password=secret, logger=LOG) as connection:
        connection.projects["lung"].set_access("mia", "members")
        assert connection.projects["lung"].users["mia"].access_level == "Members"
        assert connection.projects["lung"].users["mia"].group == "lung_member"


def test_a_role_given_by_a_client_keeps_the_quota_and_what_was_read_of_it(site: Served) -> None:
    secret = account(site, "oona", Role.OWNER)
    account(site, "maja", None)
    with site.engine.begin() as connection:
        quota = Quota(bytes_day=1, instances_total=7)
        grants.give(connection, users.named(connection, "maja").id, 1, Role.COLLABORATOR, "oona", quota)
        connection.execute(update(schema.grant).where(schema.grant.c.instances_total == 7).values(since="2026-01-31"))
    with pyxnat.Interface(server=site.url, user="oona", password=secret) as interface:
        interface.select.project("lung").add_user("maja", "member")
    with site.engine.connect() as connection:
        (held,) = [each for each in grants.granted(connection, 1) if each.name == "maja"]
    assert held == grants.Granted("maja", Role.MEMBER, "oona", "2026-01-31", quota)


def test_a_guest_reads_what_is_public(site: Served) -> None:
    with site.engine.begin() as connection:
        secret = connection.scalar(select(schema.project.c.id).where(schema.project.c.name == "secret"))
        grants.make_visible(connection, secret or 0, Visibility.PUBLIC)
    try:
        with xnat.connect(site.url, logger=LOG) as connection:
            assert [each.label for each in connection.projects["secret"].subjects.values()] == ["S-9"]
    finally:
        with site.engine.begin() as connection:
            grants.make_visible(connection, secret or 0, Visibility.PRIVATE)


def test_a_wish_for_a_form_that_is_not_made_is_refused(site: Served, password: str) -> None:
    with Session() as session:
        session.auth = ("anna", password)
        assert session.get(f"{site.url}/data/projects", params={"format": "html"}).status_code == 406
        text = session.get(f"{site.url}/REST/projects", params={"format": "csv"})
        assert text.status_code == 404  # of XNAT 1.4
        answer = session.get(f"{site.url}/data/archive/projects", params={"format": "csv", "columns": "ID"})
        assert answer.text.splitlines() == ['"ID","URI"', '"lung","/data/projects/lung"']
