"""The [subject] table of a protocol: its kinds, and what each of them may be told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Any

from cohortium.values import SubjectRule

__all__ = ["KINDS", "TABLED", "describe", "subject_problems"]

KINDS: Mapping[str, frozenset[str]] = {
    "keyed": frozenset({"length"}),
    "hash": frozenset(),
    "random": frozenset({"length"}),
    "convention": frozenset({"pattern", "digits"}),
    "lookup": frozenset(),
    "context": frozenset({"length", "context", "elsewhere"}),
    "fresh": frozenset({"length"}),
}
"""What a kind may be told beside its name."""

TABLED = frozenset(("random", "convention", "lookup", "context"))
"""The kinds that need a table of correspondence."""

SHORTEST, LONGEST = 8, 64  # of a pseudonym: 8 characters are 40 bits, PatientID (LO) takes 64
MOST_DIGITS = 12
PLAIN = re.compile(r"[A-Za-z0-9._-]*")
FIELDS = ("project", "site", "number")


def describe(rule: SubjectRule) -> str:
    """What makes the pseudonym, in a phrase."""
    match rule.kind:
        case "hash":
            return "is SHA-512/256 of the project's secret and the patient ID"
        case "random":
            return f"is drawn by chance, {rule.length} characters, and kept in an encrypted table"
        case "convention":
            return f"follows the pattern {rule.pattern}, numbers with {rule.digits} digits, kept in an encrypted table"
        case "lookup":
            return "stands in a list; patients who are not in it are set aside"
        case "context":
            told = f"is {rule.length} characters, unrelated to those of any other context except for who holds the key"
            return told + ("; what comes in was pseudonymised elsewhere" if rule.elsewhere else "")
        case "fresh":
            return f"is {rule.length} characters, made under a key that is thrown away after the run"
        case _:
            return f"is {rule.length} characters, made from the patient's identifier under the site's key"


def subject_problems(table: Any) -> Iterator[str]:
    """Every mistake in the table."""
    if not isinstance(table, dict):
        yield "subject: a table is expected"
        return
    kind = table.get("kind", "keyed")
    if not isinstance(kind, str) or kind not in KINDS:
        yield f"subject.kind: one of {', '.join(KINDS)} is expected"
        known = frozenset[str]().union(*KINDS.values())
    else:
        known = KINDS[kind]
    for key in sorted(table.keys() - known - {"kind"}):
        yield f"subject.{key}: no such setting for {kind}; known: {', '.join(['kind', *sorted(known)])}"
    yield from _number(table, "length", SHORTEST, LONGEST)
    yield from _number(table, "digits", 1, MOST_DIGITS)
    if kind == "convention":
        yield from _pattern(table.get("pattern"))
    context = table.get("context", "")
    if not isinstance(context, str) or not PLAIN.fullmatch(context):
        yield "subject.context: a name of letters, digits, points and hyphens is expected"
    if not isinstance(table.get("elsewhere", False), bool):
        yield "subject.elsewhere: true or false is expected"


def _number(table: Mapping[str, Any], key: str, least: int, most: int) -> Iterator[str]:
    value = table.get(key, least)
    if type(value) is not int or not least <= value <= most:
        yield f"subject.{key}: a whole number from {least} to {most} is expected"


def _pattern(pattern: Any) -> Iterator[str]:
    if not isinstance(pattern, str):
        yield 'subject.pattern: is missing, such as "{project}-{site}-{number}"'
        return
    try:
        parts = list(Formatter().parse(pattern))
    except ValueError:
        parts = [("", "", "", None)]
    plain = all(
        PLAIN.fullmatch(text) and not specification and not conversion for text, _, specification, conversion in parts
    )
    named = [name for _, name, _, _ in parts if name is not None]
    if not plain or not set(named) <= set(FIELDS) or named.count("number") != 1:
        yield "subject.pattern: plain letters, {project}, {site} and, once, {number} are expected"
