"""Which rule a file has, and each of its columns: the protocol's own, then those that Cohortium ships.

What always holds: a column that looks like a direct identifier goes, unless a rule names that very column.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from cohortium.clinical.tables import domains
from cohortium.deidentify.clinicalrule import WILD
from cohortium.values import ClinicalRule, ColumnRule, TableRule

__all__ = ["identifier", "rule_of", "sdtm", "table_of"]

DATA = Path(__file__).parents[1] / "data"
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
WORD = re.compile(r"[^\W_]+")
REMOVED = ColumnRule("remove")


def table_of(rule: ClinicalRule, file_name: str) -> TableRule | None:
    """The table with the longest pattern that a file's name matches: of the protocol's own, then of the base's."""
    for known in (rule.tables, _domains() if rule.base == "sdtm" else ()):
        found = [(len(pattern), table) for table in known for pattern in table.files if _matches(file_name, pattern)]
        if found:
            return max(found, key=lambda each: each[0])[1]
    return None


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name.casefold(), pattern.casefold())


def rule_of(clinical: ClinicalRule, table: TableRule, column: str) -> tuple[ColumnRule, str]:
    """What becomes of a column, and why: named outright, a direct identifier, matched by a pattern, or by no rule."""
    own = table in clinical.tables
    here = f"[clinical.tables.{table.name}]" if own else "SDTM"
    levels = ((table.columns, here), (clinical.columns, "[clinical.columns]"))
    for columns, where in levels if own else reversed(levels):
        if rule := _folded(columns).get(column.casefold()):
            return rule, where
    if kind := identifier(column):
        return REMOVED, f"looks like a {kind}; named by no rule"
    for columns, where in levels if own else reversed(levels):
        for pattern, rule in sorted(columns.items(), key=_specific):
            if WILD & set(pattern) and _matches(column, pattern):
                return rule, f"{where} {pattern}"
    return REMOVED, "named by no rule"


def _specific(entry: tuple[str, ColumnRule]) -> tuple[int, str]:
    """Longer patterns before shorter ones, so that the order in which they are written says nothing."""
    return -len(entry[0]), entry[0]


def _folded(columns: Mapping[str, ColumnRule]) -> Mapping[str, ColumnRule]:
    return {name.casefold(): rule for name, rule in columns.items() if not WILD & set(name)}


def identifier(column: str) -> str:
    """The kind of direct identifier that a column's name speaks of; empty where it speaks of none."""
    words = [_plain(word) for word in WORD.findall(CAMEL.sub(" ", column))]
    spellings = {*words, "".join(words)}
    return next((kind for kind, pattern in _identifiers() if any(map(pattern.fullmatch, spellings))), "")


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(each for each in decomposed if not unicodedata.combining(each))


@cache
def _identifiers() -> tuple[tuple[str, re.Pattern[str]], ...]:
    with (DATA / "direct_identifiers.csv").open(encoding="utf-8") as file:
        rows = [(row["kind"], row["columns"].split()) for row in csv.DictReader(file)]
    return tuple((kind, re.compile("|".join(each.replace("*", ".*") for each in names))) for kind, names in rows)


@cache
def sdtm() -> Mapping[str, ColumnRule]:
    """What becomes of the variables of SDTM; `--` stands for the domain, and whole names rule over those."""
    with (DATA / "sdtm.csv").open(encoding="utf-8") as file:
        return {row["variable"]: ColumnRule(row["action"]) for row in csv.DictReader(file)}


@cache
def _domains() -> tuple[TableRule, ...]:
    """One table for each domain of SDTM."""
    return tuple(map(_domain, sorted(domains())))


def _domain(domain: str) -> TableRule:
    columns = {name.replace("--", domain): rule for name, rule in sdtm().items()}
    return TableRule(domain.lower(), (f"{domain}.csv", f"*_{domain}.csv"), ("USUBJID",), columns)
