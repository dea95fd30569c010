"""The [ctp] table of a protocol: a hospital's scripts, and how far they rule.

What always holds: the text of every script is part of the protocol's digest, a table of lookups never is, for its keys
are patients. What a script does to an attribute where only the object can tell is `Action.SCRIPT`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from cohortium.deidentify.ctp import calls
from cohortium.deidentify.ctp.filters import read_filter
from cohortium.deidentify.ctp.interpreter import ALWAYS_KEPT, KEPT_GROUPS
from cohortium.deidentify.ctp.pixels import read_pixels
from cohortium.deidentify.ctp.script import Rule, Script, read
from cohortium.errors import ConfigError
from cohortium.values import Action, CtpRule

__all__ = ["FIXED", "ctp_problems", "ctp_rule", "describe", "parsed", "ruled", "said"]

READERS = {"script": read, "pixels": read_pixels, "filter": read_filter}
HASHES = ("keyed", "compatible")
KEYS = (*READERS, "lookup", "hash", "trust_script")
NAME = re.compile("[a-z0-9][a-z0-9-]{0,62}").fullmatch
MARKED = {"keep": Action.KEEP, "remove": Action.REMOVE, "empty": Action.EMPTY, "process": Action.KEEP}
PATIENT_ID, RETAIN_UIDS = 0x00100020, "Retain UIDs"
FIXED = frozenset((0x00080005, 0x00080016, 0x00080018, 0x00100020, 0x0020000D, 0x0020000E))
"""What no script takes out of an object, for nothing could read or find it afterwards."""


def ctp_rule(table: Mapping[str, Any], folder: Path) -> CtpRule | None:
    """The rule of a checked table, whose paths begin in `folder`."""
    if not table:
        return None
    texts = {key: _text(folder / table[key]) for key in READERS if key in table}
    trusted = table.get("trust_script", False)
    return CtpRule(
        **texts,
        lookup=table.get("lookup", ""),
        hash=table.get("hash", "compatible" if trusted else "keyed"),
        trust_script=trusted,
    )


def ctp_problems(document: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """Every mistake in the table, in the scripts that it names, and where they contradict the rest of the protocol."""
    table = document.get("ctp", {})
    found = [*_table_problems(table, folder)]
    yield from found
    if not found and table:
        yield from _contradictions(table, folder, document)


def _table_problems(table: Any, folder: Path) -> Iterator[str]:
    if not isinstance(table, dict):
        yield "ctp: a table is expected"
        return
    for key in sorted(table.keys() - set(KEYS)):
        yield f"ctp.{key}: no such setting; known: {', '.join(KEYS)}"
    if table and not table.keys() & READERS.keys():
        yield f"ctp: one of {', '.join(READERS)} is expected"
    for key in READERS.keys() & table.keys():
        yield from _unreadable(key, table[key], folder)
    if table.get("hash", "keyed") not in HASHES:
        yield f"ctp.hash: one of {', '.join(HASHES)} is expected"
    if not isinstance(table.get("trust_script", False), bool):
        yield "ctp.trust_script: true or false is expected"
    if "lookup" in table and not (isinstance(table["lookup"], str) and NAME(table["lookup"])):
        yield "ctp.lookup: lower-case letters, digits and hyphens are expected; `cohortium ctp lookup` names it"


def _contradictions(table: Mapping[str, Any], folder: Path, document: Mapping[str, Any]) -> Iterator[str]:
    """What would join, or tear apart, what the protocol says is one."""
    subject, options = document.get("subject", {}), document.get("options", [])
    if "lookup" in table and isinstance(subject, dict) and subject.get("kind") == "fresh":
        yield "ctp.lookup: a table that is kept contradicts fresh subjects"
    rules = (
        {rule.tag: _action(rule) for rule in read(_text(folder / table["script"])).rules} if "script" in table else {}
    )
    if document.get("clinical") and rules.get(PATIENT_ID) is Action.SCRIPT:
        yield "clinical: the CTP script gives images another PatientID than tables would get; leave one of them out"
    if (
        isinstance(options, list)
        and RETAIN_UIDS in options
        and any(rules.get(tag) is Action.SCRIPT for tag in FIXED - {PATIENT_ID})
    ):
        yield f"options: {RETAIN_UIDS!r} keeps references to UIDs that the CTP script maps; leave one of them out"


def said(rule: CtpRule) -> Mapping[str, Any]:
    """What the digest covers."""
    digests = {key: hashlib.sha256(text.encode()).hexdigest() for key in READERS if (text := getattr(rule, key))}
    return {**digests, "lookup": rule.lookup, "hash": rule.hash, "trust_script": rule.trust_script}


def describe(rule: CtpRule | None) -> str:
    """The rule in a phrase; scripts by the first digits of their digests."""
    if rule is None:
        return "none"
    names = {"script": "anonymizer script", "filter": "filter script", "pixels": "pixel script"}
    known = said(rule)
    phrases = [f"{name} {known[key][:12]}" for key, name in names.items() if key in known]
    phrases += [f"lookup table {rule.lookup!r}"] if rule.lookup else []
    if rule.script:
        phrases.append("hashes exactly as CTP, without a key" if rule.hash == "compatible" else "hashes under a key")
        phrases.append("which rules alone" if rule.trust_script else "its changes over the base")
    return ", ".join(phrases)


def ruled(rule: CtpRule, tag: int, path: tuple[int, ...], base: tuple[Action, str]) -> tuple[Action, str]:
    """What becomes of an attribute where the rest of the protocol would do what `base` says, and why in a phrase."""
    if not rule.script:
        return base
    action, why = _by_script(rule.script, tag, path)
    if (tag in FIXED and action is not Action.SCRIPT) or (action is Action.KEEP and not rule.trust_script):
        return base
    return action, f"CTP script, {why}"


@lru_cache(maxsize=16)
def parsed(text: str) -> Script:
    """The script of a protocol that was checked."""
    return read(text)


def _by_script(text: str, tag: int, path: tuple[int, ...]) -> tuple[Action, str]:
    rules, script = _by_tag(text), parsed(text)
    for step in path:
        if step not in rules or "process" not in _names(rules[step]):
            return Action.KEEP, "which copies the sequence whole"
    if tag in rules:
        return _action(rules[tag]), f"line {rules[tag].line}"
    group = tag >> 16
    kind = {0x6000: "overlays", 0x5000: "curves"}.get(group & 0xFF00)
    if kind == "overlays" and kind in script.removes:
        return Action.REMOVE, "remove overlays"
    if tag in ALWAYS_KEPT or group in KEPT_GROUPS | script.kept_groups:
        return Action.KEEP, "kept in any case"
    if kind and kind not in script.removes and not (group & 1 and "privategroups" in script.removes):
        return Action.KEEP, f"{kind} stay"
    if group & 1 and "privategroups" in script.removes:
        return Action.REMOVE, "remove privategroups"
    if "unspecifiedelements" in script.removes:
        return Action.REMOVE, "remove unspecifiedelements"
    return Action.KEEP, "without a rule"


@lru_cache(maxsize=16)
def _by_tag(text: str) -> Mapping[int, Rule]:
    return {rule.tag: rule for rule in parsed(text).rules if rule.tag}


def _names(rule: Rule) -> tuple[str, ...]:
    return tuple(call.name for call in calls.calls(rule.expression) if isinstance(call, calls.Call))


def _action(rule: Rule) -> Action:
    if not rule.text:
        return Action.EMPTY
    match rule.expression:
        case (calls.Call(name=name),) if name in MARKED:
            return MARKED[name]
    return Action.SCRIPT


def _text(path: Path) -> str:
    return path.read_text("utf-8-sig")


def _unreadable(key: str, value: Any, folder: Path) -> Iterator[str]:
    if not isinstance(value, str) or not value:
        yield f"ctp.{key}: the path of a file is expected"
        return
    try:
        READERS[key](_text(folder / value))
    except (OSError, UnicodeDecodeError) as error:
        yield f"ctp.{key}: cannot be read: {type(error).__name__}"
    except ConfigError as error:
        yield f"ctp.{key}: {error}"
