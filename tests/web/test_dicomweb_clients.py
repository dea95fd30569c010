"""The same session of an independent client (dicomweb-client) with Cohortium, and with Orthanc where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from dicomweb_client.api import DICOMwebClient
from PIL import Image
from pydicom import Dataset, dcmread
from requests import Session
from sqlalchemy import update

import orthanc
import portal_site
from cohortium.govern import users
from cohortium.store.schema import user

RAW = (("application/octet-stream", "1.2.840.10008.1.2.1"),)
STUDY, SERIES = "2.25.91", "2.25.92"


def slices() -> list[Dataset]:
    found = []
    for n in range(4):
        dataset = portal_site.ct_slice(n, "S-0001", STUDY, SERIES)
        dataset.SOPInstanceUID = f"2.25.93.{n}"
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = ["Cohortium", f"sha256:{portal_site.PROTOCOL.digest[:48]}"]
        found.append(dcmread(BytesIO(portal_site.encode(dataset))))
    return found


def cohortium(folder: Path) -> Iterator[DICOMwebClient]:
    settings = portal_site.configuration(folder)
    with portal_site.served(settings) as served:
        portal_site.fill(served.engine, settings.site.data, "lung", "Lung study", [])
        password = users.ensure_administrator(served.engine)
        with served.engine.begin() as connection:
            connection.execute(update(user).values(one_time=False))
        session = Session()
        session.auth = ("admin", password or "")
        yield DICOMwebClient(f"{served.url}/dicomweb/lung", session=session)


def other(folder: Path) -> Iterator[DICOMwebClient]:
    if not orthanc.available():
        pytest.skip("no Orthanc with DICOMweb here; apt-get install orthanc orthanc-dicomweb")
    with orthanc.orthanc(folder) as url:
        yield DICOMwebClient(url)


@pytest.fixture(scope="module", params=[cohortium, other], ids=["Cohortium", "Orthanc"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DICOMwebClient]:
    for client in request.param(tmp_path_factory.mktemp("site")):
        answer = client.store_instances(slices())
        assert len(answer.ReferencedSOPSequence) == 4
        assert "FailedSOPSequence" not in answer or not answer.FailedSOPSequence
        yield client


def test_search(client: DICOMwebClient) -> None:
    (study,) = client.search_for_studies(search_filters={"PatientID": "S-0001"})
    assert study["0020000D"]["Value"] == [STUDY]
    assert client.search_for_studies(search_filters={"PatientID": "nobody"}) == []
    (series,) = client.search_for_series(STUDY, fields=["SeriesDescription"])
    assert series["0008103E"]["Value"] == ["Thorax 1.5 B31f"]
    assert {each["00080018"]["Value"][0] for each in client.search_for_instances(STUDY, SERIES)} == {
        f"2.25.93.{n}" for n in range(4)
    }
    pages = [client.search_for_instances(STUDY, SERIES, limit=2, offset=at) for at in (0, 2)]
    assert [len(page) for page in pages] == [2, 2]
    assert len(client.search_for_studies(search_filters={"StudyDate": "20240101-20240201"}, fuzzymatching=False)) == 1


def test_retrieve(client: DICOMwebClient) -> None:
    for found in (client.retrieve_study(STUDY), client.retrieve_series(STUDY, SERIES)):
        assert {dataset.SOPInstanceUID for dataset in found} == {f"2.25.93.{n}" for n in range(4)}
    dataset = client.retrieve_instance(STUDY, SERIES, "2.25.93.2")
    assert dataset.pixel_array[0, 0] == 2 * 10 + 1024


def test_metadata_and_bulk_data(client: DICOMwebClient) -> None:
    documents = client.retrieve_series_metadata(STUDY, SERIES)
    assert len(documents) == 4
    for document in documents:
        read = Dataset.from_json(document, bulk_data_uri_handler=lambda tag, vr, uri: b"")
        assert (read.PatientID, read.Rows, read.PixelSpacing) == ("S-0001", 64, [2.5, 2.5])
    if client.base_url.endswith("/dicom-web"):
        return  # Debian's Orthanc answers 400 to what this client accepts of bulk data
    address = client.retrieve_instance_metadata(STUDY, SERIES, "2.25.93.1")["7FE00010"]["BulkDataURI"]
    place = address.split("/dicomweb/lung", 1)[1]  # this client leaves the port out of its Host header
    assert b"".join(client.retrieve_bulkdata(client.base_url + place)) == slices()[1].PixelData


def test_frames(client: DICOMwebClient) -> None:
    (frame,) = client.retrieve_instance_frames(STUDY, SERIES, "2.25.93.3", [1], media_types=RAW)
    assert np.unique(np.frombuffer(frame, "<u2")).tolist() == [3 * 10 + 1024]


def test_rendered(client: DICOMwebClient) -> None:
    picture = client.retrieve_instance_rendered(STUDY, SERIES, "2.25.93.3", media_types=("image/png",))
    assert Image.open(BytesIO(picture)).size == (64, 64)
