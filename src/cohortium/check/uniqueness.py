"""Whether each identifier stands for one thing: a series for one scan of one patient, an object for one file."""

from __future__ import annotations

import numpy as np

from cohortium.check.delivery import Delivery
from cohortium.check.outline import MARK
from cohortium.check.rule import Check, Found, Rule, Scope

__all__ = ["CHECKS"]


def series(delivery: Delivery, rule: Rule) -> Found:
    """A SeriesInstanceUID belongs to one study of one patient."""
    for outline in delivery.outlines:
        if outline.mixed:
            fact = f"SeriesInstanceUID stands for {len(outline.patients)} patients in {len(outline.studies)} studies"
            yield rule.finding(fact, variable="SeriesInstanceUID", **outline.where)


def instance(delivery: Delivery, rule: Rule) -> Found:
    """A SOPInstanceUID stands once in a delivery; told for each series that holds one again."""
    marks = [np.frombuffer(outline.marks, f"V{MARK}").view(np.uint64) for outline in delivery.outlines]
    if not marks:
        return
    first = np.unique(np.concatenate(marks), return_index=True)[1]
    begin = 0
    for outline, own in zip(delivery.outlines, marks, strict=True):
        again = len(own) - int(np.count_nonzero((first >= begin) & (first < begin + len(own))))
        begin += len(own)
        if again:
            noun = "object has" if again == 1 else "objects have"
            fact = f"{again} {noun} a SOPInstanceUID that another object has, too"
            yield rule.finding(fact, variable="SOPInstanceUID", **outline.where)


CHECKS = (
    Check("uniqueness.instance", Scope.DELIVERY, instance),
    Check("uniqueness.series", Scope.DELIVERY, series),
)
