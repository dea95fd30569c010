"""What is kept of a series once its own rules have run: enough for the rules across series, and little.

An object is known by eight bytes of a digest of its SOPInstanceUID, so that a million of them fit in 8 MB.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from cohortium.check import naming
from cohortium.check.scan import Scan
from cohortium.dicom import meta
from cohortium.values import Instance

__all__ = ["Outline"]

KEPT = (
    *("StudyDate", "StudyTime", "SeriesDate", "SeriesTime", "AcquisitionDate", "AcquisitionTime", "ContentDate"),
    *("SliceThickness", "PixelSpacing", "ConvolutionKernel", "ImageType", "PatientIdentityRemoved", "PatientSex"),
)
MARK = 8  # bytes


@dataclass(frozen=True, slots=True)
class Outline:
    """A series in short; `first` is its first image (else object) with the attributes of `KEPT`."""

    SeriesInstanceUID: str
    patients: tuple[str, ...]  # every PatientID and StudyInstanceUID in it: one, if all is well
    studies: tuple[str, ...]
    first: Instance
    files: int
    slices: int
    folders: tuple[str, ...]
    marks: bytes  # of each file's SOPInstanceUID
    numbers: Mapping[str, float] = field(default_factory=dict)  # what rules measured, by name

    @classmethod
    def of(cls, scan: Scan) -> Outline | None:
        """Of a series; None where not one of its files can be read."""
        instances = [file.instance for file in scan.files]
        if not instances:
            return None
        images = scan.series.images or tuple(each for each in instances if meta.frames(each)) or instances
        return cls(
            SeriesInstanceUID=scan.SeriesInstanceUID,
            patients=_sorted(each.PatientID for each in instances),
            studies=_sorted(each.StudyInstanceUID for each in instances),
            first=_short(images[0]),
            files=len(instances),
            slices=scan.series.slices or sum(map(meta.frames, instances)),
            folders=_sorted(file.name.rpartition("/")[0] for file in scan.files),
            marks=b"".join(_mark(each.SOPInstanceUID) for each in instances),
        )

    @property
    def mixed(self) -> bool:
        """Whether it is of several patients or studies, and so no one series."""
        return len(self.patients) > 1 or len(self.studies) > 1

    @property
    def patient(self) -> str:
        """The patient's identifier as a finding shows it: not where nothing says that it is a pseudonym."""
        if len(self.patients) != 1 or not self.patients[0]:
            return ""
        declared = self.first.text("PatientIdentityRemoved").upper() == "YES"
        return naming.pseudonym(self.patients[0]) if declared else naming.HIDDEN

    @property
    def where(self) -> dict[str, str]:
        """What a finding about the series says of its place."""
        return {"SeriesInstanceUID": self.SeriesInstanceUID, "patient": self.patient}


def _sorted(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


def _mark(UID: str) -> bytes:
    return blake2b(UID.encode(), digest_size=MARK).digest()


def _short(instance: Instance) -> Instance:
    kept = {keyword: instance.attributes[keyword] for keyword in KEPT if keyword in instance.attributes}
    return replace(instance, attributes=kept)
