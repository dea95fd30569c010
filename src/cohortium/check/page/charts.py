"""How often a number comes up over the series of a delivery, as the columns of a drawing.

Lengths are in the units of the drawing's viewBox; numbers that are none are left out before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cohortium.check.series import figure

__all__ = ["HEIGHT", "WIDTH", "Column", "Histogram", "Limits", "Mark", "histogram", "short"]

WIDTH, HEIGHT = 320.0, 96.0
COLUMNS = 24
GAP = 2.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The least and the most that is allowed, where a specification says so."""

    least: float | None = None
    most: float | None = None
    where: str = ""

    @property
    def known(self) -> tuple[float, ...]:
        return tuple(each for each in (self.least, self.most) if each is not None)

    def hold(self, number: float) -> bool:
        """Whether the number lies within, ends included."""
        return not (self.least is not None and number < self.least) and not (
            self.most is not None and number > self.most
        )

    def says(self, unit: str = "") -> str:
        """In words."""
        unit = f" {unit}" * bool(unit) + f" {self.where}" * bool(self.where)
        if self.least is not None and self.most is not None:
            return f"{figure(self.least)} to {figure(self.most)}{unit}"
        if self.most is not None:
            return f"at most {figure(self.most)}{unit}"
        return f"at least {figure(self.least)}{unit}" if self.least is not None else ""


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


def histogram(title: str, unit: str, numbers: Sequence[tuple[float, bool]], limits: Limits) -> Histogram:
    """Of at least one number, each with whether it is beyond the limits, which are drawn in."""
    shown = [*(number for number, _ in numbers), *limits.known]
    low, high = min(shown), max(shown)
    count = 1 if low == high else COLUMNS
    step = (high - low) / count or 1.0
    within, outside = [0] * count, [0] * count
    for number, beyond in numbers:
        (outside if beyond else within)[min(int((number - low) / step), count - 1)] += 1
    tallest = max(map(sum, zip(within, outside, strict=True)))
    width = WIDTH / count
    columns = tuple(
        Column(
            x=index * width + GAP / 2,
            width=width - GAP,
            within=HEIGHT * ins / tallest,
            outside=HEIGHT * out / tallest,
            says=f"{figure(low + index * step)} to {_with(low + (index + 1) * step, unit)}: {ins + out} series",
        )
        for index, (ins, out) in enumerate(zip(within, outside, strict=True))
        if ins or out
    )
    marks = tuple(Mark((limit - low) / (high - low) * WIDTH, figure(limit)) for limit in limits.known if low < high)
    return Histogram(title, _says(numbers, unit, limits), _with(low, unit), _with(high, unit), columns, marks)


def _says(numbers: Sequence[tuple[float, bool]], unit: str, limits: Limits) -> str:
    beyond = sum(each for _, each in numbers)
    known = sorted(number for number, _ in numbers)
    told = f"{len(known):,} series, median {_with(known[len(known) // 2], unit)}"
    if not limits.known:
        return f"{told}; no limit"
    return f"{told}; {f'{beyond:,} of them' if beyond else 'none'} beyond the limit ({limits.says(unit)})"


def _with(number: float, unit: str) -> str:
    shown = short(number)
    return f"{shown} {unit}" if unit else shown


def short(number: float) -> str:
    """A number as people compare it: three digits that count."""
    return figure(float(f"{number:.3g}"))
