"""Where each picture of a series lies in the patient, single slices and frames of multi-frame objects alike.

What always holds: a picture whose place is not known is `Malformed`, never left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom import Dataset

from cohortium.deidentify.faces.volume import Stack
from cohortium.dicom import codecs, geometry
from cohortium.errors import Malformed

__all__ = ["Slice", "alike", "slices", "stacked"]


@dataclass(frozen=True, slots=True)
class Slice:
    """A picture: frame `frame` of object `source`. Lengths in mm; `slope` and `intercept` as in Rescale."""

    source: int
    frame: int
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, ...]
    shape: tuple[int, int]
    slope: float
    intercept: float
    thickness: float | None

    @property
    def normal(self) -> tuple[float, ...] | None:
        return geometry.normal(self.orientation)

    @property
    def height(self) -> float:
        """Where it lies along its normal, mm."""
        return geometry.along(self.position, self.normal) or 0.0


def slices(dataset: Dataset, source: int) -> Iterator[Slice]:
    """Every picture of an object; `Malformed` where one does not say where it lies."""
    try:
        found = [_slice(dataset, source, frame) for frame in range(codecs.frames(dataset))]
    except codecs.BAD_INPUT as error:
        raise Malformed(f"its header does not say where a picture lies ({type(error).__name__})") from None
    for each in found:
        if geometry.along(each.position, each.normal) is None or min(each.spacing) <= 0 or not each.slope:
            raise Malformed("its header does not say where a picture lies, or what its samples mean")
        yield each


def alike(pictures: Sequence[Slice]) -> list[list[Slice]]:
    """The pictures by geometry: each list has one size, one pixel spacing and one orientation."""
    groups: list[list[Slice]] = []
    for each in pictures:
        for group in groups:
            first = group[0]
            same = each.shape == first.shape and np.allclose(each.spacing, first.spacing, rtol=1e-3)
            if same and geometry.parallel(each.orientation, first.orientation):
                group.append(each)
                break
        else:
            groups.append([each])
    return groups


def stacked(ascending: Sequence[Slice]) -> Stack:
    """The geometry of slices that are alike, one to a place."""
    first = ascending[0]
    row, column = np.array(first.orientation[:3]), np.array(first.orientation[3:])
    rows, columns = first.spacing
    return Stack(np.array([each.position for each in ascending]), row, column, (rows, columns), first.shape)


def _slice(dataset: Dataset, source: int, frame: int) -> Slice:
    def value(sequence: str, keyword: str) -> Any:
        return _value(dataset, frame, sequence, keyword)

    thickness = value("PixelMeasuresSequence", "SliceThickness")
    slope = value("PixelValueTransformationSequence", "RescaleSlope")
    return Slice(
        source,
        frame,
        position=_floats(value("PlanePositionSequence", "ImagePositionPatient")),
        orientation=_floats(value("PlaneOrientationSequence", "ImageOrientationPatient")),
        spacing=_floats(value("PixelMeasuresSequence", "PixelSpacing")),
        shape=(int(dataset.Rows), int(dataset.Columns)),
        slope=1.0 if slope is None else float(slope),
        intercept=float(value("PixelValueTransformationSequence", "RescaleIntercept") or 0),
        thickness=None if thickness is None else float(thickness),
    )


def _value(dataset: Dataset, frame: int, sequence: str, keyword: str) -> Any:
    """An attribute of a frame: of its functional groups, of those that all share, or of the object (C.7.6.16)."""
    if "SharedFunctionalGroupsSequence" not in dataset:
        return dataset.get(keyword)
    own = dataset.PerFrameFunctionalGroupsSequence[frame]
    for group in (own, *dataset.SharedFunctionalGroupsSequence):
        for item in group.get(sequence) or ():
            if keyword in item:
                return item.get(keyword)
    return None


def _floats(value: Any) -> tuple[float, ...]:
    return tuple(float(each) for each in value)
