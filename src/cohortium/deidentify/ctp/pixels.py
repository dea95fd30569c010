"""The scripts of CTP's DicomPixelAnonymizer: signatures in braces, each followed by the rectangles to blank.

The first signature that is true of an object decides. A rectangle is (left, top, width, height); a negative left or top
counts from the right or bottom edge. CTP blanks one row and one column more than the width and height say, and so do
we. Text outside braces and parentheses is a comment. Which rectangles apply is told here; nothing touches pixels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from cohortium.deidentify.ctp import elements, filters, java
from cohortium.errors import ConfigError

__all__ = ["PixelScript", "Rectangle", "Signature", "read_pixels"]

SCRIPT = re.compile(r"\{[^}]*\}")
REGION = re.compile(r"\([^)]*\)")
ROWS, COLUMNS = 0x00280010, 0x00280011


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Pixels to blank, in columns and rows from the top left: the first ones, and the ones behind the last."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class Signature:
    """A condition, and the regions (left, top, width, height) of what meets it."""

    line: int
    condition: filters.Filter
    regions: tuple[tuple[int, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class PixelScript:
    """Signatures in the order in which they are tried."""

    signatures: tuple[Signature, ...]

    def matching(self, dataset: Dataset) -> Signature | None:
        """The first signature that is true of the dataset."""
        return next((each for each in self.signatures if each.condition.accepts(dataset)), None)

    def rectangles(self, dataset: Dataset) -> tuple[Rectangle, ...]:
        """What is to be blanked in every frame, cut to the size of the image; nothing where no signature matches."""
        signature = self.matching(dataset)
        rows, columns = _number(dataset, ROWS), _number(dataset, COLUMNS)
        if signature is None:
            return ()
        placed = (_placed(region, rows, columns) for region in signature.regions)
        return tuple(each for each in placed if each.left < each.right and each.top < each.bottom)


def read_pixels(source: Path | str) -> PixelScript:
    """Read a pixel script from a file, or from its text; one `ConfigError` names every mistake."""
    try:
        text = source.read_text("utf-8-sig") if isinstance(source, Path) else source
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the pixel script cannot be read: {type(error).__name__}") from None
    found = list(SCRIPT.finditer(text))
    mistakes: list[tuple[int, str]] = [] if found else [(1, "no signature in braces")]
    signatures = []
    ends = [*(match.start() for match in found[1:]), len(text)]
    for match, end in zip(found, ends, strict=bool(found)):
        line = text.count("\n", 0, match.start()) + 1
        condition = match[0][1:-1]
        faults = [(line + number - 1, fault) for number, fault in filters.mistakes(condition)]
        regions, wrong = _regions(text, match.end(), end)
        mistakes += faults + wrong
        if not faults:
            signatures.append(Signature(line, filters.Filter(filters.parse(condition)), regions))
    if mistakes:
        raise ConfigError("the pixel script:\n" + "\n".join(f"  line {line}: {fault}" for line, fault in mistakes))
    return PixelScript(tuple(signatures))


def _regions(text: str, start: int, end: int) -> tuple[tuple[tuple[int, int, int, int], ...], list[tuple[int, str]]]:
    """The rectangles in a stretch of text; what begins like one but is none is a mistake, other parentheses are not."""
    regions, wrong = [], []
    for match in REGION.finditer(text, start, end):
        parts = [part.strip() for part in match[0][1:-1].split(",")]
        try:
            left, top, width, height = (java.integer(part) for part in parts)
            regions.append((left, top, width, height))
        except ValueError:
            if re.match(r"\(\s*-?[0-9]", match[0]):
                wrong.append((text.count("\n", 0, match.start()) + 1, "a region is (left, top, width, height)"))
    return tuple(regions), wrong


def _placed(region: tuple[int, int, int, int], rows: int, columns: int) -> Rectangle:
    left, top, width, height = region
    left = max(left + columns if left < 0 else left, 0)
    top = max(top + rows if top < 0 else top, 0)
    return Rectangle(left, top, min(left + width + 1, columns), min(top + height + 1, rows))


def _number(dataset: Dataset, tag: int) -> int:
    found = elements.element(dataset, None, tag)
    text = (elements.text_of(found, dataset) if found is not None else "") or ""
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else 0
