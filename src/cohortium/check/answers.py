"""What the rules said, of one series or of all: findings, how often each was asked, and where it could not look."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cohortium.check.outline import Outline
from cohortium.check.pictures import Picture
from cohortium.check.registry import checks
from cohortium.check.report import Outcome, Spot
from cohortium.check.rule import Scope, Skipped
from cohortium.check.scan import Broken
from cohortium.check.specification import Specification
from cohortium.values import Finding

__all__ = ["LISTED", "Answers", "Looked"]

LISTED = 5_000  # findings of a rule


@dataclass(frozen=True, slots=True)
class Answers:
    """What rules said of one thing: findings, how many rules asked and why rules were skipped, by rule.

    Of a rule that finds something everywhere no more than `LISTED` findings are kept; the rest is counted by place.
    """

    left_out: Mapping[str, str]
    findings: list[Finding] = field(default_factory=list)
    unlisted: Counter[Spot] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    skipped: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    listed: Counter[str] = field(default_factory=Counter)

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
                    self._find(each)
                else:
                    self.skipped.setdefault(rule.id, Counter())[each.why] += 1

    def add(self, others: Answers) -> None:
        """Take what was said elsewhere, too."""
        for finding in others.findings:
            self._find(finding)
        self.unlisted.update(others.unlisted)
        self.asked.update(others.asked)
        for id, why in others.skipped.items():
            self.skipped.setdefault(id, Counter()).update(why)

    def of_patient(self, patient: str) -> Answers:
        """The same, where a finding names no patient with this one."""
        return replace(
            self,
            findings=[replace(each, patient=each.patient or patient) for each in self.findings],
            unlisted=Counter({each._replace(patient=each.patient or patient): n for each, n in self.unlisted.items()}),
        )

    def outcomes(self, specification: Specification) -> Iterable[Outcome]:
        """What became of each rule."""
        unlisted, none = Counter[str](), dict[str, int]()
        for spot, count in self.unlisted.items():
            unlisted[spot.rule] += count
        for rule in specification.rules:
            more, skipped = unlisted[rule.id], dict(self.skipped.get(rule.id, none))
            yield Outcome(rule, self.asked[rule.id], self.listed[rule.id] + more, skipped, more)

    def _find(self, finding: Finding) -> None:
        if self.listed[finding.rule] < LISTED:
            self.listed[finding.rule] += 1
            self.findings.append(finding)
        else:
            self.unlisted[Spot(finding.rule, finding.patient, finding.SeriesInstanceUID)] += 1


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of one series."""

    answers: Answers
    outline: Outline | None
    broken: Sequence[Broken]
    pictures: tuple[Picture, ...]
