"""Rules and reader together: what is blanked, or why the picture is doubtful and stays.

A picture goes on only if all of this holds: a rule knows where its kind carries text; every frame can be decoded; what
the reader took for text is no more than a quarter of what the rule leaves open; and with everything blanked the reader
finds no readable text any more. Else the reasons are listed, and a person must look, whose word then stands alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom import Dataset

from cohortium.deidentify.pixels.rules import Hold, Rules, regions
from cohortium.deidentify.pixels.words import names_somebody, words
from cohortium.dicom import codecs, reading
from cohortium.dicom.reading import Text, shades
from cohortium.dicom.redact import Areas, Rectangle
from cohortium.errors import ConfigError, Malformed
from cohortium.values import Finding, Severity

__all__ = ["Review", "Reviewer", "by_person", "review"]

Array = np.ndarray[Any, Any]
Read = Callable[[Array], Sequence[Text]]
"""`dicom.reading.Reader`, or whatever else reads."""

FEW = 3  # frames that are each looked at; of more, some, and the brightest and darkest of each pixel over all
MOST = 0.25  # share of what rules leave open that text may take
SURE = 0.5  # of a text that is left, to count as readable


@dataclass(frozen=True, slots=True)
class Review:
    """What to blank, by frame, and what is worth knowing about it."""

    areas: Areas
    findings: tuple[Finding, ...] = ()


LOOKED_AT = Finding("pixels.looked-at", Severity.INFO, "a person looked at the picture before it left")


def by_person(buffer: bytes | memoryview, wanted: Sequence[Rectangle], found: Review | Hold | None) -> Review:
    """The review of a person who wants these parts of each frame blanked, and of what rules and reader found, if any.

    Where those were in doubt, the person's word is all there is.
    """
    known = found if isinstance(found, Review) else Review({})
    frames = codecs.frames(codecs.read(bytes(buffer))) if wanted else 0
    if wanted and not frames:
        raise Malformed("there is no picture to redact")
    areas = {frame: (*known.areas.get(frame, ()), *wanted) for frame in {*known.areas, *range(frames)}}
    return Review(areas, (*known.findings, LOOKED_AT))


class Reviewer:
    """Reviews with the reader of the extra `ocr`, loaded when it is first needed, and by default the shipped rules."""

    def __init__(self, rules: Rules | None = None) -> None:
        self._rules = rules
        if not reading.available():
            raise ConfigError("Clean Pixel Data needs the extra `ocr`; install cohortium[ocr], or leave the option out")
        self._reader: reading.Reader | None = None

    def __call__(self, buffer: bytes | memoryview) -> Review | Hold:
        """The review of a whole Part 10 file as it came; `Malformed` where it cannot be read as DICOM."""
        return review(bytes(buffer), self._read, self._rules)

    def _read(self, shade: Array) -> Sequence[Text]:
        if self._reader is None:
            self._reader = reading.Reader()
        return self._reader(shade)


def review(content: bytes, read: Read, rules: Rules | None = None) -> Review | Hold:
    """Look at a whole Part 10 file as it came, identity and all; an empty review where no rule asks for anything.

    `Malformed` where it cannot be read as DICOM.
    """
    dataset = codecs.read(content)
    known = regions(dataset, rules)
    if isinstance(known, Hold):
        return known
    if not known:
        return Review({})
    try:
        views = [shade for frame in _views(dataset, len(known)) for shade in shades(frame)]
    except Malformed as error:
        return Hold((str(error),))
    return _judged(views, next(iter(known.values())), words(dataset), read, len(known))


def _judged(
    views: list[Array], ruled: Sequence[Rectangle], own: frozenset[str], read: Read, frames: int
) -> Review | Hold:
    for view in views:
        _blank(view, ruled)
    open_pixels = _open(views[0].shape, ruled)
    texts = [text for view in views for text in read(view)]
    named = [names_somebody(text.text, own) for text in texts]
    boxes = tuple(dict.fromkeys(_grown(t.rectangle) if n else t.rectangle for t, n in zip(texts, named, strict=True)))
    reasons = []
    if open_pixels - _open(views[0].shape, (*ruled, *boxes)) > MOST * open_pixels:
        reasons.append("text takes more than a quarter of the picture")
    for view in views:
        _blank(view, boxes)
    left = [text for view in views for text in read(view) if _readable(text)]
    if left:
        reasons.append(f"text is left in {len(left)} places after blanking")
    if reasons:
        return Hold(tuple(reasons))
    return Review(dict.fromkeys(range(frames), (*ruled, *boxes)), tuple(_findings(len(boxes), sum(named))))


def _readable(text: Text) -> bool:
    """Two letters or digits at least: to a reader, the edge of a blank is a dash."""
    return text.score >= SURE and sum(map(str.isalnum, text.text)) > 1


def _views(dataset: Dataset, count: int) -> Iterator[Array]:
    """The frames to look at, in shades that a person sees: a few of them, and of many the extremes over all."""
    chosen = set(range(count)) if count <= FEW else {0, count // 2, count - 1}
    brightest: Array | None = None
    darkest: Array | None = None
    for index in range(count):
        frame, interpretation = codecs.decode(dataset, index)
        if interpretation == "PALETTE COLOR":
            frame = _coloured(dataset, frame)
        if index in chosen:
            yield frame.copy()
        if count > FEW:
            brightest = frame.copy() if brightest is None else np.maximum(brightest, frame)
            darkest = frame.copy() if darkest is None else np.minimum(darkest, frame)
    if brightest is not None and darkest is not None:
        yield from (brightest, darkest)


def _coloured(dataset: Dataset, indexes: Array) -> Array:
    from pydicom.pixels.processing import apply_color_lut

    try:
        colours = apply_color_lut(indexes, dataset)
    except codecs.BAD_INPUT as error:
        raise Malformed(f"its palette cannot be applied ({type(error).__name__})") from None
    return colours if colours.dtype == np.uint8 else (colours >> 8).astype(np.uint8)


def _blank(view: Array, rectangles: Sequence[Rectangle]) -> None:
    for each in rectangles:
        view[each.within(*view.shape[:2])] = 0


def _open(shape: Sequence[int], rectangles: Sequence[Rectangle]) -> int:
    """Pixels in no rectangle."""
    covered = np.zeros(shape[:2], bool)
    for each in rectangles:
        covered[each.within(*shape[:2])] = True
    return int(covered.size - covered.sum())


def _grown(box: Rectangle) -> Rectangle:
    """Around a name there is often more of it: a box's height on every side."""
    more = box.height
    return Rectangle(box.left - more, box.top - more, box.width + 2 * more, box.height + 2 * more)


def _findings(boxes: int, named: int) -> Iterator[Finding]:
    if boxes:
        text = f"{boxes} places that look like text were blanked where no rule expects any"
        yield Finding("pixels.text", Severity.INFO, text)
    if named:
        text = f"values of the header stood in {named} places where no rule expects any; they were blanked"
        yield Finding("pixels.own-words", Severity.WARNING, text)
