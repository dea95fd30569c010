"""Files, prearchive and consents as a browser and a program meet them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from hashlib import sha256

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import update

import portal_site
from cohortium.archive import projects
from cohortium.govern import grants, users
from cohortium.govern.roles import Role
from cohortium.prove import receipts
from cohortium.store.schema import project
from foreign_files import mp4, nifti, npy
from portal_site import Served

FIELDS = {"level": "project", "kind": "mask", "label": "segmentation"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = portal_site.configuration(tmp_path_factory.mktemp("site"))
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", portal_site.slices(2))
        yield served


@pytest.fixture(scope="module")
def owner(site: Served) -> Iterator[httpx.Client]:
    with site.engine.begin() as connection:
        password = users.create(connection, "olga")
        grants.give(connection, users.named(connection, "olga").id, 1, Role.OWNER)
    with httpx.Client(base_url=site.url) as client:
        portal_site.become(client, "olga", password)
        yield client


def form(client: httpx.Client, path: str) -> dict[str, str]:
    return {"form": portal_site.form_of(client.get(path))}


def test_a_file_is_uploaded_shown_and_downloaded_as_an_attachment(owner: httpx.Client) -> None:
    page = "/projects/lung/files"
    for content in (npy(1), npy(2)):
        fields = form(owner, page) | FIELDS
        assert owner.post(page, data=fields, files={"file": ("mask.npy", content)}).status_code == 303
    (resource,) = owner.get("/api/v1/projects/lung/files").json()
    (file,) = resource["files"]
    assert (file["version"], file["admitted"], file["by"]) == (2, "check", "olga")
    assert "mask.npy" in owner.get(page).text
    assert "Versions" in owner.get(f"/files/{file['id']}").text
    answer = owner.get(f"/files/{file['id']}/content")
    assert answer.content == npy(2)
    assert answer.headers["content-disposition"] == 'attachment; filename="mask.npy"'
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_form_without_its_token_brings_nothing(owner: httpx.Client) -> None:
    answer = owner.post("/projects/lung/files", data=FIELDS, files={"file": ("other.npy", npy(3))})
    assert answer.status_code == 409
    assert "other.npy" not in owner.get("/projects/lung/files").text


def test_many_files_have_an_answer_each(owner: httpx.Client) -> None:
    files = [("file", ("a.npy", npy(1))), ("file", ("b.bin", b"MZ" + bytes(9))), ("file", ("c.nii", nifti()))]
    answer = owner.post("/api/v1/projects/lung/files", data=FIELDS, files=files)
    assert answer.status_code == 207
    assert [each["file"] is not None for each in answer.json()] == [True, False, True]


def test_a_sites_receipt_comes_with_its_file_in_a_field_or_a_header(site: Served, owner: httpx.Client) -> None:
    signer, named = Ed25519PrivateKey.generate(), b"reader,score\nMustermann,3\n"
    with site.engine.begin() as connection:
        projects.enrol(connection, "ward", signer.public_key().public_bytes_raw().hex())
    words = {"site": "ward", "project": "lung", "protocol": portal_site.PROTOCOL.digest}
    word = json.dumps(asdict(receipts.sign(signer, digest=sha256(named).hexdigest(), **words)))
    address, fields = "/api/v1/projects/lung/files", FIELDS | {"kind": "features", "label": "scores"}

    def sent(name: str, content: bytes = named, field: str = "", header: str = "") -> httpx.Response:
        part = (name, content, "text/csv", {"Cohortium-Receipt": header} if header else {})
        return owner.post(address, data=fields | {"receipt": field}, files={"file": part})

    assert sent("a.csv").status_code == 422, "nobody vouches for it"
    for name, how in (("b.csv", {"field": word}), ("c.csv", {"header": word})):
        (told,) = sent(name, **how).json()
        assert (told["file"]["admitted"], told["file"]["site"]) == ("receipt", "ward")
    assert "other bytes" in sent("d.csv", npy(4), field=word).json()[0]["problem"]
    assert "not JSON" in sent("e.csv", field="broken").json()[0]["problem"]
    two = [("file", ("f.csv", named)), ("file", ("g.csv", named))]
    told = owner.post(address, data=fields | {"receipt": word}, files=two).json()
    assert [each["file"] is not None for each in told] == [True, False], "a receipt is of one file"
    page = "/projects/lung/files"
    answer = owner.post(page, data=form(owner, page) | fields | {"receipt": word}, files={"file": ("h.csv", named)})
    assert answer.status_code == 303
    assert "receipt of ward" in owner.get(page).text


def test_what_is_refused_is_mended_in_the_prearchive(owner: httpx.Client) -> None:
    named = {"file": ("Mustermann.npy", npy(7))}
    assert owner.post("/api/v1/projects/lung/files", data=FIELDS, files=named).status_code == 422
    entry = owner.get("/api/v1/projects/lung/prearchive").json()[0]
    page = "/projects/lung/prearchive"
    assert "Mustermann" in owner.get(page).text  # to its owner, who is to mend it
    told = form(owner, page) | {"act": "offer", "file": "mask_v2.npy", "label": "segmentation", "kind": "mask"}
    assert owner.post(f"{page}/{entry['id']}", data=told).status_code == 303
    assert "mask_v2.npy" in owner.get("/projects/lung/files").text
    for left in owner.get("/api/v1/projects/lung/prearchive").json():
        assert owner.delete(f"/api/v1/projects/lung/prearchive/{left['id']}").status_code == 204
    assert "Nothing waits here" in owner.get(page).text


def test_a_video_comes_with_its_consent_and_goes_with_it(owner: httpx.Client) -> None:
    page = "/projects/lung/consents"
    record = {"reference": "C-17", "scope": "this project", "holder": "ward", "date": "2026-01-31"}
    assert owner.post(page, data=form(owner, page) | record).status_code == 303
    fields = FIELDS | {"kind": "video", "label": "gait", "consent": "C-17"}
    assert (
        owner.post("/api/v1/projects/lung/files", data=fields, files={"file": ("gait.mp4", mp4())}).status_code == 201
    )
    assert "identifiable, with consent C-17" in owner.get("/projects/lung/files").text
    (held,) = owner.get("/api/v1/projects/lung/consents").json()
    end = f"/api/v1/projects/lung/consents/{held['id']}/withdrawal"
    assert owner.post(end, json={"reason": "asked for it"}).json()["files"] == 0
    assert "gait.mp4" not in owner.get("/projects/lung/files").text


def test_trust_is_shown_on_every_page_and_told_to_programs(site: Served, owner: httpx.Client) -> None:
    pages = ("/", "/projects/lung", "/projects/lung/files", "/scans/1", "/account", "/projects/none")
    assert not any("Unchecked:" in owner.get(page).text for page in pages)
    with site.engine.begin() as connection:
        connection.execute(update(project).values(admit="trusted"))
    assert all("Unchecked:" in owner.get(page).text for page in pages)
    assert owner.get("/api/v1/projects/lung").json()["admit"] == "trusted"
