"""Whether every file of a delivery is what it should be: sound DICOM in its place, a table, or the metadata."""

from __future__ import annotations

from collections import Counter

from cohortium.check import naming
from cohortium.check.delivery import Delivery
from cohortium.check.rule import Check, Found, Rule, Scope

__all__ = ["CHECKS"]


def readable(delivery: Delivery, rule: Rule) -> Found:
    """Every DICOM file can be read to its end."""
    for each in delivery.broken:
        where = {"SeriesInstanceUID": each.SeriesInstanceUID, "file": naming.masked(each.name)}
        yield rule.finding(f"a DICOM file is broken: {each.problem}", **where)


def stray(delivery: Delivery, rule: Rule) -> Found:
    """No file lies there that is neither DICOM nor a table nor the metadata; alike names are told together."""
    for name, count in sorted(Counter(map(naming.masked, delivery.strays)).items()):
        noun = "file is" if count == 1 else "files are"
        yield rule.finding(f"{count} {noun} neither DICOM nor a table called PARTNER_DOMAIN.csv", file=name)


CHECKS = (
    Check("structure.readable", Scope.DELIVERY, readable),
    Check("structure.stray", Scope.DELIVERY, stray),
)
