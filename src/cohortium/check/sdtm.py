"""Whether clinical tables are what SDTM and the specification ask for (checks 1, 7 and 11): each table by itself.

A table is read and judged once, by `cohortium.clinical.judging`, which needs the extra `clinical`; the rules here say
which of its faults are theirs. What always holds: a table that could not be read has passed none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING

from cohortium.check import naming
from cohortium.check.delivery import Table
from cohortium.check.rule import Check, Found, Limit, Rule, Scope, Skipped, once
from cohortium.clinical import sdtm
from cohortium.clinical.sdtm import Core
from cohortium.errors import Malformed

if TYPE_CHECKING:
    from cohortium.clinical.judging import Fault

__all__ = ["CHECKS", "NOT_INSTALLED", "UNREADABLE", "installed"]

NOT_INSTALLED = "the extra `clinical` is not installed"
UNREADABLE = "the table cannot be read"


@dataclass(frozen=True, slots=True)
class Looked:
    """The faults of a table by their kind; or why it has none, and what is wrong with it as a file."""

    faults: Mapping[str, tuple[Fault, ...]] = field(default_factory=dict)
    why: str = ""
    problem: str = ""


def installed() -> bool:
    """Whether tables can be read."""
    return find_spec("polars") is not None and find_spec("pyreadstat") is not None


def readable(table: Table, rule: Rule) -> Found:
    """The table can be read to its end."""
    looked = once(table, _looked)
    if looked.problem:
        yield rule.finding(looked.problem, file=naming.masked(table.name))
    elif looked.why:
        yield Skipped(looked.why)


def required(table: Table, rule: Rule) -> Found:
    """There is a column for each variable that the specification lists."""
    return _told(table, rule, "absent", lambda name: _is_listed(table.domain, name, rule))


def missing(table: Table, rule: Rule) -> Found:
    """The variables that the specification lists have a value wherever they could have one."""
    return _told(table, rule, "empty", lambda name: _is_listed(table.domain, name, rule))


def guide(table: Table, rule: Rule) -> Found:
    """What the implementation guide asks for, beyond what the specification lists."""
    known = sdtm.variables(table.domain)
    others = {name: each.core for name, each in known.items() if not _is_listed(table.domain, name, rule)}
    yield from _told(table, rule, "absent", others.__contains__)
    if not once(table, _looked).why:
        yield from _told(table, rule, "empty", lambda name: others.get(name) is Core.REQUIRED)


def _faults(kind: str) -> Callable[[Table, Rule], Found]:
    """The rule that tells all faults of a kind."""
    return lambda table, rule: _told(table, rule, kind, lambda _: True)


def _told(table: Table, rule: Rule, kind: str, concerns: Callable[[str], bool]) -> Found:
    """The faults of a kind, of the variables that concern the rule."""
    looked = once(table, _looked)
    if looked.why:
        yield Skipped(looked.why)
        return
    file = naming.masked(table.name)
    for fault in looked.faults[kind]:
        if concerns(fault.variable):
            yield rule.finding(fault.fact, file=file, row=fault.row, variable=fault.variable)


def _looked(table: Table) -> Looked:
    if not installed():
        return Looked(why=NOT_INSTALLED)
    from cohortium.clinical import judging

    try:
        return Looked(judging.judge(table.path, table.domain))
    except Malformed as error:
        return Looked(why=UNREADABLE, problem=str(error))


def _is_listed(domain: str, name: str, rule: Rule) -> bool:
    """Whether the specification lists a variable: by its name, by that of all domains (--SEQ), or for one (DM.AGE)."""
    here, known = f"{domain}.{name}", sdtm.variables(domain)
    names = {name, here, known[name].general if name in known else name}
    return here not in rule.allowed and not names.isdisjoint(rule.limits["variables"])


LISTS = {"allowed": Limit.TEXTS, "variables": Limit.TEXTS}
CHECKS = (
    Check("privacy.table", Scope.TABLE, _faults("identifying")),
    Check("sdtm.alias", Scope.TABLE, _faults("alias")),
    Check("sdtm.code", Scope.TABLE, _faults("codes")),
    Check("sdtm.date", Scope.TABLE, _faults("dates")),
    Check("sdtm.domain", Scope.TABLE, _faults("domain")),
    Check("sdtm.duration", Scope.TABLE, _faults("periods")),
    Check("sdtm.encoding", Scope.TABLE, _faults("encoding")),
    Check("sdtm.guide", Scope.TABLE, guide, LISTS),
    Check("sdtm.icd10", Scope.TABLE, _faults("icd10")),
    Check("sdtm.key", Scope.TABLE, _faults("keys")),
    Check("sdtm.loinc", Scope.TABLE, _faults("loinc")),
    Check("sdtm.meddra", Scope.TABLE, _faults("meddra")),
    Check("sdtm.missing", Scope.TABLE, missing, LISTS),
    Check("sdtm.number", Scope.TABLE, _faults("numbers")),
    Check("sdtm.occurrence", Scope.TABLE, _faults("occurrence")),
    Check("sdtm.order", Scope.TABLE, _faults("order")),
    Check("sdtm.readable", Scope.TABLE, readable),
    Check("sdtm.repeated", Scope.TABLE, _faults("records")),
    Check("sdtm.required", Scope.TABLE, required, LISTS),
    Check("sdtm.result", Scope.TABLE, _faults("results")),
    Check("sdtm.snomed", Scope.TABLE, _faults("snomed")),
    Check("sdtm.status", Scope.TABLE, _faults("status")),
    Check("sdtm.term", Scope.TABLE, _faults("terms")),
    Check("sdtm.test", Scope.TABLE, _faults("pairs")),
    Check("sdtm.testcode", Scope.TABLE, _faults("testcodes")),
    Check("sdtm.unit", Scope.TABLE, _faults("units")),
    Check("sdtm.unlisted", Scope.TABLE, _faults("unlisted")),
    Check("sdtm.width", Scope.TABLE, _faults("widths")),
)
