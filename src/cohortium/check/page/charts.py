"""How often a number comes up over the series of a delivery, as the columns of a drawing.

Lengths are in the units of the drawing's viewBox; numbers that are none are left out before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cohortium.check.rule import Rule
from cohortium.check.series import figure

__all__ = ["HEIGHT", "WIDTH", "Column", "Histogram", "Mark", "histogram"]

WIDTH, HEIGHT = 320.0, 96.0
COLUMNS = 24
GAP = 2.0


@dataclass(frozen=True, slots=True)
class Column:
    """Series whose number lies from one place to the next, those within the limits below the others."""

    x: float
    width: float
    within: float
    outside: float
    says: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a limit lies, if it lies among the numbers."""

    x: float
    says: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """A drawing, and in words what it shows."""

    title: str
    says: str
    least: str
    most: str
    columns: tuple[Column, ...]
    marks: tuple[Mark, ...]


def histogram(title: str, unit: str, numbers: Sequence[float], rule: Rule | None) -> Histogram:
    """Of at least one number; `rule` has the limits, if any are set."""
    low, high = min(numbers), max(numbers)
    count = 1 if low == high else COLUMNS
    step = (high - low) / count or 1.0
    within, outside = [0] * count, [0] * count
    for number in numbers:
        place = min(int((number - low) / step), count - 1)
        (within if _allowed(number, rule) else outside)[place] += 1
    tallest = max(map(sum, zip(within, outside, strict=True)))
    width = WIDTH / count
    columns = tuple(
        Column(
            x=index * width + GAP / 2,
            width=width - GAP,
            within=HEIGHT * ins / tallest,
            outside=HEIGHT * out / tallest,
            says=f"{figure(low + index * step)} to {figure(low + (index + 1) * step)}{unit}: {ins + out} series",
        )
        for index, (ins, out) in enumerate(zip(within, outside, strict=True))
        if ins or out
    )
    limits = [rule.least, rule.most] if rule else []
    marks = tuple(
        Mark((limit - low) / (high - low) * WIDTH, f"{figure(limit)}{unit}") for limit in limits if low < limit < high
    )
    return Histogram(
        title, _says(len(numbers), sum(outside), unit, rule), _end(low, unit), _end(high, unit), columns, marks
    )


def _allowed(number: float, rule: Rule | None) -> bool:
    return rule is None or rule.least <= number <= rule.most


def _says(count: int, outside: int, unit: str, rule: Rule | None) -> str:
    if rule is None:
        return f"{count} series; the specification sets no limits"
    return f"{outside} of {count} series lie outside {figure(rule.least)} to {figure(rule.most)}{unit}"


def _end(number: float, unit: str) -> str:
    return f"{figure(number)}{unit}"
