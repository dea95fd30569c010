"""Which rules hold for a study, how severely, and with which limits: one TOML file, checked itself.

All mistakes in a file are reported together. The digest covers what decides an outcome (rules, severities, limits,
which attributes must have one value) and not the wording, so a better explanation is no new specification.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from cohortium.dicom import meta
from cohortium.errors import ConfigError
from cohortium.values import Severity

__all__ = ["LIMITS", "Rule", "Specification", "load"]

LIMITS: Mapping[str, tuple[str, ...]] = {
    "accuracy.modality": ("allowed",),
    "accuracy.pixel-spacing": ("least", "most"),
    "accuracy.slice-thickness": ("least", "most"),
    "completeness.missing": (),
    "completeness.slices": ("least", "most"),
    "geometry.duplicate": (),
    "geometry.localizer": (),
    "geometry.orientation": (),
    "geometry.position": (),
    "geometry.tilt": ("most",),
    "geometry.uneven": ("most",),
    "uniformity.value": (),
}
HEAD = ("name", "version", "title")
WORDS = ("explanation", "mend")
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; `least` and `most` are in the unit its explanation states, both allowed."""

    id: str
    severity: Severity
    explanation: str
    mend: str
    least: float = 0.0
    most: float = math.inf
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Specification:
    """Rules in the order of their ids; `one_value` maps attributes to the modalities where one value is demanded."""

    name: str
    version: str
    title: str
    rules: tuple[Rule, ...]
    one_value: Mapping[str, tuple[str, ...]]
    digest: str


def load(name: str | Path) -> Specification:
    """A shipped specification by name, or one from a file; `ConfigError` names every mistake in it."""
    document = _document(name)
    problems = list(_problems(document))
    if problems:
        raise ConfigError(f"specification {name}:\n" + "\n".join(f"  {problem}" for problem in problems))
    rules = tuple(_rule(id, table) for id, table in sorted(_tables(document)))
    one_value = {each.keyword: tuple(sorted(each.one_value)) for each in meta.attributes() if each.one_value}
    return Specification(
        **{key: document[key] for key in HEAD}, rules=rules, one_value=one_value, digest=_digest(rules, one_value)
    )


def shipped() -> list[str]:
    """Names of the specifications that come with the package."""
    return sorted(
        each.name.removesuffix(".toml") for each in files(__package__).iterdir() if each.name.endswith(".toml")
    )


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
        if family not in HEAD and isinstance(tables, dict):
            for name, table in tables.items():
                yield f"{family}.{name}", table


def _problems(document: Mapping[str, Any]) -> Iterator[str]:
    for key in HEAD:
        if not _is_text(document.get(key)):
            yield f"{key}: text is expected"
    for key, value in document.items():
        if key not in HEAD and not isinstance(value, dict):
            yield f"{key}: no such setting; known: {', '.join(HEAD)}, and a table [family.rule] for each rule"
    for id, table in _tables(document):
        if id not in LIMITS:
            yield f"[{id}]: no such rule; known: {', '.join(LIMITS)}"
        elif not isinstance(table, dict):
            yield f"[{id}]: a table is expected"
        else:
            yield from (f"[{id}] {problem}" for problem in _rule_problems(id, table))


def _rule_problems(id: str, table: Mapping[str, Any]) -> Iterator[str]:
    known = ("severity", *WORDS, *LIMITS[id])
    for key in table.keys() - set(known):
        yield f"{key}: no such setting; known: {', '.join(known)}"
    if table.get("severity") not in list(Severity):
        yield f"severity: one of {', '.join(Severity)}"
    for key in WORDS:
        if not _is_text(table.get(key)):
            yield f"{key}: text is expected"
    numbers = [key for key in LIMITS[id] if key != "allowed"]
    wrong = [key for key in numbers if not _is_number(table.get(key))]
    for key in wrong:
        yield f"{key}: a number from 0 is expected"
    if "least" in numbers and not wrong and table["least"] > table["most"]:
        yield "least: is more than most"
    allowed = table.get("allowed")
    if "allowed" in LIMITS[id] and not (isinstance(allowed, list) and allowed and all(map(_is_text, allowed))):
        yield "allowed: a list of texts is expected"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1e9


def _rule(id: str, table: Mapping[str, Any]) -> Rule:
    return Rule(
        id=id,
        severity=Severity(table["severity"]),
        explanation=table["explanation"],
        mend=table["mend"],
        least=float(table.get("least", 0)),
        most=float(table.get("most", math.inf)),
        allowed=tuple(table.get("allowed", ())),
    )


def _digest(rules: tuple[Rule, ...], one_value: Mapping[str, tuple[str, ...]]) -> str:
    deciding = {
        rule.id: {"severity": rule.severity, **{key: getattr(rule, key) for key in LIMITS[rule.id]}} for rule in rules
    }
    text = json.dumps({"rules": deciding, "one_value": one_value}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
