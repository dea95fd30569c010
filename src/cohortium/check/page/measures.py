"""What was measured of each series, against its limits: the numbers that charts and the table of image quality show.

What always holds: a number counts as beyond its limit only where the rule of that limit has a finding on the series,
and it is beyond it, so that the charts say what the findings say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial

from cohortium.check import naming
from cohortium.check.outline import Outline
from cohortium.check.page.charts import Histogram, Limits, histogram, short
from cohortium.check.report import Report
from cohortium.check.series import SLICED

__all__ = ["Cell", "Column", "Table", "charts", "table"]

LARGEST = 1e6  # beyond it is no measure
HOW_MANY = "measured"  # the slices that were looked at, which is no measure of them
Numbers = Callable[[Outline], float | None]


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of a series, what people call it, and the rule that limits it, if any; shares are shown as per cent."""

    title: str
    unit: str
    rule: str
    of: Numbers
    scale: float = 1.0
    where: str = ""  # the limit holds, where not everywhere
    ends: Collection[str] = ("least", "most")  # of the rule's limits that are its own
    of_one: bool = False  # image, which need not be the one that was found fault with

    def limits(self, report: Report) -> Limits:
        """What the specification has for it, in the unit that is shown."""
        rule = next((each for each in report.specification.rules if each.id == self.rule), None)
        ends = [rule.limits.get(end) if rule and end in self.ends else None for end in ("least", "most")]
        least, most = (None if each is None else float(each) * self.scale for each in ends)
        return Limits(least, most, self.where)


@dataclass(frozen=True, slots=True)
class Column:
    """The heading of a measure in the table."""

    title: str
    unit: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class Cell:
    """A number, and whether it is beyond its limit."""

    number: float
    beyond: bool

    @property
    def shown(self) -> str:
        return short(self.number)


@dataclass(frozen=True, slots=True)
class Table:
    """A row for each series in which pictures were measured, those first with most beyond a limit."""

    columns: Sequence[Column]
    rows: Sequence[tuple[str, int, Sequence[Cell | None]]]  # the series, the slices that were measured, its numbers


def _slices(outline: Outline) -> float:
    return float(outline.slices)


def _thickness(outline: Outline) -> float | None:
    return outline.first.number("SliceThickness")


def _spacing(outline: Outline) -> float | None:
    found = outline.first.numbers("PixelSpacing")
    return found[0] if found else None


def _of(name: str) -> Numbers:
    return lambda outline: outline.numbers.get(name)


def _if_sliced(number: Numbers) -> Numbers:
    """Of series alone that make up a volume, as the rules have it."""
    return lambda outline: number(outline) if outline.first.Modality in SLICED else None


HEADERS = (
    Measure(
        "Slices of a series", "", "completeness.slices", _if_sliced(lambda outline: float(outline.slices)), of_one=True
    ),
    Measure("SliceThickness", "mm", "accuracy.slice-thickness", _if_sliced(_thickness), of_one=True),
    Measure("PixelSpacing", "mm", "accuracy.pixel-spacing", _if_sliced(_spacing), of_one=True),
)
PICTURES: Mapping[str, Measure] = {
    "noise": Measure("Noise in soft tissue", "HU", "quality.noise", _of("noise"), ends=("most",)),
    "signal_to_noise": Measure(
        "Signal to noise", "", "quality.noise", _of("signal_to_noise"), where="in MR and PET", ends=("least",)
    ),
    "ring": Measure("Rings, in standard errors", "", "quality.rings", _of("ring")),
    "step": Measure("Largest step between neighbours, times the usual", "", "quality.motion", _of("step")),
    "edge": Measure("Body at the rim", "%", "quality.field", _of("edge"), 100),
    "lung": Measure("Lung, at most in a slice", "%", "quality.region", _of("lung"), 100, "in a chest"),
    "bone_in_front": Measure("Bone in front of the middle", "", "quality.orientation", _of("bone_in_front")),
    "saturated": Measure("Values cut off, at most in a slice", "%", "quality.clipped", _of("saturated"), 100),
}


def charts(report: Report) -> tuple[list[Histogram], list[Histogram]]:
    """Of what headers say, and of what was measured in pictures."""
    draw = partial(_drawn, report, _found(report))
    return list(draw(HEADERS)), list(draw(_measures(report)))


def table(report: Report) -> Table:
    """Of what was measured in pictures; without rows where nothing was."""
    measures, found = _measures(report), _found(report)
    rows = [
        (
            naming.uid(outline.SeriesInstanceUID),
            int(outline.numbers.get(HOW_MANY, 0)),
            [_cell(report, each, outline, found) for each in measures],
        )
        for outline in report.delivery.outlines
        if outline.numbers
    ]
    rows.sort(key=lambda row: (-sum(cell is not None and cell.beyond for cell in row[2]), row[0]))
    return Table([Column(each.title, each.unit, each.limits(report)) for each in measures], rows)


def _measures(report: Report) -> list[Measure]:
    """Of pictures, those that some series has; what has no name here is shown under its own."""
    there = {name for outline in report.delivery.outlines for name in outline.numbers} - {HOW_MANY}
    unnamed = [Measure(name, "", "", _of(name)) for name in sorted(there - PICTURES.keys())]
    return [*(each for name, each in PICTURES.items() if name in there), *unnamed]


def _drawn(report: Report, found: Set[tuple[str, str]], measures: Sequence[Measure]) -> Iterator[Histogram]:
    for measure in measures:
        cells = [cell for each in report.delivery.outlines if (cell := _cell(report, measure, each, found))]
        if cells:
            numbers = [(each.number, each.beyond) for each in cells]
            yield histogram(measure.title, measure.unit, numbers, measure.limits(report))


def _cell(report: Report, measure: Measure, outline: Outline, found: Set[tuple[str, str]]) -> Cell | None:
    number = measure.of(outline)
    if number is None or not abs(number) <= LARGEST:
        return None
    shown, limits = number * measure.scale, measure.limits(report)
    beyond = (measure.rule, naming.uid(outline.SeriesInstanceUID)) in found
    return Cell(shown, beyond and (measure.of_one or not limits.hold(shown)))


def _found(report: Report) -> Set[tuple[str, str]]:
    """Rules, each with a series in which it found something."""
    listed = {(each.rule, each.SeriesInstanceUID) for each in report.findings}
    return listed | {(each.rule, each.SeriesInstanceUID) for each in report.unlisted}
