"""Pixels are what they were, or are blanked as declared: both sides are decoded, frame by frame.

Where cleaning is declared (CID 7050, 113101), a frame may differ from its input only by samples that all have one
value, the blank. Equal bytes under one transfer syntax and description are equal samples and are not decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from cohortium.dicom import codecs
from cohortium.errors import Malformed
from cohortium.verify.elements import CLEAN_PIXELS, declared
from cohortium.verify.pairs import Opened

__all__ = ["Samples"]

DESCRIBED = (
    "Rows", "Columns", "SamplesPerPixel", "PlanarConfiguration", "PhotometricInterpretation", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "NumberOfFrames",
)  # fmt: skip
HELD = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
MEANT = ("RescaleSlope", "RescaleIntercept", "PixelSpacing", "ImagerPixelSpacing")


class Samples:
    """Every frame of every pair."""

    title = "Pixels are identical, or blanked as declared"

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
        elif _same(before, after, held[0]):
            self._frames += codecs.frames(before)
        else:
            try:
                yield from self._decoded(before, after)
            except Malformed:
                self._undecoded += 1
                if before[held[0]].value != after[held[0]].value:
                    yield "the pixels have other bytes, and cannot be decoded to be compared"

    def _decoded(self, before: Dataset, after: Dataset) -> Iterator[str]:
        count = codecs.frames(before)
        if count != codecs.frames(after):
            yield "another number of frames"
            return
        may_be_blanked = CLEAN_PIXELS in declared(after)
        for index in range(count):
            self._frames += 1
            old, new = codecs.decode(before, index)[0], codecs.decode(after, index)[0]
            if old.shape != new.shape:
                yield f"frame {index + 1}: another size"
            elif not np.array_equal(old, new):
                if not may_be_blanked:
                    yield f"frame {index + 1}: other samples, although no cleaning of pixels is declared"
                elif not _is_blank(new[old != new]):
                    yield f"frame {index + 1}: samples changed to something else than one blank value"
                else:
                    self._blanked += 1

    def looked_at(self) -> str:
        objects = f"; {self._without} objects have no pixels" if self._without else ""
        return f"{self._frames} frames{objects}" if self._frames or self._without else ""

    def note(self) -> str:
        blanked = f"{self._blanked} frames are blanked in part, as declared." if self._blanked else ""
        undecoded = f"Not decodable, and so compared as bytes: {self._undecoded}." if self._undecoded else ""
        return f"{blanked} {undecoded}".strip()


def _same(before: Dataset, after: Dataset, keyword: str) -> bool:
    syntax = before.file_meta.TransferSyntaxUID == after.file_meta.TransferSyntaxUID
    described = all(before.get(each) == after.get(each) for each in DESCRIBED)
    return syntax and described and before[keyword].value == after[keyword].value


def _is_blank(samples: np.ndarray[Any, Any]) -> bool:
    return bool(samples.size) and bool((samples == samples.flat[0]).all())
