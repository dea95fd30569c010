"""A de-identified object, made with pydicom alone, and an archive to bring it to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from cohortium.archive import Archive
from cohortium.config import Project
from cohortium.keys import SiteKey
from cohortium.store import open_store
from cohortium.values import Protocol, SubjectRule

PROTOCOL = Protocol("basic", "1", "", "2026c", (), SubjectRule(), {}, digest="ab" * 32)


@pytest.fixture
def protocol() -> Protocol:
    return PROTOCOL


@pytest.fixture
def make() -> Callable[..., bytes]:
    """`make(number=1, change=function)`: the bytes of one slice, after `change` had its way with the data set."""

    def build(number: int = 1, change: Callable[[Dataset], None] = lambda dataset: None) -> bytes:
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID = CTImageStorage
        dataset.SOPInstanceUID = f"2.25.4.{number}"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "2.25.2", "2.25.3"
        dataset.PatientName = dataset.PatientID = "0123456789ABCDEF"
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = ["Cohortium 0.1.0", "basic 1", f"sha256:{PROTOCOL.digest[:48]}"]
        dataset.StudyDate, dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "20200102", "CT", 7, number
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, 2.5 * number], [1, 0, 0, 0, 1, 0]
        dataset.Rows = dataset.Columns = 4
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.SamplesPerPixel, dataset.PixelRepresentation = 15, 1, 0
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.PixelData = bytes(32)
        change(dataset)
        file = BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        return file.getvalue()

    return build


@pytest.fixture
def archive(tmp_path: Path, place: Path | str) -> Iterator[Archive]:
    """With a project `open`, that goes by its own check, and `sealed`, that wants receipts."""
    archive = Archive(open_store(place), tmp_path, SiteKey(bytes(32)))
    archive.open_project(Project("open", "Open", "check"), PROTOCOL)
    archive.open_project(Project("sealed", "Sealed", "receipt"), PROTOCOL)
    yield archive
    archive.engine.dispose()
