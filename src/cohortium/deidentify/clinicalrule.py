"""The [clinical] table of a protocol: read, checked, and told in words.

What always holds: nothing is kept that no rule names, and no column that is an age or a period stands beside the birth
date that it was counted from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cohortium.clinical.dates import ORDERS
from cohortium.values import ClinicalRule, ColumnRule, DateRule, TableRule

__all__ = ["ENCODINGS", "clinical_problems", "clinical_rule", "describe", "kept_dates"]

ACTIONS: Mapping[str, str] = {
    "keep": "kept if short, and not like a date, an address, a telephone number or the patient's own identity",
    "remove": "removed",
    "pseudonym": "the subject's pseudonym",
    "hash": "another identifier, the same for the same one of a subject, made under the site's key",
    "date": "the date as the protocol treats dates",
    "days": "days from a day of the subject's own",
    "year": "the year of the date, moved where dates are",
    "age": "an age in years; over 89 as 90+",
    "number": "kept if it is a number",
    "clean": "words of a fixed vocabulary kept, the rest dropped; free text, so there is a finding",
    "text": "free text: removed, with a finding",
}
COUNTED = {"age": ("years", "months", "days"), "since": ("days", "iso")}
DATED = frozenset({"date", "days", "year", "keep"})
ENCODINGS = ("utf-8", "latin-1", "cp1252")
DELIMITERS = (",", ";", "\t", "|")
TABLE_KEYS = frozenset(
    ("files", "patient", "join", "issuer", "issuer_column", "encoding", "delimiter", "dates", "missing", "columns")
)
TEXTS = ("join", "issuer", "issuer_column")
KEYS = frozenset(("base", "dates", "columns", "tables"))
DATES = ("as images", "days")
WILD = frozenset("*?[")


def describe(rule: ColumnRule) -> str:
    """What becomes of a column, in a phrase."""
    match rule.action:
        case "age" if rule.since:
            return f"age in {rule.unit} at this date, from {rule.since}; over 89 years capped"
        case "period":
            return f"{'days' if rule.unit == 'days' else 'ISO 8601 duration'} since {rule.since}"
        case "code":
            return f"kept if one of {', '.join(rule.codes)}"
        case _:
            return ACTIONS[rule.action]


def kept_dates(rule: ClinicalRule, dates: DateRule) -> bool:
    """Whether dates of tables stay as they are."""
    return rule.dates == DATES[0] and dates.rule == "keep" and dates.times == "keep"


def clinical_rule(section: Mapping[str, Any] | None) -> ClinicalRule | None:
    """The rule of a checked section; none where the protocol has no such section."""
    if section is None:
        return None
    tables = tuple(_table(name, table) for name, table in sorted(section.get("tables", {}).items()))
    columns = _columns(section.get("columns", {}))
    return ClinicalRule(section.get("base", ""), section.get("dates", DATES[0]), columns, tables)


def _table(name: str, table: Mapping[str, Any]) -> TableRule:
    settings = {key: table[key] for key in TABLE_KEYS & table.keys()}
    for key in ("files", "patient", "missing"):
        if key in settings:
            settings[key] = tuple(_listed(settings[key]))
    return TableRule(name, **settings | {"columns": _columns(table["columns"])})


def _columns(columns: Mapping[str, Any]) -> dict[str, ColumnRule]:
    return {name: _column(setting) for name, setting in columns.items()}


def _column(setting: str | Mapping[str, Any]) -> ColumnRule:
    if isinstance(setting, str):
        return ColumnRule(setting)
    name = setting.get("name", "")
    for key, units in COUNTED.items():
        if key in setting:
            action = "age" if key == "age" else "period"
            return ColumnRule(action, setting[key], setting.get("unit", units[0]), name=name)
    if "codes" in setting:
        return ColumnRule("code", codes=tuple(setting["codes"]), name=name)
    return ColumnRule(setting["action"], name=name)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def clinical_problems(section: Any) -> Iterator[str]:
    """Every mistake in the section."""
    if not isinstance(section, dict):
        yield "clinical: a table is expected"
        return
    for key in sorted(section.keys() - KEYS):
        yield f"clinical.{key}: no such setting; known: {', '.join(sorted(KEYS))}"
    if section.get("base", "sdtm") != "sdtm":
        yield "clinical.base: only `sdtm` is known"
    if section.get("dates", DATES[0]) not in DATES:
        yield f"clinical.dates: one of {', '.join(DATES)} is expected"
    yield from _columns_problems("clinical.columns", section.get("columns", {}))
    tables = section.get("tables", {})
    if not isinstance(tables, dict):
        yield "clinical.tables: a table is expected"
        return
    if not tables and "base" not in section:
        yield "clinical: rules for no table; give `base` or [clinical.tables.NAME]"
    for name, table in tables.items():
        if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
            yield f"clinical.tables.{name}: the output is called so; letters, digits, hyphens are expected"
        yield from _table_problems(f"clinical.tables.{name}", table)


def _table_problems(where: str, table: Any) -> Iterator[str]:
    if not isinstance(table, dict):
        yield f"{where}: a table is expected"
        return
    for key in sorted(table.keys() - TABLE_KEYS):
        yield f"{where}.{key}: no such setting; known: {', '.join(sorted(TABLE_KEYS))}"
    for key in ("files", "patient"):
        if not _is_texts(table.get(key)) or not _listed(table[key]):
            yield f"{where}.{key}: text, or a list of texts, is expected"
    if not _is_texts(table.get("missing", "")):
        yield f"{where}.missing: a list of texts is expected"
    for key in TEXTS:
        if not isinstance(table.get(key, ""), str):
            yield f"{where}.{key}: text is expected"
    if table.get("issuer") and table.get("issuer_column"):
        yield f"{where}.issuer: stands in a column or is the same for all, not both"
    for key, choices in (("encoding", ENCODINGS), ("delimiter", DELIMITERS), ("dates", ORDERS)):
        if table.get(key, choices[0]) not in choices:
            yield f"{where}.{key}: one of {', '.join(map(repr, choices))} is expected"
    if "columns" not in table:
        yield f"{where}.columns: is missing"
    else:
        yield from _columns_problems(f"{where}.columns", table["columns"])


def _columns_problems(where: str, columns: Any) -> Iterator[str]:
    if not isinstance(columns, dict):
        yield f"{where}: a table is expected"
        return
    found = {name: list(_column_problems(name, setting)) for name, setting in columns.items()}
    for name, problems in found.items():
        yield from (f"{where}.{name}: {problem}" for problem in problems)
    rules = _columns({name: setting for name, setting in columns.items() if not found[name]})
    births = {rule.since.casefold() for rule in rules.values() if rule.action == "age" and rule.since}
    for name, rule in rules.items():
        if name.casefold() in births and rule.action in DATED:
            yield f"{where}.{name}: an age over 89 that is capped would be told by this date; `remove` it"
    if len({name.casefold() for name in columns}) < len(columns):
        yield f"{where}: two names that differ in case alone"


def _column_problems(name: str, setting: Any) -> Iterator[str]:
    if isinstance(setting, str):
        if setting not in ACTIONS:
            yield f"one of {', '.join(ACTIONS)} is expected"
        return
    if not isinstance(setting, dict):
        yield "an action, or a table of settings, is expected"
        return
    chosen = [key for key in ("action", "codes", *COUNTED) if key in setting]
    if len(chosen) != 1:
        yield "one of action, codes, age or since is expected"
        return
    (kind,) = chosen
    value, units = setting[kind], COUNTED.get(kind, ())
    for key in sorted(setting.keys() - {kind, "name", *(["unit"] if units else [])}):
        yield f"{key}: no such setting beside `{kind}`"
    if kind == "codes":
        if not isinstance(value, list) or not value or not all(isinstance(code, str) for code in value):
            yield "codes: a list of texts is expected"
    elif not isinstance(value, str) or (kind == "action" and value not in ACTIONS):
        yield f"{kind}: {'one of ' + ', '.join(ACTIONS) if kind == 'action' else 'the name of a column'} is expected"
    if units and setting.get("unit", units[0]) not in units:
        yield f"unit: one of {', '.join(units)} is expected"
    if not isinstance(setting.get("name", ""), str):
        yield "name: text is expected"
    elif setting.get("name") and WILD & set(name):
        yield "name: several columns cannot have one name"


def _is_texts(value: Any) -> bool:
    return all(isinstance(each, str) for each in _listed(value)) if value is not None else False
