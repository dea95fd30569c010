"""De-identification by the ten action categories of MIDI-B, on made-up objects with an answer key.

    python bench/midi.py [--protocol NAME|FILE] [--patients N] [--keep FOLDER]

The categories are those of CBIIT's validation script. Each patient has two studies with 24 objects of ten modalities.
Rows of objects that the run set aside are counted apart: they did not leave, so nothing of them leaks, and nothing of
them is of use. Exits with 1 where a category other than `pixels_hidden` is below 100 %, or has nothing to score.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from pydicom import Dataset, FileMetaDataset, dcmread
from pydicom.multival import MultiValue
from pydicom.uid import UID, ExplicitVRLittleEndian

from cohortium import keys
from cohortium.deidentify import load_protocol
from cohortium.values import Action, Protocol
from cohortium.verify import record

ACTIONS = (
    "tag_retained", "text_notnull", "text_removed", "text_retained", "date_shifted", "uid_changed", "uid_consistent",
    "patid_consistent", "pixels_hidden", "pixels_retained",
)  # fmt: skip
ROOT = "1.2.826.0.1.3680043.8.498.77"
SIDE, BOX = 96, (4, 4, 92, 20)  # size of a picture; where identity is written: left, top, right, bottom
FULL_DATES = "Retain Longitudinal Temporal Information Full Dates"
MODIFIED_DATES = "Retain Longitudinal Temporal Information Modified Dates"
CLEAN = "Clean Descriptors"

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
    "US": ("1.2.840.10008.5.1.4.1.1.6.1", 3, 1, "ABDOMEN"),
    "SC": ("1.2.840.10008.5.1.4.1.1.7", 2, 1, "SCREEN"),
}
WRITTEN_ON = ("US", "SC")
RETAINED = {
    "CT": {"KVP": "120", "ConvolutionKernel": "B30f", "SliceThickness": "1.25", "RescaleIntercept": "-1024"},
    "MR": {"EchoTime": "80", "RepetitionTime": "2500", "MagneticFieldStrength": "1.5", "SliceThickness": "3"},
    "PT": {"Units": "BQML", "DecayCorrection": "ADMIN", "SliceThickness": "2", "PatientWeight": None},
    "CR": {"ViewPosition": "PA", "KVP": "110"},
    "MG": {"ViewPosition": "MLO", "ImageLaterality": "L", "KVP": "28"},
}


@dataclass(frozen=True)
class Row:
    """One line of the answer key. `where` is a keyword, below a sequence with a stroke; `value` what was there."""

    instance: str
    modality: str
    action: str
    where: str
    value: str


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


def make(folder: Path, patients: int, protocol: Protocol) -> list[Row]:
    """Write the objects and `key.csv`; returns the answer key."""
    (folder / "in").mkdir(parents=True)
    rows: list[Row] = []
    for patient in map(Patient, range(patients)):
        for modality, (_, count, _, _) in OBJECTS.items():
            for index in range(count):
                dataset = _object(patient, modality, index)
                rows += _answers(dataset, patient, modality, protocol)
                name = f"{patient.surname}_{modality}_{index}.dcm"  # hospitals name files so
                dataset.save_as(folder / "in" / f"{patient.number:03d}_{name}", enforce_file_format=True)
    with (folder / "key.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(field.name for field in fields(Row))
        table.writerows(map(astuple, rows))
    return rows


def _object(patient: Patient, modality: str, index: int) -> Dataset:
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
    dataset.PatientID, dataset.PatientSex = f"PAT-{patient.number:04d}-{4711 + patient.number}", "F"
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
    if modality not in ("SR", "RTSTRUCT"):
        _pixels(dataset, patient, modality)
    return dataset


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


def _pixels(dataset: Dataset, patient: Patient, modality: str) -> None:
    seed = int.from_bytes(hashlib.sha256(dataset.SOPInstanceUID.encode()).digest()[:4], "big")
    samples = np.random.default_rng(seed).integers(20, 200, (SIDE, SIDE)).astype("<u2")
    if modality in WRITTEN_ON:
        picture = Image.new("L", (SIDE, SIDE), 0)
        ImageDraw.Draw(picture).text(BOX[:2], patient.surname, fill=255)
        samples[BOX[1] : BOX[3], BOX[0] : BOX[2]] = np.asarray(picture)[BOX[1] : BOX[3], BOX[0] : BOX[2]]
    else:
        dataset.BurnedInAnnotation = "NO"
    dataset.ImageType = ["DERIVED" if modality == "SEG" else "ORIGINAL", "PRIMARY"]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows = dataset.Columns = SIDE
    narrow, binary = modality in WRITTEN_ON, modality == "SEG"
    dataset.BitsAllocated = 1 if binary else 8 if narrow else 16
    dataset.BitsStored = 1 if binary else 8 if narrow else 12
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, 0
    if binary:
        dataset.NumberOfFrames = "1"
        dataset.PixelData = np.packbits(samples > 100, bitorder="little").tobytes()
    else:
        dataset.PixelData = samples.astype("u1" if narrow else "<u2").tobytes()
    dataset["PixelData"].VR = "OB" if narrow or binary else "OW"


def _answers(dataset: Dataset, patient: Patient, modality: str, protocol: Protocol) -> Iterator[Row]:
    """The answer key of one object under this protocol."""

    def row(action: str, where: str, value: object) -> Row:
        return Row(str(dataset.SOPInstanceUID), modality, action, where, str(value))

    kept = {"Modality": dataset.Modality, "SOPClassUID": dataset.SOPClassUID}
    if "PixelData" in dataset:
        kept |= {"Rows": SIDE, "Columns": SIDE, "BitsStored": dataset.BitsStored}
        yield row("pixels_hidden" if modality in WRITTEN_ON else "pixels_retained", "PixelData", "")
    kept |= {keyword: value for keyword, value in RETAINED.get(modality, {}).items() if value}
    for keyword, value in kept.items():
        yield row("tag_retained", keyword, value)
        yield row("text_retained", keyword, value)
    for keyword in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "Modality"):
        yield row("text_notnull", keyword, "")
    for keyword, value in patient.identity.items():
        kept_by_name = protocol.elements.get(keyword) == Action.KEEP
        yield row("text_retained" if kept_by_name else "text_removed", keyword, value)
    yield row("text_removed", "PatientID", dataset.PatientID)
    yield row("text_removed", "RequestAttributesSequence/RequestedProcedureID", f"RP{patient.number:03d}5521")
    yield row("text_removed", "RequestAttributesSequence/RequestedProcedureDescription", patient.surname)
    yield row("text_removed", "StudyDescription", patient.surname)
    yield row("text_removed", "SeriesDescription", "Achterberg")
    yield row("text_removed", "anywhere", patient.surname)
    yield row("text_removed", "anywhere", "Achterberg")
    if CLEAN in protocol.options:
        yield row("text_retained", "StudyDescription", OBJECTS[modality][3])
        yield row("text_retained", "SeriesDescription", OBJECTS[modality][3])
    yield row("patid_consistent", "PatientID", dataset.PatientID)
    for path, element in _elements(dataset):
        if element.VR == "UI" and str(element.value).startswith(ROOT):
            yield row("uid_changed", path, element.value)
            yield row("uid_consistent", path, element.value)
        elif element.VR in ("DA", "DT") and element.keyword and element.keyword != "PatientBirthDate":
            yield row("date_shifted", path, element.value)


def _elements(dataset: Dataset, above: str = "") -> Iterator[tuple[str, Dataset]]:
    for element in dataset:
        path = above + element.keyword
        if element.VR == "SQ":
            for item in element.value:
                yield from _elements(item, f"{path}/")
        else:
            yield path, element


class Scorer:
    """Holds every output against the answer key, with pydicom alone."""

    def __init__(self, pairs: Iterable[tuple[Path, Path]], protocol: Protocol) -> None:
        self.protocol = protocol
        self.before: dict[str, Dataset] = {}
        self.after: dict[str, Dataset] = {}
        self.uids: dict[str, str] = {}
        self.patients: dict[str, set[str]] = {}
        self.moved: dict[str, set[int]] = {}
        self.contents: dict[str, bytes] = {}
        for source, output in pairs:
            before = dcmread(source)
            self.before[before.SOPInstanceUID] = before
            self._note(before, output)

    def _note(self, before: Dataset, path: Path) -> None:
        after = dcmread(path)
        self.after[before.SOPInstanceUID], self.contents[before.SOPInstanceUID] = after, path.read_bytes()
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
            if keyword in before and keyword in after:
                self.uids.setdefault(str(before[keyword].value), str(after[keyword].value))
        self.patients.setdefault(str(before.PatientID), set()).add(str(after.PatientID))

    def passes(self, row: Row) -> bool:
        after = self.after[row.instance]
        found = [element for path, element in _elements(after) if path == row.where]
        texts = [_text(element.value) for element in found]
        match row.action:
            case "tag_retained":
                return bool(found)
            case "text_notnull":
                return all(texts) and bool(texts)
            case "text_retained":
                return any(_same(text, row.value) for text in texts)
            case "text_removed" if row.where == "anywhere":
                return row.value.lower().encode() not in self.contents[row.instance].lower()
            case "text_removed":
                return not any(word.lower() in text.lower() for word in row.value.split("^") for text in texts)
            case "date_shifted":
                return all(self._date(row, text) for text in texts)
            case "uid_changed":
                return row.value not in texts
            case "uid_consistent":
                return all(text in self.uids.values() for text in texts) and self._consistent(row, texts)
            case "patid_consistent":
                mine = self.patients[row.value]
                return len(mine) == 1 and all(not mine & ids for old, ids in self.patients.items() if old != row.value)
            case "pixels_hidden":
                box = after.pixel_array[BOX[1] : BOX[3], BOX[0] : BOX[2]]
                return bool((box == box.flat[0]).all())
            case "pixels_retained":
                return np.array_equal(after.pixel_array, self.before[row.instance].pixel_array)
        raise ValueError(row.action)

    def _consistent(self, row: Row, texts: list[str]) -> bool:
        return not texts or self.uids.get(row.value) in texts

    def _date(self, row: Row, text: str) -> bool:
        """As the protocol says: kept, moved by one number of days a patient, or gone (a dummy is nobody's date)."""
        if FULL_DATES in self.protocol.options:
            return text == row.value
        if MODIFIED_DATES not in self.protocol.options or not text:
            return text != row.value
        patient = str(self.before[row.instance].PatientID)
        days = (date.fromisoformat(text[:8]) - date.fromisoformat(row.value[:8])).days
        moved = self.moved.setdefault(patient, set())
        moved.add(days)
        return days != 0 and len(moved) == 1


def _text(value: object) -> str:
    values = value if isinstance(value, MultiValue) else [value]
    return "\\".join("" if each is None else str(each) for each in values)


def _same(text: str, expected: str) -> bool:
    try:
        return float(text) == float(expected)
    except ValueError:
        return expected.lower() in text.lower()


@dataclass(frozen=True)
class Score:
    """What came of the rows of one category."""

    action: str
    rows: int
    quarantined: int
    passed: int

    @property
    def percent(self) -> float | None:
        scored = self.rows - self.quarantined
        return 100 * self.passed / scored if scored else None


def deidentified(folder: Path, protocol: str) -> tuple[list[tuple[Path, Path]], Counter[str]]:
    """What `cohortium deidentify` makes of the inputs: (input, output) by its record, and why others were set aside."""
    _cohortium(folder, "init", ".")
    _cohortium(folder, "subject", "secret", "--project", "midi")
    options = ("--protocol", protocol, "--project", "midi", "--jobs", "2", "--record", "run.record")
    _cohortium(folder, "deidentify", "in", "out", *options)
    site = keys.load(folder / "keys" / "site.key", folder / "data")
    marking = record.marking_key(site)
    inputs = {record.mark(path.read_bytes(), marking): path for path in (folder / "in").iterdir()}
    entries = record.read(folder / "run.record", site).entries
    pairs = [(inputs[each.source], folder / "out" / each.output) for each in entries if each.output]
    return pairs, Counter(each.reason for each in entries if not each.output)


def _cohortium(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-c", "from cohortium.cli import main; main()", *arguments]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def bench(folder: Path, patients: int, name: str) -> tuple[list[Score], Counter[str], list[Row]]:
    """Scores, what was set aside and why, and the rows that failed, under the protocol of this name or path."""
    protocol = load_protocol(name)
    key = make(folder, patients, protocol)
    pairs, aside = deidentified(folder, name)
    scorer = Scorer(pairs, protocol)
    scored = [row for row in key if row.instance in scorer.after]
    failed = [row for row in scored if not scorer.passes(row)]
    rows, out, bad = (Counter(row.action for row in each) for each in (key, scored, failed))
    scores = [Score(each, rows[each], rows[each] - out[each], out[each] - bad[each]) for each in ACTIONS]
    return scores, aside, failed


def show(scores: list[Score], aside: Counter[str], failed: list[Row], protocol: Protocol) -> None:
    print(f"protocol {protocol.name} {protocol.version}, sha256:{protocol.digest[:16]}")
    print(f"{'action':<18}{'rows':>8}{'set aside':>11}{'scored':>8}{'passed':>8}{'score':>10}")
    for each in scores:
        percent = "none" if each.percent is None else f"{each.percent:.2f} %"
        print(
            f"{each.action:<18}{each.rows:>8}{each.quarantined:>11}{each.rows - each.quarantined:>8}"
            f"{each.passed:>8}{percent:>10}"
        )
    print(f"set aside: {sum(aside.values())} objects; a row of theirs is neither passed nor failed")
    for reason, count in aside.items():
        print(f"  {count} {reason}")
    for (action, modality, where), count in Counter((row.action, row.modality, row.where) for row in failed).items():
        print(f"failed: {action} {modality} {where}: {count}")


def main() -> int:
    parser = argparse.ArgumentParser(description="MIDI-B's ten action categories on made-up objects")
    parser.add_argument("--protocol", default="basic", help="a shipped protocol, or the path of one")
    parser.add_argument("--patients", type=int, default=10, help="24 objects each")
    parser.add_argument("--keep", type=Path, help="a new folder for inputs, outputs and the answer key")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cohortium-midi-") as temporary:
        scores, aside, failed = bench(arguments.keep or Path(temporary), arguments.patients, arguments.protocol)
    show(scores, aside, failed, load_protocol(arguments.protocol))
    return int(any(each.percent != 100 for each in scores if each.action != "pixels_hidden"))


if __name__ == "__main__":
    sys.exit(main())
