"""Subjects by what their clinical rows say: of a domain, about a topic, with a number, text or date that compares so.

A row is found where all comparisons hold of that one row. A comparison of dates holds where it holds whenever in its
interval the date was: a row of `2024` is in 2024, and neither before nor after May.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Float, case, cast, null, select

from cohortium.archive.clinical import tables
from cohortium.archive.datasets import Version
from cohortium.clinical.intervals import interval
from cohortium.clinical.records import number
from cohortium.errors import Malformed
from cohortium.store.schema import clinical_row, clinical_subject, clinical_table, subject

__all__ = ["Comparison", "Observation", "Operator", "observed"]

NUMERIC = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?$"
BY_ORDER: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Operator(StrEnum):
    """How a field is compared."""

    IS = "="
    IS_NOT = "!="
    LIKE = "LIKE"  # `%` stands for anything, and case for nothing
    BEFORE = "<"
    UNTIL = "<="
    AFTER = ">"
    FROM = ">="


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of `number`, `text`, `unit`, `date`, `day`, or of a variable by its name in capitals (`VISITNUM`)."""

    field: str
    operator: Operator
    value: str


@dataclass(frozen=True, slots=True)
class Observation:
    """That a subject has a row of the domain, and of the topic unless that is empty, for which all comparisons hold.

    `absent`: that it has none. Rows are those of the project's newest tables, or of a dataset `version`.
    """

    project_id: int
    domain: str
    topic: str = ""
    comparisons: tuple[Comparison, ...] = ()
    absent: bool = False
    version: Version | None = None


def observed(wanted: Observation) -> ColumnElement[bool]:
    """The condition on `subject`; `Malformed` where a comparison cannot be made."""
    read = tables.counting(wanted.project_id, wanted.version).where(clinical_table.c.domain == wanted.domain.upper())
    rows = select(clinical_row.c.person_id).where(clinical_row.c.table_id.in_(read))
    if wanted.topic:
        rows = rows.where(clinical_row.c.topic == wanted.topic)
    rows = rows.where(*map(_holds, wanted.comparisons))
    people = select(clinical_subject.c.USUBJID).where(clinical_subject.c.id.in_(rows))
    found = (subject.c.project_id == wanted.project_id) & subject.c.PatientID.in_(people)
    return ~found if wanted.absent else found


def _holds(wanted: Comparison) -> ColumnElement[bool]:
    match wanted.field:
        case "number":
            return _by_number(clinical_row.c.number, wanted)
        case "day":
            return _by_number(clinical_row.c.day, wanted)
        case "text" | "unit" as name:
            return _by_text(clinical_row.c[name], wanted)
        case "date":
            return _by_date(wanted)
        case name if name.isupper() and name.isalnum() and len(name) <= 40:
            return _by_variable(clinical_row.c.variables[name].as_string(), wanted)
    raise Malformed("a comparison is of number, text, unit, date, day, or of a variable in capitals")


def _by_number(column: ColumnElement[Any], wanted: Comparison) -> ColumnElement[bool]:
    value = number(wanted.value.strip())
    if value is None or wanted.operator not in BY_ORDER:
        raise Malformed("a number is compared with a number, by = != < <= > >=")
    found: ColumnElement[bool] = BY_ORDER[wanted.operator](column, value)
    return found


def _by_text(column: ColumnElement[str], wanted: Comparison) -> ColumnElement[bool]:
    if wanted.operator is Operator.LIKE:
        escaped = wanted.value.replace("\\", "\\\\").replace("_", "\\_")
        return column.ilike(escaped, escape="\\")
    if wanted.operator in (Operator.IS, Operator.IS_NOT):
        found: ColumnElement[bool] = BY_ORDER[wanted.operator](column, wanted.value)
        return found
    raise Malformed("a text is compared by = != LIKE")


def _by_variable(column: ColumnElement[str], wanted: Comparison) -> ColumnElement[bool]:
    """As a text; by order as numbers, which other values than numbers are neither before nor after."""
    if wanted.operator in (Operator.IS, Operator.IS_NOT, Operator.LIKE):
        return _by_text(column, wanted)
    as_number = case((column.regexp_match(NUMERIC), cast(column, Float)), else_=null())
    return _by_number(as_number, wanted)


def _by_date(wanted: Comparison) -> ColumnElement[bool]:
    when = interval(wanted.value.strip())
    if when is None:
        raise Malformed("a date is compared with a date as ISO 8601 writes it, perhaps without its day or month")
    row = clinical_row.c
    known = row.earliest != ""
    match wanted.operator:
        case Operator.IS:
            return known & (row.earliest >= when.earliest) & (row.latest <= when.latest)
        case Operator.IS_NOT:
            return known & ((row.latest < when.earliest) | (row.earliest > when.latest))
        case Operator.BEFORE:
            return known & (row.latest < when.earliest)
        case Operator.UNTIL:
            return known & (row.latest <= when.latest)
        case Operator.AFTER:
            return row.earliest > when.latest
        case Operator.FROM:
            return row.earliest >= when.earliest
    raise Malformed("a date is compared by = != < <= > >=")
