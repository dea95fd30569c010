"""What is written in a stamped DICOM file: words that radiology shares come in, what looks like somebody's does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydicom.dataset import Dataset
from sqlalchemy import select

from cohortium.archive import Archive
from cohortium.config import Project
from cohortium.errors import Refused
from cohortium.prove import receipts
from cohortium.store import schema
from cohortium.values import Action, Protocol

Make = Callable[..., bytes]


def of(keyword: str, value: object, **more: object) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        for name, text in {keyword: value, **more}.items():
            setattr(dataset, name, text)

    return change


def nested(keyword: str, value: object) -> Callable[[Dataset], None]:
    item, inner = Dataset(), Dataset()
    setattr(inner, keyword, value)
    item.ContentSequence = [inner]
    return of("ContentSequence", [item])


@pytest.mark.parametrize(
    "change",
    [
        of("StudyDescription", "CT thorax with contrast"),
        of("SeriesDescription", "Schädel axial 5.0 B31f", SpecificCharacterSet="ISO_IR 100"),
        of("SeriesDescription", "Schädel axial", SpecificCharacterSet="ISO_IR 192"),
        of("ImageComments", "0123456789ABCDEF"),
        of("ImageComments", "REMOVED"),
        of("Manufacturer", "Mustermann Medical Systems"),
        of("SoftwareVersions", "syngo 2019-03-01"),
        of("DeviceSerialNumber", "20190301"),
        of("OperatorsName", ""),
        of("OperatorsName", "A1B2C3D4E5F60718"),
        nested("TextValue", "tumour of the left lung"),
    ],
)
def test_what_radiology_shares_comes_in(archive: Archive, make: Make, change: Callable[[Dataset], None]) -> None:
    archive.admit(make(change=change), "open", None, who="anna")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (of("StudyDescription", "CT thorax Mustermann"), "StudyDescription"),
        (of("SeriesDescription", "Thorax 12.05.1961"), "SeriesDescription"),
        (of("ImageComments", "call 089 123 45 67"), "ImageComments"),
        (of("ImageComments", "1234567"), "ImageComments"),
        (of("PatientComments", "Müller", SpecificCharacterSet="ISO_IR 100"), "PatientComments"),
        (of("PatientComments", "Mueller"), "PatientComments"),
        (nested("TextValue", "Mustermann, Erika"), "TextValue"),
        (nested("PersonName", "Mustermann^Erika"), "PersonName"),
        (of("ReferringPhysicianName", "Mustermann^Erika"), "ReferringPhysicianName"),
        (of("StationName", "erika@hospital.example"), "StationName"),
        (of("InstitutionName", "Ward 12.05.1961"), "InstitutionName"),
        (of("ImageComments", "x" * 5000), "ImageComments"),
    ],
)
def test_what_looks_like_somebodys_does_not(
    archive: Archive, make: Make, change: Callable[[Dataset], None], said: str
) -> None:
    content = make(change=change)
    for _ in range(2):  # also by the memory of the first time
        with pytest.raises(Refused, match=f"not admitted: {said}") as told:
            archive.admit(content, "open", None, who="anna")
    for value in ("ustermann", "1961", "089", "erika", "ller", "1234567"):
        assert value not in str(told.value)
    with archive.engine.begin() as connection:
        assert connection.execute(select(schema.header)).all() == []


def test_a_pseudonym_is_its_own_files_word_and_no_other_ones(archive: Archive, make: Make) -> None:
    def other(dataset: Dataset) -> None:
        dataset.ImageComments, dataset.PatientName = "0123456789ABCDEF", "FEDCBA9876543210"
        dataset.PatientID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "FEDCBA9876543210", "2.25.7", "2.25.8"

    archive.admit(make(1, of("ImageComments", "0123456789ABCDEF")), "open", None, who="anna")
    with pytest.raises(Refused, match="ImageComments"):
        archive.admit(make(2, other), "open", None, who="anna")


def test_a_sites_word_stands_for_the_texts(archive: Archive, make: Make) -> None:
    signer, content = Ed25519PrivateKey.generate(), make(change=of("StudyDescription", "Studie Mustermann-Kohorte"))
    archive.enrol("ward", signer.public_key().public_bytes_raw().hex())
    words = {"site": "ward", "project": "open", "protocol": "ab" * 32}
    receipt = receipts.sign(signer, digest=sha256(content).hexdigest(), **words)
    archive.admit(content, "open", receipt, who="anna")


def test_a_protocol_that_keeps_descriptors_is_held_to_what_looks_like_a_persons(
    archive: Archive, make: Make, protocol: Protocol
) -> None:
    keeps = replace(protocol, elements={"StudyDescription": Action.KEEP})
    archive.open_project(Project("kept", "", "check"), keeps)
    archive.admit(make(1, of("StudyDescription", "Protokoll Nordwest")), "kept", None, who="anna")
    with pytest.raises(Refused, match="StudyDescription"):
        archive.admit(make(2, of("StudyDescription", "seen 12.05.1961")), "kept", None, who="anna")
