"""A report as one page that a provider can read without us: what is wrong, where, and what to do about it.

What always holds: the page shows what findings and rules say, counts and measures; of the images no other value, and
pictures only as `pictures` draws them.
"""

from __future__ import annotations

import base64
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from cohortium.check import naming
from cohortium.check.comparison import Comparison
from cohortium.check.outline import Outline
from cohortium.check.page.charts import HEIGHT, WIDTH, Histogram, histogram
from cohortium.check.pictures import Picture
from cohortium.check.report import Outcome, Report, Spot, Status, as_dict, identified
from cohortium.check.worklist import State
from cohortium.page import rendered
from cohortium.values import Finding, Severity

__all__ = ["compared", "page"]

SHOWN = 200  # findings of a rule, and rows of patients and scans
DRAWN = 12  # pictures of a rule
LARGEST = 1e6  # mm and slices beyond it are no measure
STATUSES = (Status.FAILED, Status.SKIPPED, Status.PASSED)
Measure = Callable[[Outline], float | None]


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule with findings: the findings with their ids, and pictures of where they lie."""

    outcome: Outcome
    findings: Sequence[tuple[str, Finding]]
    unlisted: Sequence[Spot]
    pictures: Sequence[tuple[str, str]]  # what it shows, and a data URI

    @property
    def extent(self) -> str:
        """How much of the delivery it is about."""
        kinds = {
            "patient": {each.patient for each in self._spots()} - {""},
            "series": {each.SeriesInstanceUID for each in self._spots()} - {""},
            "file": {each.file for _, each in self.findings if not each.SeriesInstanceUID} - {"", naming.HIDDEN},
        }
        plural = {"patient": "patients", "series": "series", "file": "files"}
        counts = {kind: len(all) for kind, all in kinds.items() if all}
        if self.outcome.unlisted:
            counts.pop("file", 0)  # those that are only counted name none
        return ", ".join(f"{count:,} {kind if count == 1 else plural[kind]}" for kind, count in counts.items())

    def _spots(self) -> Iterator[Finding | Spot]:
        return chain((each for _, each in self.findings), self.unlisted)


@dataclass(slots=True)
class Place:
    """What was found in a patient's data or in a series."""

    scans: int = 0
    severities: Counter[Severity] = field(default_factory=Counter)
    rules: set[str] = field(default_factory=set)
    patients: set[str] = field(default_factory=set)
    slices: int = 0

    def add(self, rule: str, severity: Severity, count: int) -> None:
        """Count findings of a rule."""
        self.severities[severity] += count
        self.rules.add(rule)


def page(report: Report) -> str:
    """The report as HTML."""
    findings = list(identified(report))
    return rendered(
        "cohortium.check",
        "page/report.html",
        "page/report.css",
        report=report,
        errors=report.errors,
        waived=report.waived,
        mended=[row for row in report.rows if row.state is State.MENDED],
        counts=as_dict(report)["counts"],
        outcomes=sorted(report.outcomes, key=lambda each: STATUSES.index(each.status)),
        statuses=Counter(each.status for each in report.outcomes),
        broken=list(_broken(report, findings)),
        patients=_worst_first(_patients(report)),
        scans=_worst_first(_scans(report)),
        charts=list(_charts(report)),
        chart=(WIDTH, HEIGHT),
        shown=SHOWN,
    )


def compared(comparison: Comparison) -> str:
    """What became of the findings of one report in another, as HTML."""
    return rendered(
        "cohortium.check", "page/comparison.html", "page/report.css", compared=comparison, shown=SHOWN, chart=(0, 0)
    )


def _broken(report: Report, findings: Sequence[tuple[str, Finding]]) -> Iterator[Broken]:
    """Rules with findings, errors first, and of each severity those first that have most."""
    of_rule: dict[str, list[tuple[str, Finding]]] = defaultdict(list)
    for id, finding in findings:
        of_rule[finding.rule].append((id, finding))
    failed = [each for each in report.outcomes if each.status is Status.FAILED]
    order = tuple(reversed(Severity))
    for outcome in sorted(failed, key=lambda each: (order.index(each.rule.severity), -each.findings, each.rule.id)):
        own = of_rule[outcome.rule.id]
        more = [spot for spot in report.unlisted if spot.rule == outcome.rule.id]
        yield Broken(outcome, own, more, list(islice(_drawn(own[:SHOWN], report.pictures), DRAWN)))


def _drawn(findings: Sequence[tuple[str, Finding]], pictures: Sequence[Picture]) -> Iterator[tuple[str, str]]:
    """For a finding on one object that object, for one on a series the middle of it."""
    blamed = {(finding.SeriesInstanceUID, finding.SOPInstanceUID) for _, finding in findings}
    for each in pictures:
        stands_for = {each.SOPInstanceUID, ""} if each.middle else {each.SOPInstanceUID}
        if any((each.SeriesInstanceUID, UID) in blamed for UID in stands_for):
            says = f"series {naming.uid(each.SeriesInstanceUID)}, {each.place}"
            yield says, "data:image/png;base64," + base64.b64encode(each.png).decode("ascii")


def _patients(report: Report) -> Mapping[str, Place]:
    """By what is shown of their identifiers; the last is all that names no patient."""
    places: dict[str, Place] = defaultdict(Place)
    for outline in report.delivery.outlines:
        places[outline.patient].scans += 1
    for spot, severity, count in _spots(report):
        places[spot.patient].add(spot.rule, severity, count)
    return places


def _scans(report: Report) -> Mapping[str, Place]:
    """By what is shown of their UIDs; those whose UID is none stand together."""
    places: dict[str, Place] = defaultdict(Place)
    for outline in report.delivery.outlines:
        place = places[naming.uid(outline.SeriesInstanceUID)]
        place.scans += 1
        place.slices += outline.slices
        place.patients.add(outline.patient)
    for spot, severity, count in _spots(report):
        if spot.SeriesInstanceUID in places:
            places[spot.SeriesInstanceUID].add(spot.rule, severity, count)
    return places


def _spots(report: Report) -> Iterator[tuple[Spot, Severity, int]]:
    """Where findings lie, those too that are only counted."""
    for finding in report.findings:
        yield Spot(finding.rule, finding.patient, finding.SeriesInstanceUID), finding.severity, 1
    severities = {rule.id: rule.severity for rule in report.specification.rules}
    for spot, count in report.unlisted.items():
        yield spot, severities[spot.rule], count


def _worst_first(places: Mapping[str, Place]) -> list[tuple[str, Place]]:
    def order(item: tuple[str, Place]) -> tuple[int | str, ...]:
        name, place = item
        return (*(-place.severities[each] for each in reversed(Severity)), name)

    return sorted(places.items(), key=order)


def _spacing(outline: Outline) -> float | None:
    found = outline.first.numbers("PixelSpacing")
    return found[0] if found else None


CHARTS: tuple[tuple[str, str, str, Measure], ...] = (
    ("Slices of a series", "", "completeness.slices", lambda outline: float(outline.slices)),
    ("SliceThickness", " mm", "accuracy.slice-thickness", lambda outline: outline.first.number("SliceThickness")),
    ("PixelSpacing", " mm", "accuracy.pixel-spacing", _spacing),
)


def _charts(report: Report) -> Iterator[Histogram]:
    rules = {rule.id: rule for rule in report.specification.rules}
    for title, unit, id, measure in CHARTS:
        known = [number for outline in report.delivery.outlines if (number := measure(outline)) is not None]
        numbers = [number for number in known if 0 <= number <= LARGEST]
        if numbers:
            yield histogram(title, unit, numbers, rules.get(id))
