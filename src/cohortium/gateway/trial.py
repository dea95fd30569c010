"""Tries a way before a patient's data takes it: an echo to a peer of DICOM, a made-up object to a destination.

The object shows nobody: it is drawn here, its patient is called COHORTIUM-TEST, and it is the same whenever it is sent
from one site to one destination, so that it is there once.
"""

from __future__ import annotations

from hashlib import sha256
from io import BytesIO

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from cohortium.config import Config, Pacs, Scp
from cohortium.deposit import Parcel
from cohortium.deposit.echo import echo as ask
from cohortium.deposit.parcels import Confirmed
from cohortium.dicom import meta
from cohortium.errors import Refused
from cohortium.gateway.ways import OUT
from cohortium.keys import SiteKey
from cohortium.prove import receipts

__all__ = ["PATIENT", "echo", "echoed", "send", "specimen"]

PATIENT = "COHORTIUM-TEST"
EDGE = 256


def echoed(config: Config) -> dict[str, Scp | Pacs]:
    """What can be asked for an echo, by name."""
    return {each.name: each for each in (*config.sources, *config.destinations) if isinstance(each, Scp | Pacs)}


def echo(config: Config, name: str) -> str:
    """What is to be said of a peer that answers; `Unavailable` where it does not."""
    ask(echoed(config)[name], config.file.parent)
    return f"{name} answers to an echo"


def send(config: Config, key: SiteKey, name: str) -> str:
    """What is to be said when the destination has the object; `Refused` or `Unavailable` where it has not."""
    way = next(each for each in config.destinations if each.name == name)
    project = next((each.project for each in config.pipelines if name in each.destinations), "")
    if not project:
        raise Refused("no pipeline sends there; name it in a pipeline's destinations first")
    content = specimen(config.site.name, name)
    made = meta.describe(content, sha256(content).hexdigest())
    receipt = receipts.sign(
        key.signer(), site=config.site.name, project=project, digest=made.digest, protocol=sha256(b"test").hexdigest()
    )
    sender = OUT[type(way)](way, config)
    try:
        (answer,) = sender.send(project, [Parcel(made, lambda: content, receipt)])
    finally:
        sender.close()
    if not isinstance(answer, Confirmed):
        raise answer
    return f"{name} has the test object of patient {PATIENT} ({answer.how}); remove it there"


def specimen(site: str, destination: str) -> bytes:
    """A secondary capture with a gradient and a cross, marked as a test in every attribute that people look at."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.Modality, dataset.ConversionType = SecondaryCaptureImageStorage, "OT", "SYN"
    dataset.PatientID, dataset.PatientName = PATIENT, "TEST^NO PATIENT"
    dataset.PatientBirthDate = dataset.PatientSex = dataset.StudyDate = dataset.StudyTime = ""
    dataset.AccessionNumber = dataset.ReferringPhysicianName = dataset.StudyID = ""
    dataset.StudyDescription = dataset.SeriesDescription = "Test object, shows no patient"
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.PatientIdentityRemoved, dataset.BurnedInAnnotation = "YES", "NO"
    dataset.DeidentificationMethod = "Made up by Cohortium; there never was a patient"
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        digest = sha256(f"{site}/{destination}/{keyword}".encode()).digest()
        setattr(dataset, keyword, UID(f"2.25.{int.from_bytes(digest[:15], 'big')}"))
    dataset.Rows = dataset.Columns = EDGE
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    down, across = np.mgrid[:EDGE, :EDGE]
    cross = (abs(down - across) < 4) | (abs(down + across - EDGE) < 4)
    dataset.PixelData = np.where(cross, 255, across // 2).astype(np.uint8).tobytes()
    out = BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()
