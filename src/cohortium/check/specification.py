"""Which rules hold for a study, how severely, and with which limits: one TOML file, checked itself.

All mistakes in a file are reported together. The digest covers what decides an outcome (rules, severities, limits,
which attributes must have one value) and not the wording, so a better explanation is no new specification.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from cohortium.check.registry import checks
from cohortium.check.rule import Limit, Rule
from cohortium.dicom import meta
from cohortium.errors import ConfigError
from cohortium.values import Severity

__all__ = ["Specification", "load", "shipped"]

HEAD = ("name", "version", "title")
BESIDES = (*HEAD, "extends", "notes")
WORDS = ("explanation", "mend")
OFF = "off"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
DEEPEST = 8  # specifications that extend one another
TOP_NUMBER = 1e9


@dataclass(frozen=True, slots=True)
class Specification:
    """Rules in the order of their ids, and the ids of those that are switched off.

    `one_value` maps attributes to the modalities where one value is demanded; `notes` say what a reader should know
    of the whole.
    """

    name: str
    version: str
    title: str
    rules: tuple[Rule, ...]
    off: tuple[str, ...]
    one_value: Mapping[str, tuple[str, ...]]
    digest: str
    notes: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What people call it."""
        return f"{self.name} {self.version}"


def load(name: str | Path) -> Specification:
    """A shipped specification by name, or one from a file; `ConfigError` names every mistake in it."""
    document = _extended(name)
    problems = list(_problems(document))
    if problems:
        raise ConfigError(f"specification {name}:\n" + "\n".join(f"  {problem}" for problem in problems))
    tables = dict(sorted(_tables(document)))
    off = tuple(id for id, table in tables.items() if table["severity"] == OFF)
    rules = tuple(_rule(id, table) for id, table in tables.items() if id not in off)
    one_value = {each.keyword: tuple(sorted(each.one_value)) for each in meta.attributes() if each.one_value}
    return Specification(
        **{key: document[key] for key in HEAD},
        rules=rules,
        off=off,
        one_value=one_value,
        digest=_digest(rules, one_value),
        notes=tuple(document.get("notes", ())),
    )


def shipped() -> list[str]:
    """Names of the specifications that come with the package."""
    return sorted(
        each.name.removesuffix(".toml") for each in files(__package__).iterdir() if each.name.endswith(".toml")
    )


def _extended(name: str | Path, depth: int = 0) -> dict[str, Any]:
    """The document over the one that it extends: its own head, and setting by setting in each rule."""
    document = _document(name)
    below = document.get("extends")
    if below is None:
        return document
    if not _is_text(below) or depth == DEEPEST:
        raise ConfigError(f"specification {name}: extends: the name or path of another one, at most {DEEPEST} deep")
    base = _extended(below if NAME.fullmatch(below) else Path(name).parent / below, depth + 1)
    merged = {**base, **{key: value for key, value in document.items() if not isinstance(value, dict)}}
    if isinstance(document.get("notes", []), list):
        merged["notes"] = [*base.get("notes", []), *document.get("notes", [])]
    for family, tables in document.items():
        if isinstance(tables, dict):
            known = base.get(family, {})
            merged[family] = {**known, **{rule: _over(known.get(rule), table) for rule, table in tables.items()}}
    return merged


def _over(base: Any, table: Any) -> Any:
    return {**base, **table} if isinstance(base, dict) and isinstance(table, dict) else table


def _document(name: str | Path) -> dict[str, Any]:
    try:
        if isinstance(name, str) and NAME.fullmatch(name):
            if name not in shipped():
                raise ConfigError(f"no specification {name!r}; shipped: {', '.join(shipped())}, or give a file's path")
            return tomllib.loads(files(__package__).joinpath(f"{name}.toml").read_text("utf-8"))
        return tomllib.loads(Path(name).read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"specification {name} is not TOML: {error}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"specification {name} cannot be read: {type(error).__name__}") from None


def _tables(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for family, tables in document.items():
        if family not in BESIDES and isinstance(tables, dict):
            for name, table in tables.items():
                yield f"{family}.{name}", table


def _problems(document: Mapping[str, Any]) -> Iterator[str]:
    for key in HEAD:
        if not _is_text(document.get(key)):
            yield f"{key}: text is expected"
    if not _is_texts(document.get("notes", [])):
        yield "notes: a list of texts is expected"
    for key, value in document.items():
        if key not in BESIDES and not isinstance(value, dict):
            yield f"{key}: no such setting; known: {', '.join(BESIDES)}, and a table [family.rule] for each rule"
    for id, table in _tables(document):
        if id not in checks():
            yield f"[{id}]: no such rule; known: {', '.join(sorted(checks()))}"
        elif not isinstance(table, dict):
            yield f"[{id}]: a table is expected"
        else:
            yield from (f"[{id}] {problem}" for problem in _rule_problems(checks()[id].limits, table))


def _rule_problems(limits: Mapping[str, Limit], table: Mapping[str, Any]) -> Iterator[str]:
    known = ("severity", "check", *WORDS, "note", *limits)
    for key in table.keys() - set(known):
        yield f"{key}: no such setting; known: {', '.join(known)}"
    if table.get("severity") not in (OFF, *Severity):
        yield f"severity: one of {', '.join((OFF, *Severity))}"
    number = table.get("check", 0)
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 100:
        yield "check: a whole number from 0 to 99 is expected"
    for key in WORDS:
        if not _is_text(table.get(key)):
            yield f"{key}: text is expected"
    if not isinstance(table.get("note", ""), str):
        yield "note: text is expected"
    wrong = {key for key, kind in limits.items() if not FITS[kind](table.get(key))}
    for key in sorted(wrong):
        yield f"{key}: {limits[key]} is expected"
    if {"least", "most"} <= limits.keys() - wrong and table["least"] > table["most"]:
        yield "least: is more than most"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= TOP_NUMBER


FITS: Mapping[Limit, Callable[[Any], bool]] = {
    Limit.NUMBER: _is_number,
    Limit.TEXT: _is_text,
    Limit.TEXTS: lambda value: _is_texts(value) and bool(value),
    Limit.FLAG: lambda value: isinstance(value, bool),
}


def _rule(id: str, table: Mapping[str, Any]) -> Rule:
    limits = {key: _limit(table[key], kind) for key, kind in checks()[id].limits.items()}
    words = {key: table[key] for key in ("explanation", "mend", "check", "note") if key in table}
    return Rule(id, Severity(table["severity"]), limits=limits, **words)


def _limit(value: Any, kind: Limit) -> Any:
    return float(value) if kind is Limit.NUMBER else tuple(value) if kind is Limit.TEXTS else value


def _digest(rules: tuple[Rule, ...], one_value: Mapping[str, tuple[str, ...]]) -> str:
    deciding = {rule.id: {"severity": rule.severity, **rule.limits} for rule in rules}
    text = json.dumps({"rules": deciding, "one_value": one_value}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
