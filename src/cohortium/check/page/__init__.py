"""A report as one page that a provider can read without us: what is wrong, where, and what to do about it.

What always holds: the page shows what findings and rules say, counts and measures; of the images no other value, and
pictures only as `pictures` draws them.
"""

from __future__ import annotations

import base64
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from markupsafe import Markup, escape

from cohortium.check import naming
from cohortium.check.comparison import Comparison
from cohortium.check.page import measures
from cohortium.check.page.charts import HEIGHT, WIDTH
from cohortium.check.pictures import OF_RULE, Picture
from cohortium.check.report import Outcome, Report, Spot, Status, as_dict, identified
from cohortium.check.worklist import State
from cohortium.page import rendered
from cohortium.values import Finding, Severity

__all__ = ["compared", "page"]

SHOWN = 200  # findings of a rule, and rows of patients and scans
FEW = 12  # rules that are shown at once though none of them failed
CODE = re.compile(r"`([^`]+)`")
STATUSES = (Status.FAILED, Status.SKIPPED, Status.PASSED)


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule with findings: the findings with their ids, and pictures of where they lie."""

    outcome: Outcome
    findings: Sequence[tuple[str, Finding]]
    unlisted: Sequence[Spot]
    pictures: Sequence[tuple[Picture, str]]  # each with a data URI

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
        outcomes=[(status, own) for status in STATUSES if (own := [o for o in report.outcomes if o.status is status])],
        few=FEW,
        uid=naming.uid,
        coded=_coded,
        statuses=Counter(each.status for each in report.outcomes),
        broken=list(_broken(report, findings)),
        patients=_worst_first(_patients(report)),
        scans=_worst_first(_scans(report)),
        charts=measures.charts(report),
        quality=measures.table(report),
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
        yield Broken(outcome, own, more, list(islice(_drawn(outcome.rule.id, report.pictures), OF_RULE)))


def _drawn(rule: str, pictures: Sequence[Picture]) -> Iterator[tuple[Picture, str]]:
    for each in pictures:
        if rule in each.rules:
            yield each, "data:image/png;base64," + base64.b64encode(each.png).decode("ascii")


def _coded(text: str) -> Markup:
    """What stands in backticks as code."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  (escaped)


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
