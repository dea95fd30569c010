"""What a protocol does to each column of clinical tables, as a person approves it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cohortium.deidentify.clinical.rules import sdtm
from cohortium.deidentify.clinicalrule import describe
from cohortium.deidentify.daterule import describe as dates_in_words
from cohortium.values import ColumnRule, Protocol

__all__ = ["ExplainedColumn", "explain_tables"]

EVERY = "every table"
FIRST = "days since the subject's first examination"


@dataclass(frozen=True, slots=True)
class ExplainedColumn:
    """A column of a table, by name or pattern: the action in a word and in a phrase."""

    table: str
    column: str
    action: str
    what: str


def explain_tables(protocol: Protocol) -> Iterator[ExplainedColumn]:
    """Every column that a rule names; nothing for a protocol that takes no tables."""
    clinical = protocol.clinical
    if clinical is None:
        return
    for table in clinical.tables:
        yield from _columns(f"{table.name} ({', '.join(table.files)})", table.columns, protocol)
    yield from _columns(EVERY, clinical.columns, protocol)
    if clinical.base:
        yield from _columns("SDTM (DOMAIN.csv)", sdtm(), protocol)
    yield ExplainedColumn(EVERY, "(like a direct identifier)", "remove", "removed, unless a rule names the very column")
    yield ExplainedColumn(EVERY, "(all others)", "remove", "removed, for no rule names it")


def _columns(table: str, columns: Mapping[str, ColumnRule], protocol: Protocol) -> Iterator[ExplainedColumn]:
    for name, rule in sorted(columns.items()):
        what = _dated(protocol, rule)
        yield ExplainedColumn(table, name, rule.action, f"{what}, as {rule.name}" if rule.name else what)


def _dated(protocol: Protocol, rule: ColumnRule) -> str:
    """What becomes of a column, dates as this protocol treats them."""
    counted = protocol.clinical is not None and protocol.clinical.dates == "days"
    if rule.action == "days" or (rule.action == "date" and counted):
        return FIRST if protocol.dates.rule == "anchor" else describe(ColumnRule("days"))
    return dates_in_words(protocol.dates) if rule.action == "date" else describe(rule)
