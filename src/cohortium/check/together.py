"""Whether the tables of a delivery say the same together (check 11): study, numbers across files, days and deaths.

All tables are read once for it, by `cohortium.clinical.judging`, after each was looked at by itself. What always holds:
without a table DM that can be read, what is counted from it is skipped and not passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from cohortium.check import naming
from cohortium.check.delivery import Delivery
from cohortium.check.rule import Check, Found, Rule, Scope, Skipped, once
from cohortium.check.sdtm import NOT_INSTALLED, installed

if TYPE_CHECKING:
    from cohortium.clinical.judging import Together

__all__ = ["CHECKS", "DM", "of_dm", "subjects", "why_not"]

DM = "DM"
NO_SUBJECTS = "there is no table DM that can be read"

Subjects = Mapping[str, Mapping[str, int]]  # by the table's path below the delivery: USUBJID and its first row


def subjects(delivery: Delivery) -> Subjects:
    """Of each table that can be read; others are found unreadable by themselves."""
    return once(delivery, _together).subjects if installed() else {}


def of_dm(delivery: Delivery) -> frozenset[str]:
    """The subjects of DM."""
    found = subjects(delivery)
    return frozenset(
        subject for table in delivery.tables if table.domain == DM for subject in found.get(table.name, ())
    )


def why_not(delivery: Delivery) -> str:
    """Why nothing can be held against DM; empty where it can."""
    if not installed():
        return NOT_INSTALLED
    return "" if of_dm(delivery) else NO_SUBJECTS


def _faults(kind: str, hindrance: Callable[[Delivery], str]) -> Callable[[Delivery, Rule], Found]:
    """The rule that tells all faults of a kind."""

    def look(delivery: Delivery, rule: Rule) -> Found:
        if why := hindrance(delivery):
            yield Skipped(why)
            return
        for name, faults in sorted(once(delivery, _together).faults[kind].items()):
            for fault in faults:
                yield rule.finding(fault.fact, file=naming.masked(name), row=fault.row, variable=fault.variable)

    return look


def _unreadable(delivery: Delivery) -> str:
    if not installed():
        return NOT_INSTALLED
    return "" if subjects(delivery) else "there are no tables that can be read"


def _together(delivery: Delivery) -> Together:
    from cohortium.clinical import judging

    return judging.judge_together(judging.Located(each.name, each.path, each.domain) for each in delivery.tables)


CHECKS = (
    Check("sdtm.day", Scope.DELIVERY, _faults("day", why_not)),
    Check("sdtm.death", Scope.DELIVERY, _faults("death", why_not)),
    Check("sdtm.split", Scope.DELIVERY, _faults("split", _unreadable)),
    Check("sdtm.study", Scope.DELIVERY, _faults("study", _unreadable)),
)
