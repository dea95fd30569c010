"""Every answer in JSON keeps to the DICOM JSON Model (PS3.18 Annex F), attribute by attribute."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import Dataset

import portal_site
from cohortium.govern import grants, logins, users
from cohortium.govern.roles import Role
from dicom_json import faults
from portal_site import Served

STUDY, SERIES = "2.25.1001", "2.25.1002"  # the same in every process: they stand in the names of tests
ROOT = "/dicomweb/lung"


def telling() -> Dataset:
    """A slice with a value of every kind that is read in another way."""
    dataset = portal_site.ct_slice(0, "S-0001", STUDY, SERIES)
    dataset.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    dataset.PatientName = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    dataset.OperatorsName = ["A^B", "", "C"]
    dataset.ImageType = ["ORIGINAL", "", "AXIAL"]
    dataset.ImageComments = "one\\value"
    dataset.add_new(0x00280009, "AT", [0x00181063, 0x00181065])
    dataset.add_new(0x00282000, "OB", bytes(range(200)))
    dataset.add_new(0x00182042, "FD", [float("nan"), float("inf"), 1.5])
    dataset.RequestAttributesSequence = [Dataset(), Dataset()]
    dataset.RequestAttributesSequence[1].add_new(0x00282000, "OB", bytes(3000))
    dataset.ReferencedImageSequence = []
    dataset.private_block(0x0029, "COHORTIUM TEST", create=True).add_new(1, "SV", -(1 << 60))
    return dataset


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, module_place: Path | str) -> Iterator[Served]:
    settings = portal_site.configuration(tmp_path_factory.mktemp("site"), module_place)
    with portal_site.served(settings) as served:
        contents = [*portal_site.slices(3), portal_site.encode(telling())]
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", contents)
        yield served


@pytest.fixture(scope="module")
def client(site: Served) -> Iterator[httpx.Client]:
    with site.engine.begin() as connection:
        users.create(connection, "carl")
        who = users.named(connection, "carl")
        users.choose_password(connection, who, portal_site.PASSWORD)
        grants.give(connection, who.id, 1, Role.COLLABORATOR)
        token = logins.open_login(connection, who, 1)
    with httpx.Client(base_url=site.url, cookies={"cohortium": token}) as client:
        yield client


def asked(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    answer = client.get(f"{ROOT}{path}", headers={"Accept": "application/dicom+json"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/dicom+json"), path
    return answer.json()


@pytest.mark.parametrize("query", ["", "?includefield=all", "?limit=1&offset=1", "?PatientID=S-*"])
@pytest.mark.parametrize("path", ["/studies", "/series", "/instances"])
def test_searches(client: httpx.Client, path: str, query: str) -> None:
    found = asked(client, path + query)
    assert found
    assert [list(faults(each)) for each in found] == [[] for _ in found]


@pytest.mark.parametrize("path", ["/series", "/instances", f"/series/{SERIES}/instances"])
def test_searches_within_a_study(client: httpx.Client, path: str) -> None:
    (found,) = asked(client, f"/studies/{STUDY}{path}?includefield=all")
    assert list(faults(found)) == []


@pytest.mark.parametrize("path", ["", f"/series/{SERIES}"])
def test_metadata(client: httpx.Client, path: str) -> None:
    (found,) = asked(client, f"/studies/{STUDY}{path}/metadata")
    assert list(faults(found)) == []
    assert found["00182042"]["Value"] == ["NaN", "inf", 1.5]
    assert found["00081070"]["Value"] == [{"Alphabetic": "A^B"}, None, {"Alphabetic": "C"}]
    assert found["00080008"]["Value"] == ["ORIGINAL", None, "AXIAL"]
    assert found["00204000"]["Value"] == ["one\\value"]
    assert found["00400275"]["Value"][0] == {}
    assert "Value" not in found["00081140"]
    for bulk in (found["7FE00010"], found["00400275"]["Value"][1]["00282000"]):
        assert client.get(bulk["BulkDataURI"]).status_code == 200


def test_metadata_of_an_instance(client: httpx.Client) -> None:
    (row,) = asked(client, f"/studies/{STUDY}/instances")
    (found,) = asked(client, f"/studies/{STUDY}/series/{SERIES}/instances/{row['00080018']['Value'][0]}/metadata")
    assert list(faults(found)) == []
