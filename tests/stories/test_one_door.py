"""Promise 7: a planted identity, offered through every route that takes files, is found nowhere afterwards.

The routes are taken from the table: one that takes an upload and has no case here fails the first test.
"""

from __future__ import annotations

import json
import logging
import re
import urllib.parse
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid
from sqlalchemy import select

import portal_site
from cohortium.archive.prearchive import of, opened
from cohortium.govern import grants, users
from cohortium.govern.roles import May, Role
from cohortium.store import schema
from cohortium.web.auth import Access
from cohortium.web.protect import STREAMED
from cohortium.web.routes import ROUTES
from foreign_files import TELLING, npy
from portal_site import Served

FAMILY, GIVEN, NUMBER = "Quastenflosser", "Zebulon", "PID8841773"
IDENTITY = f"{FAMILY}^{GIVEN}"
PLANTED = tuple(each.encode() for each in (FAMILY, GIVEN, NUMBER, FAMILY.upper(), FAMILY.lower()))

Send = Callable[[httpx.Client], Iterator[httpx.Response]]


def named_slice() -> bytes:
    """A slice as it comes from a device, its patient's name everywhere."""
    dataset: Dataset = portal_site.ct_slice(1, NUMBER, generate_uid(), generate_uid())
    dataset.PatientName = dataset.StudyDescription = dataset.SeriesDescription = IDENTITY
    return portal_site.encode(dataset)


def stow(path: str) -> Send:
    def send(client: httpx.Client) -> Iterator[httpx.Response]:
        for content in (named_slice(), b"no DICOM: " + IDENTITY.encode()):
            head = b"--edge\r\nContent-Type: application/dicom\r\n\r\n"
            body = head + content + b"\r\n--edge--\r\n"
            kind = 'multipart/related; type="application/dicom"; boundary=edge'
            yield client.post(path, content=body, headers={"Content-Type": kind, "Accept": "application/dicom+json"})

    return send


def form(path: str) -> Send:
    """Every format that tells the name, and a harmless file under a telling name, label and reference."""

    def send(client: httpx.Client) -> Iterator[httpx.Response]:
        fields = {"level": "project", "kind": "document", "label": "report"}
        if not path.startswith("/api/"):
            fields["form"] = portal_site.form_of(client.get(path))
        for text in (IDENTITY, NUMBER):
            for content in TELLING(text).values():
                yield client.post(path, data=fields, files={"file": ("notes.bin", content)})
        yield client.post(path, data=fields, files={"file": ("notes.bin", named_slice())})
        yield client.post(path, data=fields, files={"file": (f"{FAMILY}_{NUMBER}.npy", npy(1))})
        yield client.post(path, data=fields, files={"file": (f"../{FAMILY}.npy", npy(1))})
        yield client.post(path, data=fields | {"label": FAMILY}, files={"file": ("mask.npy", npy(1))})
        yield client.post(path, data=fields | {"consent": NUMBER, "kind": "video"}, files={"file": ("a.npy", npy(1))})

    return send


def package(path: str) -> Send:
    """A zip with the name in an image, in its own name and in what it is called; twice aside, once in the query."""

    def send(client: httpx.Client) -> Iterator[httpx.Response]:
        for content in (named_slice(), b"no DICOM: " + IDENTITY.encode()):
            for name in ("1.dcm", f"{FAMILY}/{NUMBER}.dcm", f"../{FAMILY}.dcm"):
                body = BytesIO()
                with ZipFile(body, "w") as archive:
                    archive.writestr(name, content)
                headers = {"Content-Type": "application/zip"}
                yield client.post(path, params={"project": "lung"}, content=body.getvalue(), headers=headers)
                for label in ("subject", "session"):
                    named = {"project": "lung", label: FAMILY}
                    yield client.post(path, params=named, content=body.getvalue(), headers=headers)
        yield client.post(path, params={"project": "lung"}, content=b"PK" + IDENTITY.encode())

    return send


def resource(path: str) -> Send:
    """Such files as XNAT's clients send them: as they are, under telling names and labels, and packed."""

    def send(client: httpx.Client) -> Iterator[httpx.Response]:
        for content in (*TELLING(IDENTITY).values(), *TELLING(NUMBER).values(), named_slice()):
            yield client.put(f"{path}/documents/files/notes.bin", content=content)
        yield client.put(f"{path}/documents/files/{FAMILY}_{NUMBER}.npy", content=npy(1))
        yield client.put(f"{path}/{FAMILY}/files/mask.npy", content=npy(1))
        yield client.put(f"{path}/DICOM/files/{FAMILY}.dcm", content=named_slice())
        out = BytesIO()
        with ZipFile(out, "w") as package:
            package.writestr(f"{FAMILY}/{NUMBER}.npy", npy(1))
        yield client.put(f"{path}/documents/files/{FAMILY}.zip?extract=true", content=out.getvalue())

    return send


CASES: dict[str, Send] = {
    "/dicomweb/{project}/studies": stow("/dicomweb/lung/studies"),
    "/dicomweb/{project}/studies/{study}": stow("/dicomweb/lung/studies/1.2"),
    "/data/services/import": package("/data/services/import"),
    "/data/{place:path}/resources/{resource}/files/{file:path}": resource("/data/projects/lung/resources"),
    "/projects/{name}/files": form("/projects/lung/files"),
    "/api/v1/projects/{name}/files": form("/api/v1/projects/lung/files"),
}


def uploads() -> set[str]:
    """Routes whose bodies are not bounded to those of a form: only through them can a file come.

    What senders of images hand over comes into a site's spool, never straight into the archive, and so do lists of what
    a PACS is asked for.
    """
    changing = {route.path for route in ROUTES if route.method in ("POST", "PUT") and route.access is not Access.SENDER}
    return {path for path in changing if STREAMED.fullmatch(path)} - {"/pacs"}


def test_every_route_that_takes_files_has_its_case() -> None:
    assert uploads() == set(CASES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Served]:
    settings = portal_site.configuration(folder)
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", portal_site.slices(2))
        yield served


@pytest.fixture(scope="module")
def member(site: Served) -> Iterator[httpx.Client]:
    with site.engine.begin() as connection:
        password = users.create(connection, "mona")
        grants.give(connection, users.named(connection, "mona").id, 1, Role.MEMBER)
    with httpx.Client(base_url=site.url, headers={"Accept": "*/*"}) as client:
        portal_site.become(client, "mona", password)
        yield client


def rows(site: Served) -> Iterator[str]:
    with site.engine.connect() as connection:
        for table in schema.metadata.sorted_tables:
            for row in connection.execute(select(table)).mappings():
                yield f"{table.name}: " + " ".join(repr(value) for value in row.values())


def readings(client: httpx.Client) -> Iterator[httpx.Response]:
    """What a member can read afterwards: pages, lists, searches, thumbnails."""
    values = {"name": "lung", "project": "lung", "scan_id": "1", "session_id": "1", "instance_id": "1", "number": "0"}
    for route in ROUTES:
        names = set(re.findall(r"{(\w+)", route.path))
        reads = route.method == "GET" and (route.access in (May.SEE, May.READ) or route.access is Access.LOGGED_IN)
        if reads and names <= values.keys():
            yield client.get(route.path.format(**values))
    for query in (FAMILY, NUMBER):
        quoted = urllib.parse.quote(query)
        yield client.get(f"/dicomweb/lung/studies?PatientName=*{quoted}*")
        yield client.get(f"/dicomweb/lung/studies?PatientID={quoted}")


def test_a_planted_identity_is_found_nowhere(
    site: Served, member: httpx.Client, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for path, send in CASES.items():
        answers = list(send(member))
        assert all(400 <= answer.status_code < 500 for answer in answers), path
        for answer in answers:
            assert not any(each in answer.content or each in str(answer.headers).encode() for each in PLANTED), path
    for answer in readings(member):
        assert not any(each in answer.content for each in PLANTED), answer.request.url.path
    for row in rows(site):
        assert not any(each in row.encode() for each in PLANTED), row.split(":")[0]
    # the client and the maker of pictures run in this process too
    ours = [
        (each.name, each.getMessage())
        for each in caplog.records
        if not each.name.startswith(("httpx", "httpcore", "PIL"))
    ]
    assert {name for name, line in ours if any(each.decode() in line for each in PLANTED)} == set()
    for file in folder.rglob("*"):
        assert not any(each in file.name.encode() for each in PLANTED)
        if file.is_file():
            assert not any(each in file.read_bytes() for each in PLANTED), file.name


def test_what_was_planted_did_arrive_and_waits_sealed(site: Served, member: httpx.Client) -> None:
    """So the test above did not pass because nothing was sent."""
    objects = site.app.state.archive.objects
    with site.engine.connect() as connection:
        waiting = connection.execute(select(schema.prearchive)).mappings().all()
    held = [opened(objects, of(row).address) for row in waiting]
    told = [json.dumps([str(to), content.decode("latin-1")]) for to, content in held]
    assert sum(FAMILY in each for each in told) > len(TELLING(""))
    assert member.get("/projects/lung/prearchive").status_code == 403
