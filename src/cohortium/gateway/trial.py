"""Tries a way before a patient's data takes it: an echo to whatever is at its end, a made-up object to a destination.

The object shows nobody: it is drawn here, its patient is called COHORTIUM-TEST and marked as a subject of quality
control, and it is the same whenever it is sent from one site to one destination under one protocol, so that it is there
once. It names that protocol, whose rules it meets with nothing to remove, so that a hub judges it as it judges all.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from hashlib import sha256
from io import BytesIO

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from sqlalchemy import Engine

from cohortium.acquire import probing
from cohortium.archive import datasets
from cohortium.config import (
    Config,
    Curated,
    Destination,
    Drop,
    Laid,
    Pacs,
    Receiver,
    Scp,
    SftpServer,
    Stow,
    Upload,
    Watched,
)
from cohortium.deposit import Parcel
from cohortium.deposit.echo import echo
from cohortium.deposit.parcels import Confirmed
from cohortium.dicom import meta
from cohortium.errors import Refused, Unavailable
from cohortium.gateway.lines import protocol_of, sources_of
from cohortium.gateway.ways import OUT
from cohortium.keys import SiteKey
from cohortium.prove import receipts

__all__ = ["PATIENT", "answers", "probe", "send", "specimen"]

PATIENT = "COHORTIUM-TEST"
EDGE = 256
ANSWERS: Mapping[type, str] = {
    Laid: "is there and can be written",
    Scp: "answers to an echo",
    SftpServer: "answers and lets this site in",
    Stow: "answers and lets this site in",
}


def probe(config: Config, engine: Engine, name: str) -> str:
    """What is to be said of a source that would take something in; `CohortiumError` where it would not."""
    match sources_of(config)[name]:
        case Pacs() as pacs:
            echo(pacs, config.file.parent)
            return f"{name} answers to an echo"
        case Receiver() as receiver:
            probing.receiver(receiver)
            return f"{name} listens; an echo from one of its peers shows the rest"
        case Drop() as drop:
            probing.drop(drop)
            return f"{name} listens"
        case Watched() as watched:
            probing.watched(watched)
            return f"{name} is there and can be read"
        case Upload() as upload:
            probing.upload(upload, config.file.parent)
            return f"{name} has its token, and is taken in at /intake/{name} of this portal"
        case Curated() as curated:
            with engine.connect() as connection:
                if datasets.identified(connection, curated.version) is None:
                    raise Unavailable("this archive has no such dataset version")
            return f"{name} is there"


def answers(config: Config, name: str) -> str:
    """What is to be said of a destination that answers, and lets this site in; `CohortiumError` where it does not."""
    way = _destination(config, name)
    with closing(OUT[type(way)](way, config)) as sender:
        sender.probe()
    return f"{name} {ANSWERS[type(way)]}"


def send(config: Config, key: SiteKey, name: str) -> str:
    """What is to be said when the destination has the object; `Refused` or `Unavailable` where it has not."""
    way = _destination(config, name)
    pipeline = next((each for each in config.pipelines if name in each.destinations), None)
    if pipeline is None:
        raise Refused("no pipeline sends there; name it in a pipeline's destinations first")
    protocol = protocol_of(config, pipeline).digest
    content = specimen(config.site.name, name, protocol)
    made = meta.describe(content, sha256(content).hexdigest())
    receipt = receipts.sign(
        key.signer(), site=config.site.name, project=pipeline.project, digest=made.digest, protocol=protocol
    )
    with closing(OUT[type(way)](way, config)) as sender:
        (answer,) = sender.send(pipeline.project, [Parcel(made, lambda: content, receipt)])
    if not isinstance(answer, Confirmed):
        raise answer
    return f"{name} has the test object of patient {PATIENT} ({answer.how}); remove it there"


def _destination(config: Config, name: str) -> Destination:
    return next(each for each in config.destinations if each.name == name)


def specimen(site: str, destination: str, protocol: str) -> bytes:
    """A secondary capture with a gradient and a cross, marked as a test in every attribute that people look at.

    `protocol` is the digest of the one that it passes for.
    """
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.Modality, dataset.ConversionType = SecondaryCaptureImageStorage, "OT", "SYN"
    dataset.PatientID = dataset.PatientName = PATIENT
    dataset.QualityControlSubject = "YES"  # PS3.3 C.7.1.1: no person
    dataset.PatientBirthDate = dataset.PatientSex = dataset.StudyDate = dataset.StudyTime = ""
    dataset.AccessionNumber = dataset.ReferringPhysicianName = dataset.StudyID = ""
    dataset.StudyDescription = dataset.SeriesDescription = "Test object, shows no patient"
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.PatientIdentityRemoved, dataset.BurnedInAnnotation = "YES", "NO"
    dataset.DeidentificationMethod = ["Made up by Cohortium; there never was a patient", f"sha256:{protocol[:48]}"]
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        digest = sha256(f"{site}/{destination}/{protocol}/{keyword}".encode()).digest()
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
