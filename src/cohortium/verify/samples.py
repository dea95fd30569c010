"""Pixels are what they were, or are blanked as recorded: both sides are decoded, frame by frame.

Inside the rectangles that the record of the run names there is one value, the blank; outside of them no sample differs.
Where the removal of visual features is declared (CID 7050, 113102), samples may have become one value anywhere. Equal
bytes under one transfer syntax and description are equal samples and are not decoded where nothing was to be blanked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from cohortium.dicom import codecs
from cohortium.errors import Malformed
from cohortium.verify.elements import CLEAN_FEATURES, declared
from cohortium.verify.pairs import Opened
from cohortium.verify.record import Blank

__all__ = ["Samples"]

DESCRIBED = (
    "Rows", "Columns", "SamplesPerPixel", "PlanarConfiguration", "PhotometricInterpretation", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "NumberOfFrames",
)  # fmt: skip
HELD = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
MEANT = ("RescaleSlope", "RescaleIntercept", "PixelSpacing", "ImagerPixelSpacing")


Array = np.ndarray[Any, Any]


class Samples:
    """Every frame of every pair."""

    title = "Pixels are identical, or blanked as recorded"

    def __init__(self) -> None:
        self._frames = self._blanked = self._without = self._undecoded = 0

    def see(self, pair: Opened) -> Iterator[str]:
        before, after = pair.before, pair.after
        held = [keyword for keyword in HELD if keyword in before]
        if not held:
            self._without += 1
            return
        if any(before.get(keyword) != after.get(keyword) for keyword in MEANT):
            yield "what a sample means (rescaling, spacing) has changed"
        if held[0] not in after:
            yield "the pixels are gone"
        elif not pair.pair.blanks and _same(before, after, held[0]):
            self._frames += codecs.frames(before)
        else:
            try:
                yield from self._decoded(pair)
            except Malformed:
                self._undecoded += 1
                if before[held[0]].value != after[held[0]].value or pair.pair.blanks:
                    yield "the pixels have other bytes, and cannot be decoded to be compared"

    def _decoded(self, pair: Opened) -> Iterator[str]:
        count = codecs.frames(pair.before)
        if count != codecs.frames(pair.after):
            yield "another number of frames"
            return
        anywhere = CLEAN_FEATURES in declared(pair.after)
        for index in range(count):
            self._frames += 1
            old, new = (codecs.decode(side, index)[0] for side in (pair.before, pair.after))
            if old.shape != new.shape:
                yield f"frame {index + 1}: another size"
                continue
            blank = _blanked(pair.pair.blanks, index, old.shape)
            self._blanked += bool(blank.any())
            changed = new[(old != new).reshape(*blank.shape, -1).any(axis=-1) & ~blank]
            if not _is_blank(new[blank]):
                yield f"frame {index + 1}: a place that the run blanked is not blank"
            if changed.size and not (anywhere and _is_blank(changed)):
                yield f"frame {index + 1}: other samples where nothing was blanked"

    def looked_at(self) -> str:
        objects = f"; {self._without} objects have no pixels" if self._without else ""
        return f"{self._frames} frames{objects}" if self._frames or self._without else ""

    def note(self) -> str:
        blanked = f"{self._blanked} frames are blanked in part, as recorded." if self._blanked else ""
        undecoded = f"Not decodable, and so compared as bytes: {self._undecoded}." if self._undecoded else ""
        return f"{blanked} {undecoded}".strip()


def _same(before: Dataset, after: Dataset, keyword: str) -> bool:
    syntax = before.file_meta.TransferSyntaxUID == after.file_meta.TransferSyntaxUID
    described = all(before.get(each) == after.get(each) for each in DESCRIBED)
    return syntax and described and before[keyword].value == after[keyword].value


def _blanked(blanks: Iterable[Blank], index: int, shape: Sequence[int]) -> Array:
    """Which pixels of a frame the run blanked."""
    mask = np.zeros(shape[:2], bool)
    for each in blanks:
        if each.first <= index <= each.last:
            mask[each.rectangle.within(*mask.shape)] = True
    return mask


def _is_blank(pixels: Array) -> bool:
    """Whether all pixels are one."""
    return bool((pixels == pixels[:1]).all())
