"""Oddities that single slices carry: an icon with pixels of its own, a curve, drawn names, text after the pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset

from cohortium.demo.canvas import SIZE
from cohortium.demo.encoding import encode, even, item, uid

__all__ = ["Samples", "after_pixels", "curve", "icon", "overlays"]

Samples = NDArray[np.uint16] | NDArray[np.int16]


def icon(dataset: Dataset, pixels: Samples) -> None:
    small = np.clip(pixels[::8, ::8].astype(np.int32) // 8, 0, 255).astype(np.uint8)
    icon = item(
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=64,
        Columns=64,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelRepresentation=0,
    )
    icon.add_new(0x7FE00010, "OB", small.tobytes())
    dataset.IconImageSequence = [icon]


def curve(dataset: Dataset, description: str) -> None:
    """A retired curve (50xx), as ECG-gated scanners wrote them."""
    wave = (500 * np.sin(np.arange(64) / 5)).astype("<i2")
    for element, vr, value in (
        (0x0005, "US", 1),
        (0x0010, "US", 64),
        (0x0020, "CS", "ECG"),
        (0x0022, "LO", description),
        (0x0103, "US", 0),
        (0x3000, "OW", wave.tobytes()),
    ):
        dataset.add_new(0x50000000 + element, vr, value)


def overlays(dataset: Dataset, pixels: Samples, text: str, comment: str) -> Samples:
    """An overlay of its own bits with a name drawn in it; where samples have bits to spare, another one there."""
    drawn = np.array(_drawn(text))
    planes = [(0x60000000, None)]
    if dataset.BitsStored < 16:
        planes.append((0x60020000, dataset.BitsStored))
        pixels = pixels | (drawn.astype(np.uint16) << dataset.BitsStored)
    for group, bit in planes:
        for element, vr, value in (
            (0x0010, "US", SIZE),
            (0x0011, "US", SIZE),
            (0x0022, "LO", comment),
            (0x0040, "CS", "G"),
            (0x0050, "SS", [1, 1]),
            (0x0100, "US", 16 if bit else 1),
            (0x0102, "US", bit or 0),
            (0x1500, "LO", text),
        ):
            dataset.add_new(group + element, vr, value)
    dataset.add_new(0x60003000, "OW", np.packbits(drawn, bitorder="little").tobytes())
    return pixels


def _drawn(text: str) -> Image.Image:
    plane = Image.new("1", (SIZE, SIZE))
    ImageDraw.Draw(plane).text((24, 24), text, fill=1, font=ImageFont.load_default(22))
    return plane


def after_pixels(padding: str, signed: str) -> bytes:
    signature = item(
        MACIDNumber=1,
        DigitalSignatureUID=uid("1.2.276.0.99", signed),
        DigitalSignatureDateTime="20210406101512",
        CertificateType="X509_1993_SIG",
    )
    signature.add_new(0x04000115, "OB", even(signed.encode("ascii")))
    after = Dataset()
    after.add_new(0xFFFAFFFA, "SQ", [signature])
    after.add_new(0xFFFCFFFC, "OB", even(padding.encode("ascii")))
    return encode(after, "ISO_IR 100")
