"""A project's modalities as one stacked bar, drawn by the template as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cohortium.find import Bar

__all__ = ["Part", "parts"]

SHOWN = 5  # the rest is drawn as one
NARROWEST = 2.0  # percent: what is there shows


@dataclass(frozen=True, slots=True)
class Part:
    """From `start` over `width` percent; `tone` picks the colour."""

    label: str
    instances: int
    start: float
    width: float
    tone: int


def parts(bars: Sequence[Bar]) -> list[Part]:
    """The bar's parts, largest first."""
    shown = [(bar.modality or "other", bar.instances) for bar in bars[:SHOWN]]
    if rest := sum(bar.instances for bar in bars[SHOWN:]):
        shown.append(("others", rest))
    total = sum(number for _, number in shown) or 1
    widths = [max(NARROWEST, 100 * number / total) for _, number in shown]
    scale = 100 / sum(widths) if widths else 1
    made, start = [], 0.0
    for tone, ((label, number), width) in enumerate(zip(shown, widths, strict=True), 1):
        made.append(Part(label, number, round(start, 2), round(width * scale, 2), tone))
        start += width * scale
    return made
