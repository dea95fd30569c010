"""One new identifier for each old one, over the whole set: patients and UIDs, references to other objects included."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from pydicom.dataset import Dataset

from cohortium.verify.elements import RETAIN_UIDS, both, declared, texts
from cohortium.verify.pairs import Opened
from cohortium.verify.values import NOT_AN_OBJECT, STANDARD_ROOT

__all__ = ["Patients", "Uids"]


class _Mapping:
    """Old to new, one to one; `met` tells what contradicts what was met before."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.new: dict[str, str] = {}
        self._old: dict[str, str] = {}

    def met(self, old: str, new: str, where: str) -> Iterator[str]:
        if self.new.setdefault(old, new) != new:
            yield f"{where}: a {self.what} has become two"
        elif self._old.setdefault(new, old) != old:
            yield f"{where}: two {self.what}s have become one"


class Uids:
    """Every UID of the patient's own objects is new, and is the same new one wherever it stands."""

    title = "UIDs are new, and the same everywhere"

    def __init__(self) -> None:
        self._mapping, self._pairs = _Mapping("UID"), 0

    @property
    def mapping(self) -> dict[str, str]:
        return self._mapping.new

    def see(self, pair: Opened) -> Iterator[str]:
        self._pairs += 1
        retained = RETAIN_UIDS in declared(pair.after)
        for where, old, new in _uids(pair):
            if old == new and not retained:
                yield f"{where}: a UID is as it was"
            yield from self._mapping.met(old, new, where)
        header = pair.after.file_meta.get("MediaStorageSOPInstanceUID")
        if header != pair.after.get("SOPInstanceUID"):
            yield "MediaStorageSOPInstanceUID: not the object's own SOPInstanceUID"

    def looked_at(self) -> str:
        return f"{len(self.mapping)} UIDs in {self._pairs} pairs" if self._pairs else ""

    def note(self) -> str:
        return "UIDs of the standard (1.2.840.10008) name definitions and stay."


def _uids(pair: Opened) -> Iterator[tuple[str, str, str]]:
    for where, before, after in both(pair.before, pair.after):
        if before.VR != "UI" or before.keyword.endswith(NOT_AN_OBJECT):
            continue
        old, new = texts(before), texts(after)
        if len(old) == len(new):
            yield from ((where, o, n) for o, n in zip(old, new, strict=True) if not o.startswith(STANDARD_ROOT))


class Patients:
    """A patient, by ID and issuer, becomes one subject, and no two patients become the same."""

    title = "A patient is one subject, and a subject one patient"

    def __init__(self) -> None:
        self._mapping, self._pairs, self._nameless = _Mapping("patient"), 0, 0
        self.mapping: dict[str, str] = {}  # by ID alone

    def see(self, pair: Opened) -> Iterator[str]:
        self._pairs += 1
        new = str(pair.after.get("PatientID") or "")
        if not new:
            yield "PatientID: empty"
            return
        old = str(pair.before.get("PatientID") or "").strip()
        if not old:
            self._nameless += 1
            return
        yield from self._mapping.met(_person(pair.before), new, "PatientID")
        self.mapping.setdefault(old, new)
        if old == new:
            yield "PatientID: as it was"

    def looked_at(self) -> str:
        return f"{len(self._mapping.new)} patients in {self._pairs} pairs" if self._pairs else ""

    def note(self) -> str:
        nameless = (
            f" {self._nameless} inputs have no PatientID, and say of nobody who they are." if self._nameless else ""
        )
        return f"The issuer of the ID counts: two hospitals' equal IDs are two patients.{nameless}"


def _person(dataset: Dataset) -> str:
    parts = (str(dataset.get(keyword) or "") for keyword in ("IssuerOfPatientID", "PatientID"))
    return "\x1f".join(unicodedata.normalize("NFC", " ".join(part.split())) for part in parts)
