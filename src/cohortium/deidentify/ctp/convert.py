"""A script as a protocol, as far as [elements] and [dates] can say what it says; the rest is listed, not guessed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from cohortium.deidentify import protocol as protocols
from cohortium.deidentify import standard
from cohortium.deidentify.ctp import calls, names
from cohortium.deidentify.ctp.entries import Remark
from cohortium.deidentify.ctp.explain import description
from cohortium.deidentify.ctp.script import Rule, Script
from cohortium.deidentify.daterule import MODIFIED_DATES, date_rule
from cohortium.values import Action, Protocol

__all__ = ["Converted", "convert"]

PATIENT_ID = 0x00100020
MOVING = frozenset(("dateinterval", "hashdate", "incrementdate", "modifydate"))
ACTIONS = {"remove": "remove", "empty": "empty", "hashuid": "uid"}


@dataclass(frozen=True, slots=True)
class Converted:
    """A protocol as TOML, and the rules of the script that it does not hold, each with the reason."""

    toml: str
    left: tuple[Remark, ...]


def convert(script: Script, name: str, base: Protocol, sop_class: str) -> Converted:
    """The protocol `name` that does what the script does, beyond what the Basic Profile does anyway."""
    elements: dict[str, str] = {}
    dates = _dates(script)
    if dates:
        base = replace(base, options=(MODIFIED_DATES,), dates=date_rule(dates, (MODIFIED_DATES,)))
    left = list(_alike(script)) if dates.get("rule") == "shift" else []
    for rule in script.rules:
        action, reason = _converted(rule, base, sop_class)
        if reason:
            left.append(Remark(rule.line, f"{_name(rule)}: {reason}"))
        elif action:
            elements[standard.keyword(rule.tag)] = action
    left += _globals(script)
    return Converted(_toml(name, base, elements, dates), tuple(left))


def _dates(script: Script) -> dict[str, Any]:
    """The [dates] table that moves dates as the script does, if all of its rules for dates move them alike."""
    found = [_moves(rule) for rule in script.rules if standard.vr(rule.tag) in ("DA", "DT")]
    tables = [table for table in found if table is not None]
    return tables[0] if tables and all(table == tables[0] for table in tables) else {}


def _moves(rule: Rule) -> dict[str, Any] | None:
    """What a rule for a date does, as [dates] says it: empty where it cannot; None where the rule moves nothing."""
    match rule.expression:
        case (calls.Call("hashdate", ("this", who)),) if names.tag_of(who) == PATIENT_ID:
            return {"rule": "shift", "days": [-3650, -1]}
        case (calls.Call("incrementdate", ("this", _)),):
            return {"rule": "shift", "days": [-3650, -1]}
        case (calls.Call("modifydate", ("this", "*", "*", day)),) if day != "*":
            return {"rule": "truncate", "precision": "month"}
        case (calls.Call("modifydate", ("this", "*", month, day)),) if "*" not in (month, day):
            return {"rule": "truncate", "precision": "year"}
    moving = any(isinstance(call, calls.Call) and call.name in MOVING for call in calls.calls(rule.expression))
    return {} if moving else None


def _alike(script: Script) -> Iterator[Remark]:
    """Rules that move the dates of all patients by one number of days, which nobody should be able to tell."""
    for rule in script.rules:
        match rule.expression:
            case (calls.Call("incrementdate", ("this", _)),):
                text = "moved by the same days for all patients; the protocol moves each patient's by days of their own"
                yield Remark(rule.line, f"{_name(rule)}: {text}")


def _name(rule: Rule) -> str:
    return standard.keyword(rule.tag) if rule.tag and not rule.tag >> 16 & 1 else f"({rule.where})"


def _converted(rule: Rule, base: Protocol, sop_class: str) -> tuple[str, str]:
    """The action that says the same, empty where the base does it already; or why there is none."""
    if rule.tag < 0x00080000 or rule.tag >> 16 & 1:
        return "", "private attributes and file meta information have no place in [elements]"
    if rule.tag == 0x00120064 or standard.keyword(rule.tag) in protocols.STAMPS:
        return "", ""  # written anew by every protocol
    wanted = action_for_base = protocols.action_for(base, rule.tag, sop_class)[0]
    if action_for_base is Action.MODIFY and _moves(rule):
        return "", ""
    called = [part.name if isinstance(part, calls.Call) else "" for part in rule.expression]
    if called == ["keep"]:
        if action_for_base is Action.KEEP:
            return "", ""
        return "", f"kept by the script, but {base.title} changes it; write `keep` if the study approves"
    if not called:
        called = ["empty"]
    if len(called) != 1 or called[0] not in ACTIONS:
        return "", f"[elements] cannot say: {description(rule.expression)}"
    action = ACTIONS[called[0]]
    wanted = protocols.ACTIONS[action]
    if wanted is action_for_base:
        return "", ""
    keyword = standard.keyword(rule.tag)
    return (action, "") if not (reason := protocols.objection(keyword, action)) else ("", f"{action}: {reason}")


def _globals(script: Script) -> Iterator[Remark]:
    if "unspecifiedelements" in script.removes:
        yield Remark(0, "the script removes every attribute without a rule; the protocol keeps what the standard keeps")
    if script.keeps_safe_private:
        yield Remark(0, "the script keeps safe private attributes; the protocol removes all private ones")
    for group in sorted(script.kept_groups):
        yield Remark(0, f"the script keeps group {group:04X}; the protocol follows the standard in it")


def _toml(name: str, base: Protocol, elements: dict[str, str], dates: dict[str, Any]) -> str:
    head = {"name": name, "version": "1.0", "title": f"From a CTP script: {name}", "edition": base.edition}
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in head.items()]
    lines += [
        'base = "basic"',
        f"options = {json.dumps(base.options)}",
        "",
        "[subject]",
        'kind = "keyed"',
        "length = 16",
        "",
    ]
    if dates:
        lines += ["[dates]", *(f"{key} = {json.dumps(value)}" for key, value in dates.items()), ""]
    lines += ["[elements]", *(f'{keyword} = "{action}"' for keyword, action in sorted(elements.items()))]
    return "\n".join(lines) + "\n"
