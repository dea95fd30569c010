"""The answer key of the MIDI-B benchmark, and the scorer that holds outputs against it.

The categories are those of CBIIT's validation script.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from midi_objects import OBJECTS, RETAINED, ROOT, Patient, elements
from midi_pictures import Box, Painted
from ocr import Array
from pydicom import Dataset, dcmread
from pydicom.multival import MultiValue

from cohortium.values import Action, Protocol

ACTIONS = (
    "tag_retained", "text_notnull", "text_removed", "text_retained", "date_shifted", "uid_changed", "uid_consistent",
    "patid_consistent", "pixels_hidden", "pixels_retained",
)  # fmt: skip
BESIDE = "scan_retained"  # none of MIDI-B's: what a cleaned picture must keep
FULL_DATES = "Retain Longitudinal Temporal Information Full Dates"
MODIFIED_DATES = "Retain Longitudinal Temporal Information Modified Dates"
CLEAN = "Clean Descriptors"


@dataclass(frozen=True)
class Row:
    """One line of the answer key. `where` is a keyword, below a sequence with a stroke; `value` what was there,
    or a box of the picture."""

    instance: str
    modality: str
    action: str
    where: str
    value: str


def answers(dataset: Dataset, painted: Painted, patient: Patient, modality: str, protocol: Protocol) -> Iterator[Row]:
    """The answer key of one object under this protocol."""

    def row(action: str, where: str, value: object) -> Row:
        return Row(str(dataset.SOPInstanceUID), modality, action, where, str(value))

    kept = {"Modality": dataset.Modality, "SOPClassUID": dataset.SOPClassUID}
    if "PixelData" in dataset:
        kept |= {keyword: dataset[keyword].value for keyword in ("Rows", "Columns", "BitsStored")}
        yield from (row("pixels_hidden", "PixelData", _told(box)) for box in painted.hidden)
        yield from (row(BESIDE, "PixelData", _told(box)) for box in painted.retained)
        if not painted.hidden:
            yield row("pixels_retained", "PixelData", _told((0, 0, dataset.Columns, dataset.Rows)))
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
    for path, element in elements(dataset):
        if element.VR == "UI" and str(element.value).startswith(ROOT):
            yield row("uid_changed", path, element.value)
            yield row("uid_consistent", path, element.value)
        elif element.VR in ("DA", "DT") and element.keyword and element.keyword != "PatientBirthDate":
            yield row("date_shifted", path, element.value)


def _told(box: Box) -> str:
    return ",".join(map(str, box))


def _cut(dataset: Dataset, box: str) -> Array:
    left, top, right, bottom = map(int, box.split(","))
    return dataset.pixel_array[top:bottom, left:right]


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
        found = [element for path, element in elements(after) if path == row.where]
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
                box = _cut(after, row.value)
                return bool((box == box.flat[0]).all())
            case "pixels_retained" | "scan_retained":
                return np.array_equal(_cut(after, row.value), _cut(self.before[row.instance], row.value))
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
