"""A site at a hub: it deposits with its own receipts, and nothing else opens for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

import httpx
import pytest

import portal_site
from cohortium.config import Project
from cohortium.errors import Refused
from cohortium.govern import grants, tokens, users
from cohortium.govern.grants import Role
from cohortium.govern.roles import May, Scope, Standing
from cohortium.web.routes import ROUTES
from outgoing import SIGNER, made, parcel
from portal_site import Served

JSON_OF_FILE = {"level": "project", "kind": "features", "label": "table"}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = portal_site.configuration(tmp_path_factory.mktemp("hub"))
    with portal_site.served(settings) as served:
        archive = served.app.state.archive
        archive.open_project(Project("lung", "Lung study", "check"), portal_site.PROTOCOL)
        for site in ("north", "south"):
            archive.enrol(site, SIGNER.public_key().public_bytes_raw().hex())
        yield served


@pytest.fixture(scope="module")
def north(hub: Served) -> Iterator[httpx.Client]:
    """The site `north`, which is a member of the project."""
    with hub.engine.begin() as connection:
        users.create_site(connection, "north")
        who = users.named(connection, "north")
        grants.give(connection, who.id, grants.id_of(connection, _administrator(), "lung", May.SEE), Role.MEMBER)
        token = tokens.make(connection, who, "gateway", Scope.WRITE, 30)
    with httpx.Client(base_url=hub.url, headers={"Authorization": f"Bearer {token}"}) as client:
        yield client


def _administrator() -> users.User:
    return users.User(0, "root", Standing.ADMINISTRATOR, must_choose=False)


def store(client: httpx.Client, content: bytes, word: str) -> httpx.Response:
    receipt = f"Cohortium-Receipt: {word}\r\n" if word else ""
    head = f"--b\r\nContent-Type: application/dicom\r\n{receipt}\r\n".encode()
    kind = {"Content-Type": "multipart/related; type=application/dicom; boundary=b"}
    return client.post("/dicomweb/lung/studies", content=head + content + b"\r\n--b--", headers=kind)


def word_for(content: bytes, site: str = "north") -> str:
    return json.dumps(asdict(parcel(content, site=site).receipt))


def test_it_deposits_with_its_own_word_alone(north: httpx.Client) -> None:
    content = made(1)[0]
    assert store(north, content, "").status_code == 409, "the project checks; a site must vouch all the same"
    assert store(north, content, word_for(content, "south")).status_code == 409
    answer = store(north, content, word_for(content))
    assert answer.status_code == 200
    assert parcel(content).instance.digest in answer.text


def test_files_too(north: httpx.Client) -> None:
    content = b"age_years,volume_ml\n61,5\n"
    for word, status in (("", 422), (word_for_file(content, "south"), 422), (word_for_file(content), 201)):
        fields = {**JSON_OF_FILE, "receipt": word}
        answer = north.post(
            "/api/v1/projects/lung/files", data=fields, files={"file": ("features.csv", content, "text/csv")}
        )
        assert answer.status_code == status, answer.text


def word_for_file(content: bytes, site: str = "north") -> str:
    from hashlib import sha256

    from cohortium.prove import receipts

    digest = sha256(content).hexdigest()
    return json.dumps(
        asdict(receipts.sign(SIGNER, site=site, project="lung", digest=digest, protocol=portal_site.PROTOCOL.digest))
    )


def test_nothing_else_opens_for_it(hub: Served, north: httpx.Client) -> None:
    content = made(1)[0]
    assert store(north, content, word_for(content)).status_code == 200
    of = parcel(content).instance
    values = portal_site.NOT_THERE | {"name": "lung", "project": "lung", "study": of.StudyInstanceUID}
    values |= {"series": of.SeriesInstanceUID, "instance": of.SOPInstanceUID}
    asked = 0
    for route in ROUTES:
        if not isinstance(route.access, May) or route.access is May.DEPOSIT or route.method != "GET":
            continue
        try:
            path = route.path.replace(":path}", "}").format(**values)
        except KeyError:
            continue
        answer = north.get(path)
        assert answer.status_code in (204, 401, 403, 404) or answer.text in ("[]", ""), f"{path}: {answer.status_code}"
        assert of.PatientID not in answer.text
        asked += 1
    assert asked > 20


def test_no_password_opens_its_account(hub: Served, north: httpx.Client) -> None:
    for password in ("", "!", portal_site.PASSWORD):
        assert httpx.get(f"{hub.url}/dicomweb/lung/studies", auth=("north", password)).status_code == 401
    with hub.engine.begin() as connection, pytest.raises(Refused, match="no person"):
        users.stand(connection, "north", Standing.ADMINISTRATOR)
