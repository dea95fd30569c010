"""Identifiable slices, and what must be found nowhere afterwards."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

__all__ = ["PLANTED", "slice_of"]

PLANTED = ("Grünwald^Ottilie", "HOSP-778899", "Dr. Zwiebelkopf", "Lindenallee 17", "WARD-SEVEN", "TULIPAN")
"""Values that identify; the last two are names of a folder and of a file."""


def slice_of(number: int, change: Callable[[Dataset], None] = lambda dataset: None, *, series: int = 1) -> bytes:
    """An identifiable CT slice, after `change` had its way with it."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, f"1.2.826.0.1.{series}.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.826.0.2", f"1.2.826.0.3.{series}"
    dataset.PatientName, dataset.PatientID, dataset.ReferringPhysicianName, dataset.PatientAddress = PLANTED[:4]
    dataset.StudyDate, dataset.Modality, dataset.InstanceNumber = "20200102", "CT", number
    dataset.SeriesNumber = series
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, 2.5 * number], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness, dataset.KVP = [0.7, 0.7], 2.5, 120
    dataset.Rows = dataset.Columns = 16
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.SamplesPerPixel, dataset.PixelRepresentation = 15, 1, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.RescaleIntercept, dataset.RescaleSlope = -1024, 1
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.PixelData = bytes([number]) * 512
    change(dataset)
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()
