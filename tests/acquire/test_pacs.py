"""Questions to a real Orthanc and a real dcmqrscp, and C-GET from both."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from certificates import Certificates
from cohortium.acquire.intake import Intake
from cohortium.acquire.pacs import Pacs
from cohortium.acquire.receiver import Receiver
from cohortium.config import Pacs as Settings
from cohortium.config import Receiver as Listening
from cohortium.errors import Unavailable
from cohortium.keys import SiteKey
from cohortium.spool import Came, Spool
from cohortium.spool.wanted import Study
from cohortium.store import open_store
from hospital import slice_of
from pacs_servers import Server, dcmqrscp, orthanc
from waiting import free_port

KEY = SiteKey(bytes(range(32)))
SERVERS = {"orthanc": orthanc, "dcmqrscp": dcmqrscp}
IMAGES = 6


def study(folder: Path, number: int, accession: str, day: str = "20240301", second: str = "CT") -> str:
    """Files of one study of two series, the second of that modality; returns its StudyInstanceUID."""
    uid = f"1.2.826.0.7.{number}"

    def change(dataset: Dataset) -> None:
        dataset.StudyInstanceUID, dataset.AccessionNumber, dataset.StudyDate = uid, accession, day
        dataset.SeriesInstanceUID = f"{uid}.{1 + dataset.InstanceNumber % 2}"
        dataset.SOPInstanceUID = f"{uid}.9.{dataset.InstanceNumber}"
        dataset.StudyTime, dataset.StudyID, dataset.StudyDescription = "120000", str(number), "THORAX low dose"
        dataset.Modality = "CT" if dataset.InstanceNumber % 2 else second

    folder.mkdir(exist_ok=True, parents=True)
    for image in range(1, IMAGES + 1):
        (folder / f"{number}-{image}.dcm").write_bytes(slice_of(image, change))
    return uid


@pytest.fixture(scope="module", params=list(SERVERS))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("pacs")
    for number, accession in enumerate(["A1", "A2", "Ä 3"], start=1):
        study(folder / "files", number, accession, f"2024030{number}")
    study(folder / "files", 4, "A5", "20240304", "MR")
    with SERVERS[request.param](folder, free_port()) as running:
        running.store(folder / "files")
        yield running


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(open_store(tmp_path), tmp_path / "spool", KEY) as spool:
        yield spool


def asking(server: Server, spool: Spool, halt: threading.Event | None = None, **more: object) -> Pacs:
    settings = Settings(name="pacs", ae_title=server.title, host="127.0.0.1", port=server.port, **more)  # type: ignore[arg-type]
    intake = Intake(spool, Came("pacs", "ct"), 1 << 20, 0)
    return Pacs(settings, "", intake, (halt or threading.Event()).is_set, spool.folder)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"AccessionNumber": "A2"}, {2}),
        ({"AccessionNumber": "Ä 3"}, {3}),
        ({"AccessionNumber": "A4"}, set()),
        ({"StudyInstanceUID": "1.2.826.0.7.1"}, {1}),
        ({"PatientID": "HOSP-778899", "StudyDate": "20240302"}, {2}),
        ({"StudyDate": "20240303", "StudyDescription": "THORAX*"}, {3}),
        ({"StudyDate": "20240303", "ModalitiesInStudy": "CT"}, {3}),
        ({"StudyDate": "20240303", "ModalitiesInStudy": "MR"}, set()),
        ({"StudyDate": "20240304", "ModalitiesInStudy": "MR"}, {4}),
        ({"StudyDate": "20240304", "ModalitiesInStudy": "CT"}, {4}),
        ({"PatientID": "HOSP-778899", "ModalitiesInStudy": "MR"}, {4}),
    ],
)
def test_what_is_asked_for_is_found(server: Server, spool: Spool, query: dict[str, str], found: set[int]) -> None:
    studies, _ = asking(server, spool).find(0, query)
    assert {each.StudyInstanceUID for each in studies} == {f"1.2.826.0.7.{number}" for number in found}


def test_a_study_is_listed_to_its_images(server: Server, spool: Spool) -> None:
    found = asking(server, spool).listed(Study(0, "1.2.826.0.7.1"))
    assert {each.SeriesInstanceUID for each in found.series} == {"1.2.826.0.7.1.1", "1.2.826.0.7.1.2"}
    assert sorted(uid for each in found.series for uid, _ in each.instances) == [
        f"1.2.826.0.7.1.9.{image}" for image in range(1, IMAGES + 1)
    ]
    assert found.listed == IMAGES


@pytest.mark.parametrize("part", [1, 2])
def test_what_is_asked_for_comes_by_c_get(server: Server, spool: Spool, part: int) -> None:
    pacs = asking(server, spool)
    found = pacs.listed(Study(0, "1.2.826.0.7.1"))
    outcome = pacs.pull(found, found.series[:part], lambda: False, lambda: 0)
    assert outcome.words == ""
    assert spool.list_accepted() == sum(each.listed for each in found.series[:part])


@pytest.mark.parametrize("destination", ["COHORTIUM", ""], ids=["c-move", "c-get"])
def test_over_tls_with_certificates_of_both_and_back(spool: Spool, tmp_path: Path, destination: str) -> None:
    """Files are named from the folder of the configuration, wherever the process stands."""
    made, port = Certificates(tmp_path / "tls"), free_port()
    shown = {"certificate": "tls/own.pem", "certificate_key": "tls/own.key", "authority": "tls/authority.pem"}
    tls = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(made.certificate),
        "DicomTlsPrivateKey": str(made.key),
        "DicomTlsTrustedCertificates": str(made.authority),
        "DicomTlsRemoteCertificateRequired": True,
        "DicomModalities": {
            "cohortium": {"AET": "COHORTIUM", "Host": "127.0.0.1", "Port": port, "UseDicomTls": True},
        },
    }
    study(tmp_path / "files", 1, "A1")
    intake = Intake(spool, Came("pacs", "ct"), 1 << 20, 0)
    receiver = Receiver(Listening("in", port=port, peers=("ORTHANC@127.0.0.1",), **shown), intake, tmp_path)
    with orthanc(tmp_path, port, **tls) as server, receiver:
        server.store(tmp_path / "files", ["+tls", made.key, made.certificate, "+cf", made.authority])
        settings = Settings("pacs", ae_title="ORTHANC", host="127.0.0.1", port=server.port, **shown)
        pacs = Pacs(settings, destination, intake, lambda: False, tmp_path)
        ((found,), _) = pacs.find(0, {"AccessionNumber": "A1"})
        listed = pacs.listed(found)
        assert pacs.pull(listed, listed.series, lambda: False, lambda: 0).words == ""
        assert spool.list_accepted() == IMAGES
        bare = replace(settings, certificate="", certificate_key="")
        for other in (bare, replace(bare, authority="")):
            with pytest.raises(Unavailable):
                Pacs(other, "", intake, lambda: False, tmp_path).find(0, {"AccessionNumber": "A1"})


@pytest.mark.parametrize("kind", list(SERVERS))
def test_one_by_one_comes_what_a_pacs_still_has(kind: str, spool: Spool, tmp_path: Path) -> None:
    study(tmp_path / "files", 1, "A1")
    with SERVERS[kind](tmp_path, free_port()) as server:
        server.store(tmp_path / "files")
        kept = [path for path in (tmp_path / kind).rglob("*") if path.is_file()]
        next(path for path in kept if path.read_bytes()[128:132] == b"DICM").unlink()
        pacs = asking(server, spool)
        found = pacs.listed(Study(0, "1.2.826.0.7.1"))
        outcome = pacs.pull(found, found.series, lambda: False, lambda: 0, singly=True)
    assert outcome.words == "asked for one by one, 1 of 6 images were not sent"
    assert spool.list_accepted() == IMAGES - 1
