"""The API as a program meets it: what it says of the data, what it changes, and to whom it says no."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest
from sqlalchemy import select

import portal_site
from cohortium.govern import grants, tokens, users
from cohortium.govern.roles import Role, Scope
from cohortium.store.schema import audit
from portal_site import Served

V1 = "/api/v1"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, module_place: Path | str) -> Iterator[Served]:
    settings = portal_site.configuration(tmp_path_factory.mktemp("site"), module_place)
    with portal_site.served(settings) as served:
        contents = [*portal_site.slices(4), *portal_site.slices(2, subject="S-0002")]
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", contents)
        yield served


@pytest.fixture(scope="module")
def people(site: Served) -> dict[str, str]:
    """API tokens by name: of an owner, a member, a collaborator, an administrator and somebody without any role."""
    made = {}
    with site.engine.begin() as connection:
        for name in ("owner", "member", "collaborator", "nobody"):
            users.create(connection, name)
        for name in ("owner", "member", "collaborator", "nobody"):
            who = users.named(connection, name)
            users.choose_password(connection, who, portal_site.PASSWORD)
            if name in set(Role):
                grants.give(connection, who.id, 1, Role(name))
            made[name] = tokens.make(connection, who, "test", Scope.WRITE, 1)
    return made


def client(site: Served, token: str) -> httpx.Client:
    return httpx.Client(base_url=site.url + V1, headers={"Authorization": f"Bearer {token}"})


@pytest.fixture(scope="module")
def owner(site: Served, people: dict[str, str]) -> Iterator[httpx.Client]:
    """In person, with name and password: who manages people does it so."""
    with httpx.Client(base_url=site.url + V1, auth=("owner", portal_site.PASSWORD)) as made:
        yield made


@pytest.fixture(scope="module")
def member(site: Served, people: dict[str, str]) -> Iterator[httpx.Client]:
    with client(site, people["member"]) as made:
        yield made


def test_projects_and_their_counts(member: httpx.Client) -> None:
    (project,) = member.get("/projects").json()
    assert project["counts"]["instances"] == 6
    assert member.get("/projects/lung").json() == project
    assert member.get("/projects/none").status_code == 404


def test_subjects_come_in_pages_with_links(member: httpx.Client) -> None:
    first = member.get("/projects/lung/subjects", params={"limit": 1})
    (subject,) = first.json()
    assert subject["PatientID"] == "S-0001"
    second = member.get(first.links["next"]["url"])
    assert [each["PatientID"] for each in second.json()] == ["S-0002"]
    assert "next" not in second.links
    assert member.get("/projects/lung/subjects", params={"words": "S-0002 thorax"}).json() == second.json()


def test_searches_by_attribute_in_pages(member: httpx.Client) -> None:
    assert len(member.get("/sessions", params={"PatientID": "S-000?"}).json()) == 2
    (scan,) = member.get("/scans", params={"PatientID": "S-0002", "project": "lung"}).json()
    assert scan["NumberOfSeriesRelatedInstances"] == 2
    found, url = [], "/instances?limit=4"
    while url:
        page = member.get(url)
        found += [each["digest"] for each in page.json()]
        url = page.links.get("next", {}).get("url", "")
    assert len(set(found)) == len(found) == 6
    assert member.get("/sessions", params={"project": "none"}).status_code == 404
    for wrong in ({"StudyDate": "yesterday"}, {"after": "xyz"}, {"after": "WyJhIl0"}):
        answer = member.get("/sessions", params=wrong)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
        assert answer.json()["status"] == 400
    unknown = member.get("/sessions", params={"Surname": "Müller"})
    assert unknown.status_code == 422
    assert "Müller" not in unknown.text


def test_an_instance_is_read_whole_and_in_ranges(site: Served, member: httpx.Client) -> None:
    found = member.get("/instances", params={"limit": 1}).json()[0]
    place = f"/instances/{found['instance_id']}/file"
    whole = member.get(place)
    digest = sha256(whole.content)
    assert digest.hexdigest() == found["digest"] == whole.headers["etag"].strip('"')
    assert whole.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    rest = member.get(place, headers={"Range": "bytes=100-", "If-Range": whole.headers["etag"]})
    assert (rest.status_code, rest.content) == (206, whole.content[100:])
    other = member.get(place, headers={"Range": "bytes=100-", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, whole.content)
    assert member.get(place, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    assert member.get(place, headers={"Range": f"bytes={found['size']}-"}).status_code == 416
    header = member.get(f"/instances/{found['instance_id']}/header").json()
    assert header["00080018"]["Value"] == [found["SOPInstanceUID"]]


@pytest.mark.parametrize("place", ["/scans/1/archive.zip", "/sessions/1/archive.zip"])
def test_a_zip_holds_the_files_under_pseudonym_and_uids(member: httpx.Client, place: str) -> None:
    answer = member.get(place)
    found = {each["SOPInstanceUID"]: each for each in member.get("/instances", params={"PatientID": "S-0001"}).json()}
    with ZipFile(BytesIO(answer.content)) as zip:
        assert len(zip.namelist()) == 4
        for name in zip.namelist():
            subject, study, series, file = name.split("/")
            one = found[file.removesuffix(".dcm")]
            assert (subject, study, series) == ("S-0001", one["StudyInstanceUID"], one["SeriesInstanceUID"])
            assert sha256(zip.read(name)).hexdigest() == one["digest"]


def test_a_flag_is_put_once_shown_everywhere_and_taken_back(member: httpx.Client) -> None:
    wish = {"verdict": "questionable", "reason": "the patient breathed"}
    first, again = (member.post("/scans/1/flags", json=wish) for _ in range(2))
    assert (first.status_code, again.json()) == (201, first.json())
    assert member.get("/scans/1").json()["flags"] == [first.json()]
    assert member.get("/scans", params={"PatientID": "S-0001"}).json()[0]["flags"] == {"questionable": 1}
    assert member.get("/projects/lung/subjects", params={"words": "questionable"}).json()[0]["PatientID"] == "S-0001"
    ended = member.delete(f"/scans/1/flags/{first.json()['id']}").json()
    assert (ended["ended_by"], bool(ended["ended"])) == ("member", True)
    assert member.delete(f"/scans/1/flags/{first.json()['id']}").status_code == 404
    assert member.get("/scans/1/flags").json() == [ended]


def test_who_may_read_may_not_change(site: Served, people: dict[str, str]) -> None:
    wish = {"verdict": "unusable", "reason": "no"}
    with client(site, people["collaborator"]) as reader, client(site, people["nobody"]) as nobody:
        assert reader.post("/scans/1/flags", json=wish).status_code == 403
        assert reader.post("/projects/lung/datasets", json={"name": "mine"}).status_code == 403
        assert nobody.post("/scans/1/flags", json=wish).status_code == 404
        assert nobody.get("/instances/1/file").status_code == 404
        assert nobody.get("/sessions").json() == []
        assert nobody.get("/projects").json() == []


def test_a_version_is_frozen_listed_read_compared_and_cited(site: Served, member: httpx.Client) -> None:
    project = "/projects/lung"
    scans = member.get("/scans").json()
    saved = member.put(f"{project}/lists/second", json={"series": [scans[1]["SeriesInstanceUID"]]})
    assert saved.json()["scans"] == 1
    assert member.get(f"{project}/lists/second").json()["series"] == [scans[1]["SeriesInstanceUID"]]
    part = member.post(f"{project}/datasets", json={"name": "part", "list": "second"}).json()
    whole = member.post(f"{project}/datasets", json={"name": "whole", "description": "All."})
    assert whole.status_code == 201
    assert member.post(f"{project}/datasets", json={"name": "whole"}).json() == whole.json()
    assert member.post(f"{project}/datasets", json={"name": "part"}).status_code == 409
    assert [each["name"] for each in member.get(f"{project}/datasets").json()] == ["whole", "part"]
    at = f"{project}/datasets/{whole.json()['digest'][:12]}"
    assert member.get(at).json() == whole.json()
    manifest = member.get(f"{at}/manifest")
    assert sha256(manifest.content).hexdigest() == whole.json()["digest"]
    files = [json.loads(line) for line in manifest.text.splitlines()[1:]]
    listed = member.get(f"{at}/files", params={"limit": 4})
    rest = member.get(listed.links["next"]["url"]).json()
    assert [{key: each[key] for key in ("digest", "path", "size")} for each in [*listed.json(), *rest]] == files
    content = member.get(f"{at}/files/{files[0]['digest']}")
    assert sha256(content.content).hexdigest() == files[0]["digest"]
    assert member.get(f"{at}/files/{'0' * 64}").status_code == 404
    compared = member.get(f"{project}/datasets/part/compare/whole").json()
    assert (compared["same"]["files"], compared["added"]["files"], compared["removed"]["files"]) == (2, 4, 0)
    different = member.get(f"{project}/datasets/part/compare/whole/differences").json()
    assert len(different) == 4
    cited = member.get(f"{at}/citation").json()
    assert whole.json()["digest"] in cited["text"]
    assert cited["datacite"]["types"]["resourceTypeGeneral"] == "Dataset"
    with ZipFile(BytesIO(member.get(f"{at}/archive.zip").content)) as zip:
        assert zip.read("manifest.jsonl") == manifest.content
        assert {f"files/{each['path']}" for each in files} == set(zip.namelist()) - {"manifest.jsonl"}
    assert member.get(f"{project}/datasets/{part['digest']}/gone").json() == []


def test_people_are_managed_by_owners(owner: httpx.Client, member: httpx.Client) -> None:
    put = owner.put("/projects/lung/people/nobody", json={"role": "collaborator"})
    assert put.json()["by"] == "owner"
    assert {each["name"] for each in owner.get("/projects/lung/people").json()} >= {"owner", "nobody"}
    assert owner.delete("/projects/lung/people/nobody").status_code == 204
    assert owner.put("/projects/lung/people/none-such", json={"role": "member"}).status_code == 404
    assert owner.put("/projects/lung/people/nobody", json={"role": "king"}).status_code == 422
    assert member.get("/projects/lung/people").status_code == 403
    invited = owner.post("/projects/lung/invitations", json={"email": "new@example.org", "role": "member"}).json()
    assert (invited["sent"], "/register?token=" in invited["link"]) == (False, True)
    again = owner.post("/projects/lung/invitations", json={"email": "new@example.org", "role": "member"}).json()
    (pending,) = owner.get("/projects/lung/invitations").json()  # asked for twice, there once: the newest link opens
    opens = ["Name to log in with" in httpx.get(each["link"]).text for each in (invited, again)]
    assert opens == [False, True]
    assert owner.delete(f"/projects/lung/invitations/{pending['id']}").status_code == 204
    shown = owner.put("/projects/lung/visibility", json={"visibility": "protected"}).json()
    assert shown["visibility"] == "protected"
    owner.put("/projects/lung/visibility", json={"visibility": "private"})
    rows = owner.get("/projects/lung/audit", params={"who": "owner", "limit": 2})
    assert [row["what"] for row in rows.json()] == ["make private", "make protected"]
    older = owner.get(rows.links["next"]["url"]).json()
    assert older[0]["id"] < rows.json()[-1]["id"]


def test_tokens_are_made_in_person(owner: httpx.Client, member: httpx.Client) -> None:
    made = owner.post("/account/tokens", json={"name": "laptop", "days": 2})
    assert made.status_code == 201
    assert owner.post("/account/tokens", json={"name": "laptop"}).status_code == 409
    token = next(each for each in owner.get("/account/tokens").json() if each["name"] == "laptop")
    assert owner.delete(f"/account/tokens/{token['id']}").status_code == 204
    assert member.post("/account/tokens", json={"name": "laptop"}).status_code == 403
    assert member.get("/account").json() == {"name": "member", "standing": "person", "in_person": False, "may": []}


def test_what_was_removed_is_told_as_gone(owner: httpx.Client, member: httpx.Client) -> None:
    member.post("/projects/lung/datasets", json={"name": "whole"})
    files = member.get("/projects/lung/datasets/whole/files").json()
    uid = files[0]["path"].rsplit("/")[-1].removesuffix(".dcm")
    number = member.get("/instances", params={"SOPInstanceUID": uid}).json()[0]["instance_id"]
    wish = {"reason": "sent by mistake"}
    assert member.post(f"/instances/{number}/removal", json=wish).status_code == 403
    assert owner.post(f"/instances/{number}/removal", json=wish).json()["instances"] == 1
    assert owner.post(f"/instances/{number}/removal", json=wish).status_code == 404
    assert member.get(f"/projects/lung/datasets/whole/files/{files[0]['digest']}").status_code == 410
    (gone,) = member.get("/projects/lung/datasets/whole/gone").json()
    assert (gone["path"], gone["how"], gone["reason"]) == (files[0]["path"], "removed", "sent by mistake")
    with ZipFile(BytesIO(member.get("/projects/lung/datasets/whole/archive.zip").content)) as zip:
        assert f"files/{files[0]['path']}" not in zip.namelist()
        assert f"files/{files[1]['path']}" in zip.namelist()


def test_every_answer_behind_the_login_is_stored_nowhere(owner: httpx.Client) -> None:
    for place in ("/projects", "/account", "/openapi.json", "/docs"):
        assert owner.get(place).headers["cache-control"] == "no-store"


def test_reads_and_changes_are_audited_without_what_was_searched(site: Served) -> None:
    with site.engine.connect() as connection:
        rows = connection.execute(select(audit.c.what, audit.c.object, audit.c.basis)).all()
    kinds = {row.what for row in rows}
    assert {"search", "freeze dataset", "flag questionable", "take back flag", "read images", "retrieve"} <= kinds
    assert {row.basis for row in rows if row.what == "freeze dataset"} == {"member by token"}
    assert not any("S-0002" in row.object for row in rows)
