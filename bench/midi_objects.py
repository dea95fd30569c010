"""Made-up patients and their objects for the MIDI-B benchmark: ten modalities, identity at every place, nobody real."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from midi_pictures import Painted, paint
from pydicom import DataElement, Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

ROOT = "1.2.826.0.1.3680043.8.498.77"

SURNAMES = (
    "Quellenhofer",
    "Brzezinska",
    "Vandersteen",
    "Okonkwo",
    "Lindqvist",
    "Papadakis",
    "Moreauville",
    "Szabolcsi",
)
GIVEN = ("Wilhelmine", "Kazimierz", "Liesbeth", "Chukwuemeka", "Ingeborg", "Stavroula", "Thibault", "Zsuzsanna")

# Modality: SOP class, how many a patient has, study (0 or 1), words that a clean description keeps.
OBJECTS = {
    "CT": ("1.2.840.10008.5.1.4.1.1.2", 4, 0, "CT THORAX"),
    "MR": ("1.2.840.10008.5.1.4.1.1.4", 4, 0, "MR BRAIN T2"),
    "PT": ("1.2.840.10008.5.1.4.1.1.128", 4, 0, "PET WHOLE BODY"),
    "RTSTRUCT": ("1.2.840.10008.5.1.4.1.1.481.3", 1, 0, "LIVER"),
    "SEG": ("1.2.840.10008.5.1.4.1.1.66.4", 1, 0, "SEGMENTATION"),
    "SR": ("1.2.840.10008.5.1.4.1.1.88.22", 1, 0, "REPORT"),
    "CR": ("1.2.840.10008.5.1.4.1.1.1", 2, 1, "CHEST PA"),
    "MG": ("1.2.840.10008.5.1.4.1.1.1.2", 2, 1, "BREAST"),
    "US": ("1.2.840.10008.5.1.4.1.1.6.1", 6, 1, "ABDOMEN"),
    "SC": ("1.2.840.10008.5.1.4.1.1.7", 2, 1, "SCREEN"),
}
RETAINED = {
    "CT": {"KVP": "120", "ConvolutionKernel": "B30f", "SliceThickness": "1.25", "RescaleIntercept": "-1024"},
    "MR": {"EchoTime": "80", "RepetitionTime": "2500", "MagneticFieldStrength": "1.5", "SliceThickness": "3"},
    "PT": {"Units": "BQML", "DecayCorrection": "ADMIN", "SliceThickness": "2", "PatientWeight": None},
    "CR": {"ViewPosition": "PA", "KVP": "110"},
    "MG": {"ViewPosition": "MLO", "ImageLaterality": "L", "KVP": "28"},
}
WITHOUT_PIXELS = ("SR", "RTSTRUCT")


@dataclass(frozen=True)
class Patient:
    number: int

    @property
    def name(self) -> str:
        return f"{SURNAMES[self.number % len(SURNAMES)]}^{GIVEN[self.number * 3 % len(GIVEN)]}"

    @property
    def surname(self) -> str:
        return self.name.partition("^")[0]

    @property
    def patient_id(self) -> str:
        return f"PAT-{self.number:04d}-{4711 + self.number}"

    @property
    def written(self) -> tuple[str, ...]:
        """What devices write on pictures."""
        born = self.identity["PatientBirthDate"]
        birth = f"{born[6:]}.{born[4:6]}.{born[:4]}"
        return self.name.replace("^", ", "), self.patient_id, f"* {birth}", "Klinikum Weststadt"

    @property
    def identity(self) -> dict[str, str]:
        """What must be gone, by keyword."""
        n = self.number
        return {
            "PatientName": self.name,
            "PatientBirthDate": f"19{40 + n:02d}0{1 + n % 9}17",
            "PatientAddress": f"Lindenweg {n}12, 8{n:04d} Weststadt",
            "PatientTelephoneNumbers": f"+49 89 55{n:02d}7788",
            "OtherPatientIDs": f"ALT-{n:03d}-9934",
            "AccessionNumber": f"ACC{n:03d}88412",
            "InstitutionName": "Klinikum Weststadt",
            "InstitutionAddress": f"Ringstrasse {n}7, Weststadt",
            "ReferringPhysicianName": "Achterberg^Theodora",
            "PerformingPhysicianName": "Kowalczyk^Ludmila",
            "OperatorsName": "Fensterle^Gundula",
            "StationName": f"WESTCT{n:02d}",
            "DeviceSerialNumber": f"SN77{n:03d}512",
            "PatientComments": f"Neighbour of Mrs {self.surname}, call 55{n:02d}7788",
            "ImageComments": f"Retake for {self.surname}",
            "RequestingPhysician": "Achterberg^Theodora",
            "CountryOfResidence": "Freedonia",
            "MilitaryRank": "Oberstleutnant",
        }


def uid(*parts: object) -> str:
    number = int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big")
    return f"{ROOT}.{number}"


def make(patient: Patient, modality: str, index: int) -> tuple[Dataset, Painted]:
    """An object with identity all over, and what of its picture must go and stay."""
    sop_class, _, study, words = OBJECTS[modality]
    day = date(2019, 3, 4) + timedelta(days=patient.number * 11 + study * 365)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.SourceApplicationEntityTitle = "PACS_WESTSTADT"
    dataset.SOPClassUID, dataset.Modality = UID(sop_class), modality if modality != "SC" else "OT"
    dataset.SOPInstanceUID = uid(patient.number, modality, index)
    dataset.SeriesInstanceUID = uid(patient.number, modality)
    dataset.StudyInstanceUID = uid(patient.number, "study", study)
    dataset.PatientID, dataset.PatientSex = patient.patient_id, "F"
    for keyword, value in patient.identity.items():
        setattr(dataset, keyword, value)
    dataset.StudyDescription = f"{words} {patient.surname}"
    dataset.SeriesDescription = f"{words} for Dr. Achterberg"
    dataset.Manufacturer, dataset.StudyID, dataset.SeriesNumber = "ACME", f"ST{patient.number:03d}77", "3"
    dataset.InstanceNumber = str(index + 1)
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = f"{day:%Y%m%d}"
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = "101112"
    request = Dataset()
    request.RequestedProcedureID = f"RP{patient.number:03d}5521"
    request.RequestedProcedureDescription = f"Please scan {patient.surname}"
    dataset.RequestAttributesSequence = [request]
    block = dataset.private_block(0x0029, "ACME HEADER", create=True)
    block.add_new(0x10, "LO", patient.name)
    block.add_new(0x11, "DA", patient.identity["PatientBirthDate"])
    for keyword, value in RETAINED.get(modality, {}).items():
        setattr(dataset, keyword, value or "71")
    _special(dataset, patient, modality, day)
    painted = Painted() if modality in WITHOUT_PIXELS else paint(dataset, modality, index, patient.written)
    return dataset, painted


def _special(dataset: Dataset, patient: Patient, modality: str, day: date) -> None:
    """What only this kind of object has, references to the CT slices among it."""
    if modality in ("CT", "MR", "PT", "RTSTRUCT", "SEG"):
        dataset.FrameOfReferenceUID = uid(patient.number, "frame")
    if modality in ("CT", "MR", "PT", "CR", "MG"):
        dataset.AcquisitionDate, dataset.AcquisitionTime = f"{day:%Y%m%d}", "101500"
        dataset.BodyPartExamined = "CHEST"
    if modality in ("CT", "MR", "PT"):
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, 1], [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing = [0.8, 0.8]
    slice_ = Dataset()
    slice_.ReferencedSOPClassUID = UID(OBJECTS["CT"][0])
    slice_.ReferencedSOPInstanceUID = uid(patient.number, "CT", 0)
    if modality == "RTSTRUCT":
        dataset.StructureSetLabel, dataset.StructureSetDate = f"RT {patient.surname}", f"{day:%Y%m%d}"
        series, study, frame = Dataset(), Dataset(), Dataset()
        series.SeriesInstanceUID, series.ContourImageSequence = uid(patient.number, "CT"), [slice_]
        study.ReferencedSOPClassUID = UID("1.2.840.10008.3.1.2.3.1")
        study.ReferencedSOPInstanceUID, study.RTReferencedSeriesSequence = dataset.StudyInstanceUID, [series]
        frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = dataset.FrameOfReferenceUID, [study]
        dataset.ReferencedFrameOfReferenceSequence = [frame]
        region = Dataset()
        region.ROINumber, region.ReferencedFrameOfReferenceUID = "1", dataset.FrameOfReferenceUID
        region.ROIName, region.ROIGenerationAlgorithm = f"LIVER {patient.surname}", "MANUAL"
        dataset.StructureSetROISequence = [region]
    elif modality == "SEG":
        series = Dataset()
        series.SeriesInstanceUID, series.ReferencedInstanceSequence = uid(patient.number, "CT"), [slice_]
        dataset.ReferencedSeriesSequence = [series]
        dataset.SegmentationType, dataset.ContentLabel = "BINARY", "LIVER"
        dataset.ContentCreatorName, dataset.ContentDescription = "Achterberg^Theodora", f"liver of {patient.surname}"
    elif modality == "SR":
        text = Dataset()
        text.RelationshipType, text.ValueType = "CONTAINS", "TEXT"
        text.TextValue = f"{patient.surname} has no finding."
        dataset.ValueType, dataset.ContinuityOfContent, dataset.ContentSequence = "CONTAINER", "SEPARATE", [text]
        dataset.CompletionFlag, dataset.VerificationFlag = "COMPLETE", "UNVERIFIED"


def elements(dataset: Dataset, above: str = "") -> Iterator[tuple[str, DataElement]]:
    """Every element at every depth, with its path of keywords."""
    for element in dataset:
        path = above + element.keyword
        if element.VR == "SQ":
            for item in element.value:
                yield from elements(item, f"{path}/")
        else:
            yield path, element
