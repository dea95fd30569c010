"""What lies on an exported disk besides good series: other patients' objects, broken files, files that are no DICOM."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, MRImageStorage

from cohortium.demo.encoding import encode, file, uid
from cohortium.demo.people import site

__all__ = ["strays"]

ROOT = "1.2.276.0.7230010.3.1.4"
EDGE = 128


def strays() -> Iterator[tuple[str, bytes]]:
    """(path, content) of each, below the disk's folder."""
    who = site()
    yield f"{who['letter']}.txt", who["letter_text"].encode()
    yield "README", b"This disk was written by an image archive. Open DICOM/ with a viewer.\r\n"
    yield "LOST/IM000001", b""
    yield "LOST/IM000002", _scan(who["cyrillic_name"], who["cyrillic_id"], "ISO_IR 144")
    yield "LOST/IM000003", _scan(who["greek_name"], who["greek_id"], "ISO_IR 126")
    whole = _scan(who["truncated_name"], who["truncated_id"], "ISO_IR 100")
    yield "LOST/IM000004", whole[: len(whole) * 3 // 5]
    yield "LOST/IM000005", _absurd(whole)
    yield "LOST/IM000006", _jpeg(who["jpeg_name"], who["jpeg_id"], who["jpeg_comment"])


def _scan(name: str, identity: str, charset: str) -> bytes:
    """A small MR image, uncompressed."""
    dataset = _header(name, identity, charset)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.add_new(0x7FE00010, "OW", (_picture().astype("<u2") * 4).tobytes())
    return _file(dataset, charset)


def _jpeg(name: str, identity: str, comment: str) -> bytes:
    """The same as baseline JPEG, with a text in its COM segment."""
    dataset = _header(name, identity, "ISO_IR 100")
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.LossyImageCompression = "01"
    stream = BytesIO()
    Image.fromarray(_picture()).save(stream, "JPEG", quality=92, comment=comment)
    pixels = encapsulate([stream.getvalue()])
    element = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + pixels + b"\xfe\xff\xdd\xe0\0\0\0\0"
    return _file(dataset, "ISO_IR 100", JPEGBaseline8Bit, element)


def _absurd(whole: bytes) -> bytes:
    """A file one of whose elements claims to be four gigabytes long."""
    place = whole.index(b"\x10\x00\x10\x00PN")
    return whole[:place] + struct.pack("<HH2sHL", 0x0010, 0x0010, b"UT", 0, 0xFFFFFFF0) + whole[place + 8 :]


def _header(name: str, identity: str, charset: str) -> Dataset:
    header = Dataset()
    header.SpecificCharacterSet = charset
    header.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    header.SOPClassUID, header.SOPInstanceUID = MRImageStorage, uid(ROOT, identity, "instance", len(name))
    header.StudyDate, header.StudyTime = "20190503", "083000"
    header.Modality, header.Manufacturer = "MR", "SIEMENS"
    header.PatientName, header.PatientID = name, identity
    header.PatientBirthDate, header.PatientSex = "", "O"
    header.AccessionNumber, header.ReferringPhysicianName, header.StudyID = "", "", "1"
    header.ScanningSequence, header.SequenceVariant, header.ScanOptions = "SE", "SK", ""
    header.MRAcquisitionType, header.EchoTime, header.RepetitionTime, header.EchoTrainLength = "2D", "12", "520", "1"
    header.StudyInstanceUID, header.SeriesInstanceUID = uid(ROOT, identity), uid(ROOT, identity, "series")
    header.FrameOfReferenceUID = uid(ROOT, identity, "frame")
    header.SeriesNumber, header.InstanceNumber = 1, 1
    header.ImagePositionPatient = [-120, -120, 0]
    header.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    header.PixelSpacing, header.SliceThickness = [1.875, 1.875], "5"
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.Rows = header.Columns = EDGE
    header.PixelRepresentation = 0
    header.WindowCenter, header.WindowWidth = "400", "800"
    return header


def _picture() -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """A head-like oval: scalp, skull, grey and white matter, ventricles."""
    y, x = np.mgrid[-1 : 1 : EDGE * 1j, -1 : 1 : EDGE * 1j]
    rho = np.hypot(x / 0.72, y / 0.9)
    folds = 0.04 * np.sin(14 * np.arctan2(y, x)) * rho
    picture = np.select([rho > 1, rho > 0.93, rho > 0.86, rho + folds > 0.72], [2, 215, 25, 120], 165)
    picture[np.hypot((np.abs(x) - 0.09) / 0.07, y / 0.28) < 1] = 50
    noise = np.random.default_rng(5).normal(0, 5, picture.shape)
    return np.asarray(np.clip(picture + noise, 0, 255).astype(np.uint8))


def _file(dataset: Dataset, charset: str, syntax: str = ExplicitVRLittleEndian, tail: bytes = b"") -> bytes:
    who = site()
    return file(
        "",
        dataset.SOPInstanceUID,
        encode(dataset, charset) + tail,
        who["meta_sender"],
        who["meta_calling"],
        "OFFIS_DCMTK_365",
        MRImageStorage,
        syntax,
    )
