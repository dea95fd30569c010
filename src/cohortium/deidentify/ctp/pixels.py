"""The scripts of CTP's DicomPixelAnonymizer: signatures in braces, each followed by the rectangles to blank.

The first signature that is true of an object decides. A rectangle is (left, top, width, height); a negative left or top
counts from the right or bottom edge. CTP blanks one row and one column more than the width and height say, and so do
we. Text outside braces and parentheses is a comment. What is told here are rules; nothing touches pixels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cohortium.deidentify.ctp import filters, java
from cohortium.deidentify.pixels import rules, signatures
from cohortium.dicom.redact import Rectangle
from cohortium.errors import ConfigError

__all__ = ["PixelScript", "Signature", "read_pixels"]

SCRIPT = re.compile(r"\{[^}]*\}")
REGION = re.compile(r"\([^)]*\)")


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

    def rules(self) -> rules.Rules:
        """The script as rules of its own: a risk that no signature answers is held, and so is what is held anyway."""
        found = []
        for number, each in enumerate(self.signatures):
            before = tuple(filters.Not(other.condition.node) for other in self.signatures[:number])
            places = tuple(Rectangle(left, top, width + 1, height + 1) for left, top, width, height in each.regions)
            found.append(signatures.Signature(f"line {each.line}", (*before, each.condition.node), places))
        return rules.Rules(rules.shipped().hold, frozenset(), 0, tuple(found))


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
