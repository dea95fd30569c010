"""How much text the reader finds: `python bench/ocr.py`, with the extra `ocr`.

Made-up names, numbers and dates are drawn on pictures like ultrasound and CT, in several sizes, polarities, fonts and
scripts. A text counts as found when at least 95 of 100 pixels of its ink lie in boxes, for that is what masking needs.
The figures are printed; a floor stands in tests/dicom/test_reading.py. Nothing else is ever drawn on: no real picture.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cohortium.dicom.reading import Reader, shades

Array = np.ndarray[Any, Any]

SIZES = (11, 14, 18, 26, 40)
FONTS = ("DejaVuSans.ttf", "DejaVuSansMono.ttf", "LiberationSans-Bold.ttf", "LiberationSerif-Regular.ttf")
SCRIPTS = {
    "latin": ("DOE, JANE", "ID 4711-0815", "03/02/1961", "Weststadt Klinik", "Acc 99812"),
    "accents": ("MÜLLER, JÖRG", "Gonzáles Peña", "Łukasz Żak", "Çelik, Gül", "Saint-Étienne"),
    "greek": ("Παπαδόπουλος", "Ελένη", "Αθήνα 1961", "ΓΕΩΡΓΙΟΥ"),
    "cyrillic": ("Иванова, Анна", "Больница 7", "Петров", "СМИРНОВ"),
}
ENOUGH = 0.95


@dataclass(frozen=True)
class Drawn:
    """One text in a picture: how it was drawn, and the pixels of its ink."""

    scene: str
    script: str
    polarity: str
    size: int
    ink: Array


def ultrasound(seed: int, rows: int = 600, columns: int = 800) -> Array:
    """A sector of speckle on black, 8 bits."""
    down, across = np.mgrid[0:rows, 0:columns]
    radius, angle = np.hypot(down + 60, across - columns / 2), np.arctan2(across - columns / 2, down + 60)
    tissue = 70 + 40 * np.sin(radius / 35 + 2 * np.sin(angle * 5))
    speckle = np.random.default_rng(seed).rayleigh(0.8, (rows, columns))
    inside = (np.abs(angle) < 0.65) & (radius > 120) & (radius < rows)
    return np.where(inside, (tissue * speckle).clip(0, 255), 0).astype(np.uint8)


def ct(seed: int, rows: int = 512, columns: int = 512) -> Array:
    """A body with organs in Hounsfield units, 12 bits."""
    down, across = np.mgrid[0:rows, 0:columns]
    body = np.hypot((down - rows / 2) / 0.7, across - columns / 2) < columns * 0.42
    organ = np.hypot(down - rows * 0.45, (across - columns * 0.35) / 1.4) < columns * 0.13
    bone = np.hypot(down - rows * 0.68, across - columns / 2) < columns * 0.06
    values = np.where(bone, 700, np.where(organ, 60, np.where(body, 20, -1000)))
    return (values + np.random.default_rng(seed).normal(0, 15, values.shape)).clip(-1024, 3071).astype(np.int16)


SCENES = {"ultrasound": ultrasound, "ct": ct}


def fonts(size: int) -> list[ImageFont.FreeTypeFont]:
    """Those of `FONTS` that this machine has, else the one that comes with Pillow."""
    found = []
    for name in FONTS:
        try:
            found.append(ImageFont.truetype(name, size))
        except OSError:
            continue
    return found or [ImageFont.load_default(size)]


def scripts() -> list[str]:
    """Pillow's own font knows Latin letters alone."""
    return list(SCRIPTS) if len(fonts(12)) > 1 else ["latin"]


def draw(scene: str, script: str, polarity: str, size: int, seed: int = 0) -> tuple[Array, list[Drawn]]:
    """A picture with the texts of one script: `bright` or `dark` on a light plate, or `faint` on what lies below."""
    picture = SCENES[scene](seed)
    low, high = (0, 255) if picture.dtype == np.uint8 else (-1024, 3071)
    drawn = []
    places = itertools.product((0.02, 0.3, 0.6, 0.9), (0.02, 0.52))
    font = fonts(size)[seed % len(fonts(size))]
    for (down, across), text in zip(places, SCRIPTS[script], strict=False):
        corner = int(across * picture.shape[1]), int(down * picture.shape[0])
        mask = Image.new("L", picture.shape[::-1], 0)
        ImageDraw.Draw(mask).text(corner, text, fill=255, font=font)
        alpha = np.asarray(mask) / 255
        if polarity == "dark":
            left, top, right, bottom = mask.getbbox() or (0, 0, 0, 0)
            picture[max(0, top - 4) : bottom + 4, max(0, left - 4) : right + 4] = high
        colour = {"bright": high, "dark": low, "faint": low + 0.6 * (high - low)}[polarity]
        picture = (picture * (1 - alpha) + colour * alpha).astype(picture.dtype)
        drawn.append(Drawn(scene, script, polarity, size, alpha > 0.5))
    return picture, drawn


def cases(sizes: Sequence[int] = SIZES) -> Iterator[tuple[Array, list[Drawn]]]:
    combinations = itertools.product(SCENES, scripts(), ("bright", "dark", "faint"), sizes)
    for seed, (scene, script, polarity, size) in enumerate(combinations):
        yield draw(scene, script, polarity, size, seed)


def covered(reader: Reader, picture: Array) -> Array:
    """The pixels that lie in a box."""
    boxes = np.zeros(picture.shape[:2], bool)
    for shade in shades(picture):
        for text in reader(shade):
            boxes[text.rectangle.within(*picture.shape[:2])] = True
    return boxes


def is_found(text: Drawn, boxes: Array) -> bool:
    return bool(boxes[text.ink].mean() >= ENOUGH)


def main() -> None:
    reader = Reader()
    found: Counter[tuple[str, object]] = Counter()
    drawn: Counter[tuple[str, object]] = Counter()
    blanked, started = [], time.monotonic()
    for picture, texts in cases():
        boxes = covered(reader, picture)
        blanked.append(boxes.mean())
        for text in texts:
            kinds = [("all", ""), *((kind, getattr(text, kind)) for kind in ("scene", "script", "polarity", "size"))]
            drawn.update(kinds)
            found.update(kinds if is_found(text, boxes) else ())
    seconds = (time.monotonic() - started) / len(blanked)
    print(f"{len(blanked)} pictures, {seconds:.2f} s each, {100 * np.mean(blanked):.1f} % of their pixels in boxes")
    for key, count in sorted(drawn.items(), key=lambda item: item[0][0]):
        print(f"{key[0]:10}{key[1]!s:12}{found[key]:5} of {count:5}{100 * found[key] / count:8.1f} %")
    if "--pictures" in sys.argv:
        folder = Path(sys.argv[sys.argv.index("--pictures") + 1])
        for number, (picture, _) in enumerate(cases((14, 26))):
            Image.fromarray(next(shades(picture))).save(folder / f"{number:03d}.png")


if __name__ == "__main__":
    main()
