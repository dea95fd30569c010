"""Ultrasound: the scan lies in the regions that the device declares (PS3.3 C.8.5.5), the text around them.

What always holds: the rectangles cover every pixel that lies in no region, and none that lies in one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from pydicom import Dataset

from cohortium.dicom.redact import Rectangle

__all__ = ["around", "declared", "uncovered"]

EDGES = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")


def declared(dataset: Dataset) -> tuple[Rectangle, ...] | None:
    """The regions that the device declares; None where there are none, or one of them makes no sense."""
    found = []
    for item in dataset.get("SequenceOfUltrasoundRegions") or ():
        edges = [item.get(keyword) for keyword in EDGES]
        if not all(isinstance(edge, int) for edge in edges):
            return None
        left, top, right, bottom = edges
        if not (0 <= left <= right < int(dataset.Columns) and 0 <= top <= bottom < int(dataset.Rows)):
            return None
        found.append(Rectangle(left, top, right - left + 1, bottom - top + 1))
    return tuple(found) or None


def around(regions: Sequence[Rectangle], rows: int, columns: int) -> tuple[Rectangle, ...]:
    """Everything but the regions, as rectangles that do not overlap: bands between the heights at which they change."""
    heights = sorted({0, rows, *(each.top for each in regions), *(each.top + each.height for each in regions)})
    return tuple(
        Rectangle(left, top, right - left, bottom - top)
        for top, bottom in pairwise(heights)
        for left, right in _gaps([each for each in regions if each.top <= top < each.top + each.height], columns)
    )


def uncovered(regions: Sequence[Rectangle], rows: int, columns: int) -> float:
    """The share of the picture that lies in no region."""
    return sum(each.width * each.height for each in around(regions, rows, columns)) / (rows * columns)


def _gaps(band: Sequence[Rectangle], columns: int) -> Iterator[tuple[int, int]]:
    position = 0
    for each in sorted(band, key=lambda region: region.left):
        if each.left > position:
            yield position, each.left
        position = max(position, each.left + each.width)
    if position < columns:
        yield position, columns
