"""Whether data may go on: every rule of a specification, held against a series or against a whole delivery.

Checking is total: whatever stands in the attributes (text where numbers belong, NaN, absurd figures, nothing at
all), the answer is a list of findings, in the same order however the files were shuffled.
"""

from __future__ import annotations

from collections.abc import Sequence

from cohortium.check.registry import checks
from cohortium.check.rule import Rule, Scope
from cohortium.check.series import Series
from cohortium.check.specification import Specification, load
from cohortium.values import Finding, Instance

__all__ = ["Rule", "Series", "Specification", "check", "checks", "load"]


def check(series: Sequence[Instance], specification: Specification) -> list[Finding]:
    """What is wrong with the instances of one series by themselves, rule by rule; a gateway asks no more."""
    seen, known = Series.of(series), checks()
    return [
        each
        for rule in specification.rules
        if known[rule.id].scope is Scope.SERIES
        for each in known[rule.id].look(seen, rule)
        if isinstance(each, Finding)
    ]
