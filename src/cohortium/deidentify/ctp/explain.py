"""What a script does to each attribute, where that leaks by the standard, and what Cohortium does instead.

The yardstick is a protocol (`basic`, the Basic Profile of PS3.15): a leak is an attribute that the protocol changes and
whose value, or what gives it away, the script leaves in the object. Keys that stand in a script are never shown.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydicom._dicom_dict import DicomDictionary

from cohortium.deidentify import standard
from cohortium.deidentify.ctp import calls
from cohortium.deidentify.ctp.interpreter import ALWAYS_KEPT, KEPT_GROUPS
from cohortium.deidentify.ctp.script import Rule, Script
from cohortium.deidentify.explain import WORDS
from cohortium.deidentify.protocol import STAMPS, action_for
from cohortium.values import Action, Protocol

__all__ = ["Line", "description", "explain", "kinds"]

PHRASES = Path(__file__).with_name("phrases.toml")
SECRET = re.compile(r"(@\s*(?:en|de)crypt\s*\([^,)]*,)[^)]*")
LEAKS = {
    "keep": "the value stays",
    "copy": "a value, or a part of one, stays",
    "hash": "an MD5 sum without a key: who can guess the value can recompute it",
    "cipher": "whoever holds the script can decipher it",
    "fixed": "the same change for all patients: who knows one value knows all",
}
UNWRITABLE = frozenset(("AT", "DA", "DT", "FD", "FL", "OB", "OW", "SL", "SQ", "SS", "TM", "UL", "US"))
INSTEAD = "as the standard: {}"


@dataclass(frozen=True, slots=True)
class Line:
    """One attribute: what the script says and does, what the standard asks, what leaks, what Cohortium does."""

    line: int
    tag: str
    name: str
    script: str
    does: str
    standard: str
    leak: str
    instead: str


def explain(script: Script, protocol: Protocol, sop_class: str) -> Iterator[Line]:
    """Every attribute that the script rules, then every one that it leaves in objects of `sop_class` unchanged."""
    for rule in script.rules:
        yield _ruled(rule, protocol, sop_class)
    yield from _left_alone(script, protocol, sop_class)


def kinds(expression: calls.Expression) -> frozenset[str]:
    """How an expression may treat values, in the words of `phrases.toml`; nothing where none of them stays."""
    names = [call.name for call in calls.calls(expression) if isinstance(call, calls.Call)]
    return frozenset(_phrases().get(name, {}).get("kind", "new") for name in names) - {"new"}


def description(expression: calls.Expression) -> str:
    """An expression in words."""
    words = [text for part in expression if (text := _part(part))]
    return ", then ".join(words) or "empties it"


def _part(part: calls.Part) -> str:
    if isinstance(part, str):
        return f"writes {part!r}" if part.strip() else ""
    if isinstance(part, calls.Broken):
        return "sets the object aside"
    if isinstance(part, calls.Cut):
        return ""
    if part.name == "if":
        return f"if {' '.join(part.arguments)}: {description(part.then)}; else: {description(part.otherwise)}"
    if part.name == "select":
        return f"in the object: {description(part.then)}; in sequences: {description(part.otherwise)}"
    if part.name == "append":
        return f"adds to what is there: {description(part.then)}"
    phrase = _phrases().get(part.name)
    if phrase is None:
        return "writes the call itself"
    words = [*("it" if word == "this" else word for word in part.arguments), *["?"] * 4]
    return phrase["does"].format(*words)


@cache
def _phrases() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads(PHRASES.read_text("utf-8"))


def _ruled(rule: Rule, protocol: Protocol, sop_class: str) -> Line:
    tag = rule.tag or int(f"{rule.where[:4]}10ff", 16)
    action, why = action_for(protocol, tag, sop_class)
    treated = kinds(rule.expression)
    harmless = action is Action.KEEP or standard.keyword(tag) in STAMPS
    leak = "" if harmless else _leak(rule, standard.vr(tag), treated)
    return Line(
        rule.line,
        f"({rule.where.upper()})",
        "" if tag >> 16 & 1 else standard.keyword(tag),
        SECRET.sub(r"\1...", rule.text),
        description(rule.expression),
        f"{WORDS[action]} ({why})",
        leak,
        _instead(action, treated, bool(leak)),
    )


def _leak(rule: Rule, vr: str, treated: frozenset[str]) -> str:
    names = {call.name for call in calls.calls(rule.expression) if isinstance(call, calls.Call)}
    if "skip" in names:
        return "the whole object leaves as it came"
    if vr == "SQ" and "keep" in treated and "process" not in names:
        return "the whole sequence stays, and nobody looks into it"
    if vr in UNWRITABLE and _writes_text(rule.expression, vr):
        return f"CTP cannot write this into {vr}, and leaves the value as it was"
    return "; ".join(LEAKS[kind] for kind in LEAKS if kind in treated)


def _writes_text(expression: calls.Expression, vr: str) -> bool:
    """Whether the rule writes what no date, number or sequence can be."""
    if vr in ("DA", "DT", "TM"):
        return any(
            isinstance(part, calls.Call) and part.name in ("hash", "hashname", "hashptid") for part in expression
        )
    return vr == "SQ" and any(isinstance(part, str) and part.strip() for part in expression)


def _instead(action: Action, treated: frozenset[str], leaks: bool) -> str:
    if "keep" in treated and action is not Action.KEEP:
        return INSTEAD.format(WORDS[action])
    if "hash" in treated and action is not Action.KEEP:
        return "as the script, over a keyed value"
    if leaks:
        return "as the script; a finding in every report"
    return "as the script"


def _left_alone(script: Script, protocol: Protocol, sop_class: str) -> Iterator[Line]:
    """What has no rule, stays by the script's global rules, and is changed by the standard."""
    ruled = {rule.tag for rule in script.rules}
    spares_all = "unspecifiedelements" not in script.removes
    for tag in sorted(DicomDictionary):
        if tag >> 16 < 8 or tag in ruled or not standard.keyword(tag):
            continue
        if not (spares_all or tag in ALWAYS_KEPT or tag >> 16 in KEPT_GROUPS | script.kept_groups):
            continue
        action, why = action_for(protocol, tag, sop_class)
        if action is not Action.KEEP:
            yield _unruled(f"({tag >> 16:04X},{tag & 0xFFFF:04X})", standard.keyword(tag), WORDS[action], why)
    if spares_all and "privategroups" not in script.removes:
        yield _unruled("(odd,xxxx)", "private attributes", "remove", "Table E.1-1: X")
    if "overlays" not in script.removes:
        yield _unruled("(60XX,XXXX)", "overlays", "remove", "Table E.1-1: X")
    if spares_all or "curves" not in script.removes:
        yield _unruled("(50XX,XXXX)", "curves", "remove", "Table E.1-1: X")


def _unruled(tag: str, name: str, word: str, why: str) -> Line:
    return Line(0, tag, name, "", "no rule: it stays", f"{word} ({why})", LEAKS["keep"], INSTEAD.format(word))
