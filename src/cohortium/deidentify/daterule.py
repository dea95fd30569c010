"""The [dates] table of a protocol: read, checked against the options, and told in words.

What always holds: the table and the two options of PS3.15 E.3.6 say the same, so that the codes which an object
carries are true of its dates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydicom.datadict import tag_for_keyword

from cohortium.deidentify import standard
from cohortium.values import DateRule

__all__ = ["FULL_DATES", "MODIFIED_DATES", "date_problems", "date_rule", "describe"]

FULL_DATES = "Retain Longitudinal Temporal Information Full Dates"
MODIFIED_DATES = "Retain Longitudinal Temporal Information Modified Dates"
CHOICES = {
    "rule": ("keep", "shift", "anchor", "truncate", "remove"),
    "precision": ("year", "month"),
    "times": ("keep", "hour", "obscure", "relative"),
    "ages": ("keep", "cap"),
}
TIMES = {
    "keep": "",
    "hour": ", times cut to the hour",
    "obscure": ", times obscured",
    "relative": ", in PET times moved so that the injection is at six o'clock",
}
DAYS = (DateRule().earliest, DateRule().latest)
FEWEST = 28  # shifts to choose from: with fewer, one known date of many subjects tells the rest
LONGEST = 36500


def date_rule(table: Mapping[str, Any], options: Sequence[str]) -> DateRule:
    """The rule of a checked table; what it leaves open the options say."""
    implied = "keep" if FULL_DATES in options else "shift" if MODIFIED_DATES in options else "remove"
    settings = {"rule": implied} | {key: table[key] for key in CHOICES if key in table}
    earliest, latest = table.get("days", DAYS)
    return DateRule(**settings, earliest=earliest, latest=latest)


def describe(rule: DateRule) -> str:
    """The rule in a phrase."""
    match rule.rule:
        case "shift":
            dates = f"dates shifted by {rule.earliest} to {rule.latest} days, one shift per subject"
        case "anchor":
            dates = "dates moved so that each subject's first examination is on 2000-01-01"
        case "truncate":
            dates = f"dates cut to the {rule.precision}"
        case "keep":
            dates = "dates kept"
        case _:
            return "dates removed"
    return dates + TIMES[rule.times]


def date_problems(table: Any, options: Sequence[Any], elements: Any) -> Iterator[str]:
    """Every mistake in the table, and every contradiction between it and the rest of the protocol."""
    if not isinstance(table, dict):
        yield "dates: a table is expected"
        return
    found = [*_values(table)]
    yield from found
    if not found:
        rule = date_rule(table, [option for option in options if isinstance(option, str)])
        yield from _contradictions(rule, table, options)
        yield from _elements(rule, elements if isinstance(elements, dict) else {})


def _values(table: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(table.keys() - CHOICES.keys() - {"days"}):
        yield f"dates.{key}: no such setting; known: {', '.join([*CHOICES, 'days'])}"
    for key, choices in CHOICES.items():
        if table.get(key, choices[0]) not in choices:
            yield f"dates.{key}: one of {', '.join(choices)} is expected"
    days = table.get("days", list(DAYS))
    if not (isinstance(days, list) and len(days) == 2 and all(type(day) is int for day in days)):
        yield "dates.days: two whole numbers are expected, such as [-3650, -1]"
    elif days[0] <= 0 <= days[1] or abs(days[0]) > LONGEST or abs(days[1]) > LONGEST:
        yield f"dates.days: both below 0 or both above it, at most {LONGEST}; no date may stay as it was"
    elif days[1] - days[0] + 1 < FEWEST:
        yield f"dates.days: a range of at least {FEWEST} days is expected, the lower end first"


def _contradictions(rule: DateRule, table: Mapping[str, Any], options: Sequence[Any]) -> Iterator[str]:
    chosen = [option for option in (FULL_DATES, MODIFIED_DATES) if option in options]
    wanted = [MODIFIED_DATES] if rule.modifies else [FULL_DATES] if rule.rule == "keep" else []
    if len(chosen) > 1:
        yield "options: dates are either full or modified, not both"
    elif chosen != wanted:
        needs = f"needs the option {wanted[0]!r}" if wanted else f"contradicts the option {chosen[0]!r}"
        yield f"dates: {describe(rule)}: {needs}"
    for key, needed in (("days", "shift"), ("precision", "truncate")):
        if key in table and rule.rule != needed:
            yield f"dates.{key}: has a meaning only with rule = {needed!r}"
    if "times" in table and rule.rule == "remove" and rule.times != "relative":
        yield "dates.times: has no meaning where dates are removed"
    if rule.times == "relative" and rule.rule != "remove":
        yield "dates.times: `relative` is for where dates are removed"


def _elements(rule: DateRule, elements: Mapping[str, Any]) -> Iterator[str]:
    for keyword, action in sorted(elements.items()):
        tag = tag_for_keyword(keyword)
        vr = standard.vr(int(tag)) if tag is not None else ""
        if vr not in ("DA", "DT", "TM"):
            continue
        if action == "modify" and not rule.modifies:
            yield f"elements.{keyword}: `modify` needs a rule in [dates] that modifies"
        whole = action == "keep" and vr != "TM" and not standard.date_of(keyword)
        if whole and rule.rule in ("shift", "anchor", "truncate"):
            yield f"elements.{keyword}: one date kept beside others that are not gives those away; `modify` or `remove`"
        if keyword == "PatientBirthDate" and rule.ages == "cap" and action in ("keep", "modify", "year"):
            yield "elements.PatientBirthDate: tells the ages over 89 that [dates] caps"
