"""Pictures for the MIDI-B benchmark: samples of every modality, and on ultrasound and captures identity burnt in.

Identity stands at many places, in several fonts, sizes and contrasts: outside and inside of the scan, with and without
declared regions. For each picture it is known which boxes must be hidden and which must be left alone.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ocr import Array, fonts, ultrasound
from PIL import Image, ImageDraw
from pydicom import Dataset

SIDE = 96  # of a picture on which nothing is written
ROWS, COLUMNS = 480, 640
REGION = (110, 70, 530, 420)  # where the scan lies: left, top, right, bottom
LEFT_ALONE = (290, 220, 350, 280)  # within it, where nothing is ever written
WRITTEN_ON = ("US", "SC")
OUTSIDE = ((8, 6), (330, 6), (8, 40), (350, 40), (8, 440), (340, 440), (200, 22))
INSIDE = ((150, 90), (250, 120), (300, 330), (180, 370), (320, 150))
SIZES, CONTRASTS = (12, 14, 18, 22, 26), ("bright", "dark", "faint")
NO_REGIONS = 3  # every third ultrasound image declares none

Box = tuple[int, int, int, int]
"""left, top, right, bottom"""


@dataclass(frozen=True)
class Painted:
    """The boxes that must be hidden, and those that must be as they were although others are hidden."""

    hidden: tuple[Box, ...] = ()
    retained: tuple[Box, ...] = ()


def paint(dataset: Dataset, modality: str, index: int, identity: Sequence[str]) -> Painted:
    """Give the object its pixels, with `identity` on them where such devices write."""
    seed = int.from_bytes(hashlib.sha256(dataset.SOPInstanceUID.encode()).digest()[:4], "big")
    dataset.ImageType = ["DERIVED" if modality == "SEG" else "ORIGINAL", "PRIMARY"]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    if modality not in WRITTEN_ON:
        dataset.BurnedInAnnotation = "NO"
        _plain(dataset, modality, seed)
        return Painted()
    picture = ultrasound(seed, ROWS, COLUMNS)
    regions = modality == "US" and index % NO_REGIONS != NO_REGIONS - 1
    boxes = _written(picture, identity, random.Random(seed), inside=regions and index % 2 == 1)
    if regions:
        _declare(dataset)
    dataset.Rows, dataset.Columns = ROWS, COLUMNS
    _store(dataset, picture, 8, 8)
    return Painted(boxes, (LEFT_ALONE,))


def _plain(dataset: Dataset, modality: str, seed: int) -> None:
    samples = np.random.default_rng(seed).integers(20, 200, (SIDE, SIDE)).astype("<u2")
    dataset.Rows = dataset.Columns = SIDE
    if modality == "SEG":
        dataset.NumberOfFrames = "1"
        _store(dataset, np.packbits(samples > 100, bitorder="little"), 1, 1)
    else:
        _store(dataset, samples, 16, 12)


def _store(dataset: Dataset, samples: Array, allocated: int, stored: int) -> None:
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = allocated, stored, stored - 1
    dataset.PixelRepresentation, dataset.PixelData = 0, samples.tobytes()
    dataset["PixelData"].VR = "OW" if allocated == 16 else "OB"


def _declare(dataset: Dataset) -> None:
    region = Dataset()
    region.RegionLocationMinX0, region.RegionLocationMinY0, right, bottom = REGION
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = right - 1, bottom - 1
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    dataset.SequenceOfUltrasoundRegions = [region]


def _written(picture: Array, identity: Sequence[str], chance: random.Random, *, inside: bool) -> tuple[Box, ...]:
    """Write each text at a place of its own; of the scan, only one where it is to be `inside`."""
    places = chance.sample(OUTSIDE, len(identity))
    if inside:
        places[0] = chance.choice(INSIDE)
    return tuple(_write(picture, text, corner, chance) for text, corner in zip(identity, places, strict=True))


def _write(picture: Array, text: str, corner: tuple[int, int], chance: random.Random) -> Box:
    font, contrast = chance.choice(fonts(chance.choice(SIZES))), chance.choice(CONTRASTS)
    mask = Image.new("L", (COLUMNS, ROWS), 0)
    ImageDraw.Draw(mask).text(corner, text, fill=255, font=font)
    left, top, right, bottom = mask.getbbox() or (*corner, *corner)
    if contrast == "dark":
        picture[max(0, top - 4) : bottom + 4, max(0, left - 4) : right + 4] = 255
    ink = np.asarray(mask) / 255
    colour = {"bright": 255, "dark": 0, "faint": 150}[contrast]
    picture[:] = (picture * (1 - ink) + colour * ink).astype(picture.dtype)
    return left, top, right, bottom
