"""Contact sheets: the minimum, mean and maximum over all pictures of a series, in which burned-in text shows at once.

A series is chosen by chance under a stated seed. Memory stays at a few frames however long the series is.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.filereader import dcmread

from cohortium.dicom import codecs
from cohortium.errors import Malformed
from cohortium.verify.elements import UNREADABLE

__all__ = ["Projection", "Sheet", "chosen", "sheet"]

SIDE = 512  # pixels of a picture in the report: letters of a scan can be read
DARK, BRIGHT = 0.5, 99.5  # percentiles of the mean picture that become black and white

Samples = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Projection:
    """One picture: which, and a PNG as a data URI."""

    kind: str
    picture: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """What one series looks like; no projections where nothing could be decoded."""

    series: str
    modality: str
    frames: int
    left_out: int  # frames of another size, or that cannot be decoded
    projections: tuple[Projection, ...]


def chosen(series: Mapping[str, Sequence[Path]], count: int, seed: int) -> list[str]:
    """`count` series by chance; the same ones for the same seed."""
    names = sorted(series)
    return sorted(random.Random(seed).sample(names, min(count, len(names))))  # noqa: S311  (a sample, not a secret)


def sheet(series: str, paths: Sequence[Path]) -> Sheet:
    """The projections of one series."""
    stack, modality, left_out = _Stack(), "", 0
    for path in paths:
        try:
            dataset = dcmread(path)
            modality = modality or str(dataset.get("Modality") or "")
            for frame in _frames(dataset):
                left_out += not stack.add(frame)
        except (*UNREADABLE, Malformed):
            left_out += 1
    return Sheet(series, modality, stack.count, left_out, stack.projections())


def _frames(dataset: Dataset) -> Iterator[Samples]:
    """Every frame as floating-point numbers, bright where people see bright."""
    slope = float(dataset.get("RescaleSlope") or 1)
    intercept = float(dataset.get("RescaleIntercept") or 0)
    for index in range(codecs.frames(dataset)):
        samples, photometric = codecs.decode(dataset, index)
        values = samples.astype(np.float32) * slope + intercept
        yield -values if photometric == "MONOCHROME1" else values


class _Stack:
    """Frames of one size, projected as they come."""

    def __init__(self) -> None:
        self.count = 0
        self._least = self._most = self._sum = np.empty(0, np.float32)

    def add(self, frame: Samples) -> bool:
        """Whether the frame has the size of the first one and was taken in."""
        if not self.count:
            self._least, self._most, self._sum = frame.copy(), frame.copy(), frame.astype(np.float64)
        elif frame.shape != self._sum.shape:
            return False
        else:
            np.minimum(self._least, frame, out=self._least)
            np.maximum(self._most, frame, out=self._most)
            self._sum += frame
        self.count += 1
        return True

    def projections(self) -> tuple[Projection, ...]:
        if not self.count:
            return ()
        if self.count == 1:
            return (Projection("its only picture", _uri(_windowed(self._least))),)
        mean: Samples = self._sum / self.count
        pictures: dict[str, Samples] = {"minimum": self._least, "mean": mean, "maximum": self._most}
        return tuple(Projection(kind, _uri(_windowed(picture))) for kind, picture in pictures.items())


def _windowed(picture: Samples) -> Samples:
    """Eight bits, each projection under a window of its own, so that what is faint shows too."""
    low, high = np.percentile(picture, (DARK, BRIGHT))
    if high <= low:
        low, high = float(picture.min()), float(picture.max())
    scale = 255 / (high - low) if high > low else 0.0
    shown: Samples = np.rint(np.clip((picture - low) * scale, 0, 255)).astype(np.uint8)
    return shown


def _uri(picture: Samples) -> str:
    image = Image.fromarray(picture)
    image.thumbnail((SIDE, SIDE))
    content = BytesIO()
    image.save(content, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode("ascii")
