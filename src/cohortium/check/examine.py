"""A whole delivery held against a specification: series by series over all cores, then what only all of it can tell.

What always holds: no more than one series at a time is held by a worker, and of each rule it is known how often it
was asked, what it found, and where it could not look.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cohortium import __version__
from cohortium.check import naming, quality, scan
from cohortium.check.delivery import Place, Progress, Table, find
from cohortium.check.outline import Outline
from cohortium.check.pictures import Picture, pictures, was_judged
from cohortium.check.registry import checks
from cohortium.check.report import Outcome, Report
from cohortium.check.rule import Scope, Skipped
from cohortium.check.specification import Specification
from cohortium.dicom import conformance
from cohortium.values import Finding

__all__ = ["examine"]

MIXED = "SeriesInstanceUID stands for several series"


@dataclass(frozen=True, slots=True)
class Answers:
    """What rules said of one thing: findings, how many rules asked and why rules were skipped, by rule."""

    left_out: Mapping[str, str]
    findings: list[Finding] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    skipped: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def ask(self, specification: Specification, scope: Scope, subject: Any, why: str = "") -> None:
        """Hold every rule of the scope against the subject; or say why that makes no sense."""
        for rule in specification.rules:
            check = checks()[rule.id]
            if check.scope is not scope:
                continue
            self.asked[rule.id] += 1
            reason = self.left_out.get(rule.id, why)
            for each in [Skipped(reason)] if reason else check.look(subject, rule):
                if isinstance(each, Finding):
                    self.findings.append(each)
                else:
                    self.skipped.setdefault(rule.id, Counter())[each.why] += 1

    def add(self, others: Answers) -> None:
        """Take what was said elsewhere, too."""
        self.findings.extend(others.findings)
        self.asked.update(others.asked)
        for id, why in others.skipped.items():
            self.skipped.setdefault(id, Counter()).update(why)

    def outcomes(self, specification: Specification) -> Iterable[Outcome]:
        """What became of each rule."""
        found = Counter(finding.rule for finding in self.findings)
        none: Mapping[str, int] = {}
        for rule in specification.rules:
            yield Outcome(rule, self.asked[rule.id], found[rule.id], dict(self.skipped.get(rule.id, none)))


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of one series."""

    answers: Answers
    outline: Outline | None
    broken: Sequence[scan.Broken]
    pictures: tuple[Picture, ...]


def examine(
    root: Path,
    specification: Specification,
    executor: Executor | None = None,
    progress: Progress = lambda *_: None,
    left_out: Mapping[str, str] = MappingProxyType({}),
    *,
    draw: bool = False,
) -> Report:
    """The report on the delivery below `root`; `ConfigError` where that is no folder.

    `left_out` are rules that somebody does not want held against this delivery, with why; they count as skipped. With
    `draw` there are pictures of slices in it that findings are about.
    """
    delivery, answers = find(root, executor, progress), Answers(left_out)
    work = executor.map if executor else map
    outlines, broken, drawn = list[Outline](), [*delivery.broken], list[Picture]()
    series = work(partial(_series, delivery.root, specification, dict(left_out), draw), delivery.places)
    for done, looked in enumerate(series, 1):
        answers.add(looked.answers)
        outlines += [looked.outline] if looked.outline else []
        broken += looked.broken
        drawn += looked.pictures
        progress("series", done, len(delivery.places))
    for done, answer in enumerate(work(partial(_table, specification, dict(left_out)), delivery.tables), 1):
        answers.add(answer)
        progress("tables", done, len(delivery.tables))
    delivery = replace(delivery, outlines=tuple(outlines), broken=tuple(broken))
    for patient in delivery.patients():
        answers.ask(specification, Scope.PATIENT, patient)
    answers.ask(specification, Scope.DELIVERY, delivery)
    return Report(
        specification=specification,
        software=", ".join(filter(None, (f"Cohortium {__version__}", conformance.version()))),
        checked=datetime.now(UTC).isoformat(timespec="seconds"),
        delivery=delivery,
        outcomes=tuple(answers.outcomes(specification)),
        findings=tuple(sorted(map(_shown, answers.findings), key=_order)),
        pictures=tuple(drawn),
    )


def _series(root: Path, specification: Specification, left_out: Mapping[str, str], draw: bool, place: Place) -> Looked:
    """Runs in a worker: what the rules say of one series."""
    seen, answers = scan.read(root, place.SeriesInstanceUID, place.names()), Answers(left_out)
    outline, drawn = Outline.of(seen), tuple[Picture, ...]()
    if outline is not None:
        answers.ask(specification, Scope.SERIES, seen.series, MIXED if outline.mixed else "")
        answers.ask(specification, Scope.FILES, seen)
        outline = replace(outline, numbers=quality.numbers(seen))
        patient = outline.patient
        answers.findings[:] = [replace(each, patient=each.patient or patient) for each in answers.findings]
        if draw and not outline.mixed and was_judged(answers.asked, answers.skipped, answers.findings):
            drawn = pictures(seen, answers.findings)
    return Looked(answers, outline, seen.broken, drawn)


def _table(specification: Specification, left_out: Mapping[str, str], table: Table) -> Answers:
    """Runs in a worker: what the rules say of one table."""
    answers = Answers(left_out)
    answers.ask(specification, Scope.TABLE, table)
    return answers


def _shown(finding: Finding) -> Finding:
    series, instance = naming.uid(finding.SeriesInstanceUID), naming.uid(finding.SOPInstanceUID)
    return replace(finding, SeriesInstanceUID=series, SOPInstanceUID=instance)


def _order(finding: Finding) -> tuple[str | int, ...]:
    return (
        finding.rule,
        finding.patient,
        finding.file,
        finding.SeriesInstanceUID,
        finding.SOPInstanceUID,
        finding.row,
        finding.variable,
        finding.message,
    )
