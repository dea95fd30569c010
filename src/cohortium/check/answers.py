"""What the rules said, of one series or of all: findings, how often each was asked, and where it could not look."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cohortium.check.outline import Outline
from cohortium.check.pictures import Picture
from cohortium.check.registry import checks
from cohortium.check.report import Outcome
from cohortium.check.rule import Scope, Skipped
from cohortium.check.scan import Broken
from cohortium.check.specification import Specification
from cohortium.values import Finding

__all__ = ["Answers", "Looked"]


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
    broken: Sequence[Broken]
    pictures: tuple[Picture, ...]
