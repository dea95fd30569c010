"""The columns of one table, compiled: what is made of each cell of a row, and where the row says who it is about.

What always holds: a column of the output is one that a rule named; what is left out is named in a finding, and so is
free text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial

from cohortium.clinical.dates import PartialDate, parse
from cohortium.deidentify.clinical import values
from cohortium.deidentify.clinical.periods import age, clinical_date, days, period, year
from cohortium.deidentify.clinical.rules import identifier, rule_of
from cohortium.deidentify.clinicalrule import DATED, kept_dates
from cohortium.deidentify.identifiers import Tokens
from cohortium.errors import Malformed
from cohortium.values import ClinicalRule, ColumnRule, DateRule, Finding, Severity, TableRule

__all__ = ["Cell", "Column", "Columns", "compile_columns"]

REMEMBERED = 8192  # dates and identifiers of a column
TOKEN = 16  # characters of a hashed identifier
LONGEST = 100  # characters of a term or number; what is longer is prose, and is not remembered either
PROSE = ("", "clinical.free-text")

Cell = Callable[[Sequence[str], str, int], tuple[str, str]]
"""(row, pseudonym, days of the subject's shift) to the new text, and the rule of a finding or nothing; `ValueError` and
`OverflowError` where a date cannot be read or reckoned with, so that the row cannot go on."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the output. `searched` tells whether its text may hold what the row was to lose."""

    name: str
    cell: Cell
    searched: bool


@dataclass(frozen=True, slots=True)
class Columns:
    """A table's heading, understood."""

    kept: tuple[Column, ...]
    patient: tuple[int, ...]
    issuer: int | None
    identifying: tuple[int, ...]
    width: int
    findings: tuple[Finding, ...] = field(default=())


def compile_columns(
    clinical: ClinicalRule, table: TableRule, dates: DateRule, heading: Sequence[str], tokens: Tokens
) -> Columns:
    """What is to be done with a table that has this heading; `Malformed` where it is not what its rule means."""
    places = {name.casefold(): place for place, name in enumerate(heading)}
    patient = tuple(_place(places, name, "patient") for name in table.patient)
    issuer = _place(places, table.issuer_column, "issuer") if table.issuer_column else None
    ruled = [rule_of(clinical, table, name) for name in heading]
    births = {rule.since.casefold() for rule, _ in ruled if rule.action == "age" and rule.since}
    cells = _Cells(clinical, table, dates, places, tokens)
    kept: list[Column] = []
    findings: list[Finding] = []
    identifying = {*patient}
    for place, (name, (rule, why)) in enumerate(zip(heading, ruled, strict=True)):
        kind = identifier(name)
        if (kind and rule.action in ("remove", "text")) or rule.action == "pseudonym":
            identifying.add(place)
        if name.casefold() in births and rule.action in DATED:
            rule, why = ColumnRule("remove"), "an age is counted from it"
        cell = cells.cell(place, rule)
        findings += _findings(place, name, rule, why, kind)
        if cell is not None:
            searched = rule.action in ("keep", "number", "clean")
            kept.append(Column(rule.name or name, cell, searched))
    if len({column.name.casefold() for column in kept}) < len(kept):
        raise Malformed("two columns would get one name")
    return Columns(tuple(kept), patient, issuer, tuple(sorted(identifying)), len(heading), tuple(findings))


def _place(places: Mapping[str, int], name: str, role: str) -> int:
    if name.casefold() not in places:
        raise Malformed(f"the {role} column that the rule names is not in the first row")
    return places[name.casefold()]


def _findings(place: int, name: str, rule: ColumnRule, why: str, kind: str) -> Iterator[Finding]:
    column = f"column {place + 1}" + (f", {name}" if name else "")
    if kind and rule.action == "keep":
        yield Finding("clinical.identifier-kept", Severity.WARNING, f"{column}, looks like a {kind} and is kept: {why}")
    if rule.action == "text":
        yield Finding("clinical.free-text", Severity.WARNING, f"{column}, is free text and was removed")
    if rule.action == "remove" and why.endswith("named by no rule"):
        yield Finding("clinical.column-removed", Severity.WARNING, f"{column}, was removed: {why}")


class _Cells:
    """Makes the cells of one table."""

    def __init__(
        self, clinical: ClinicalRule, table: TableRule, dates: DateRule, places: Mapping[str, int], tokens: Tokens
    ) -> None:
        self.clinical = clinical
        self.table = table
        self.dates = dates
        self.places = places
        self.tokens = tokens
        self.missing = frozenset(table.missing) | {""}
        self.date = partial(parse, order=table.dates)

    def cell(self, place: int, rule: ColumnRule) -> Cell | None:
        """The cell of the column at `place`; none where nothing of it leaves."""
        dates = kept_dates(self.clinical, self.dates)
        match rule.action:
            case "pseudonym":
                return lambda _row, pseudonym, _days: (pseudonym, "")
            case "hash":
                return self._hashed(place)
            case "keep":
                return self._plain(place, partial(values.kept, dates=dates))
            case "number":
                return self._plain(place, partial(values.numeric, dates=dates))
            case "code":
                return self._plain(place, partial(values.coded, codes=frozenset(rule.codes)))
            case "clean":
                return lambda row, _pseudonym, _days: values.cleaned(row[place])  # of any length
            case "age" if not rule.since:
                return self._plain(place, values.aged)
            case "age":
                return self._counted(place, rule, partial(age, unit=rule.unit))
            case "period":
                return self._counted(place, rule, partial(period, unit=rule.unit))
            case "days":
                return self._dated(place, days)
            case "year":
                return self._dated(place, partial(year, rule=self.dates))
            case "date" if self.clinical.dates == "days":
                return self._dated(place, days)
            case "date" if self.dates.rule != "remove":
                return self._dated(place, partial(clinical_date, rule=self.dates))
            case _:
                return None

    def _hashed(self, place: int) -> Cell:
        missing, tokens = self.missing, self.tokens

        @lru_cache(maxsize=REMEMBERED)
        def made(pseudonym: str, text: str) -> tuple[str, str]:
            return tokens(pseudonym, text, TOKEN), ""

        def cell(row: Sequence[str], pseudonym: str, _days: int) -> tuple[str, str]:
            text = row[place].strip()
            if text in missing:
                return text, ""
            return made(pseudonym, text) if len(text) <= LONGEST else PROSE

        return cell

    def _plain(self, place: int, make: Callable[[str], tuple[str, str]]) -> Cell:
        missing = self.missing

        def cell(row: Sequence[str], _pseudonym: str, _days: int) -> tuple[str, str]:
            text = row[place]
            if text in missing:
                return text, ""
            return make(text) if len(text) <= LONGEST else PROSE

        return cell

    def _dated(self, place: int, make: Callable[[PartialDate, int], tuple[str, str]]) -> Cell:
        missing, read = self.missing, self.date

        @lru_cache(maxsize=REMEMBERED)
        def made(text: str, days: int) -> tuple[str, str]:
            return make(read(text), days)

        def cell(row: Sequence[str], _pseudonym: str, days: int) -> tuple[str, str]:
            text = row[place].strip()
            return (text, "") if text in missing else made(text, days)

        return cell

    def _counted(
        self, place: int, rule: ColumnRule, make: Callable[[PartialDate, PartialDate], tuple[str, str]]
    ) -> Cell:
        since = _place(self.places, rule.since, "reference")
        missing, read = self.missing, self.date

        def cell(row: Sequence[str], _pseudonym: str, _days: int) -> tuple[str, str]:
            begin, end = row[since].strip(), row[place].strip()
            return ("", "") if begin in missing or end in missing else make(read(begin), read(end))

        return cell
