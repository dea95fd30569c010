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
from cohortium.deidentify.ctp.functions import COPYING
from cohortium.deidentify.ctp.interpreter import ALWAYS_KEPT, KEPT_GROUPS
from cohortium.deidentify.ctp.script import Rule, Script
from cohortium.deidentify.explain import WORDS
from cohortium.deidentify.protocol import STAMPS, action_for
from cohortium.values import Action, Protocol

__all__ = ["Line", "description", "explain", "kinds", "weak"]

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
REPORTED = "a finding in every report"


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
    """Every attribute that the script rules, then every one that it leaves in objects of `sop_class` unchanged.

    Last come those in sequences, as far as the IOD tells what stands in them.
    """
    for rule in script.rules:
        yield _ruled(rule, protocol, sop_class)
    yield from _left_alone(script, protocol, sop_class)
    yield from _nested(script, protocol, sop_class)


def weak(script: Script, protocol: Protocol) -> int:
    """How many rules are carried out as they are written, and leave a part of a value or what gives it away."""
    return sum(_ruled(rule, protocol, "").instead.endswith(REPORTED) for rule in script.rules)


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


def _ruled(rule: Rule, protocol: Protocol, sop_class: str, path: tuple[int, ...] = ()) -> Line:
    tag = rule.tag or int(f"{rule.where[:4]}10ff", 16)
    action, why = action_for(protocol, tag, sop_class, path)
    treated = kinds(rule.expression)
    harmless = action is Action.KEEP or standard.keyword(tag) in STAMPS
    leak = "" if harmless else _leak(rule, standard.vr(tag), treated)
    return Line(
        rule.line,
        f"({rule.where.upper()})",
        "" if tag >> 16 & 1 else _name(tag, path),
        SECRET.sub(r"\1...", rule.text),
        description(rule.expression),
        f"{WORDS[action]} ({why})",
        leak,
        _instead(rule, action, treated, bool(leak)),
    )


def _name(tag: int, path: tuple[int, ...]) -> str:
    return "/".join(standard.keyword(each) for each in (*path, tag))


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


def _instead(rule: Rule, action: Action, treated: frozenset[str], leaks: bool) -> str:
    names = {call.name for call in calls.calls(rule.expression) if isinstance(call, calls.Call)}
    by_standard = INSTEAD.format(WORDS[action])
    if "skip" in names:
        return "the object is set aside"
    if action is not Action.KEEP and ("keep" in treated or "process" in names):
        return by_standard
    if "hash" in treated and action is not Action.KEEP:
        return "as the script, over a keyed value"
    if leaks and names & COPYING:
        return f"{by_standard}, where all of the value stays; else as the script, {REPORTED}"
    return f"as the script; {REPORTED}" if leaks else "as the script"


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


def _nested(script: Script, protocol: Protocol, sop_class: str) -> Iterator[Line]:
    """What the standard changes inside sequences that both it and the script leave in the object."""
    rules = {rule.tag: rule for rule in script.rules if rule.tag}
    for path, tags in sorted(standard.typed(sop_class).items()):
        fate = _fate(script, [rules.get(step) for step in path])
        entered = (action_for(protocol, step, sop_class, path[:number])[0] for number, step in enumerate(path))
        if not path or fate == "removed" or not all(action in (Action.KEEP, Action.UID) for action in entered):
            continue
        for tag in sorted(tags):
            action, why = action_for(protocol, tag, sop_class, path)
            if action is Action.KEEP:
                continue
            if fate == "copied":
                yield _inside(tag, path, "stands in a sequence that is copied whole", action, why)
            elif tag in rules:
                yield _ruled(rules[tag], protocol, sop_class, path)
            elif _treatment(script, None) == "copied":
                yield _inside(tag, path, "no rule: it stays", action, why)


def _fate(script: Script, rules: list[Rule | None]) -> str:
    """What a script does to the innermost of sequences in one another."""
    treatments = (_treatment(script, rule) for rule in rules)
    return next((treatment for treatment in treatments if treatment != "processed"), "processed")


def _treatment(script: Script, rule: Rule | None) -> str:
    """What a script does to a sequence: it is removed, processed item by item, or copied whole."""
    if rule is None:
        return "removed" if "unspecifiedelements" in script.removes else "copied"
    names = {call.name for call in calls.calls(rule.expression) if isinstance(call, calls.Call)}
    return "processed" if "process" in names else "copied" if kinds(rule.expression) & {"keep", "copy"} else "removed"


def _inside(tag: int, path: tuple[int, ...], does: str, action: Action, why: str) -> Line:
    number = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    word = WORDS[action]
    return Line(0, number, _name(tag, path), "", does, f"{word} ({why})", LEAKS["keep"], INSTEAD.format(word))
