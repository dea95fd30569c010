"""The 32 functions that a CTP script can call, by name, with what they need.

A function gets its call and its context, and returns text; some texts are markers (`@remove()`, `@keep()`, `@empty()`,
`@blank(n)`) that decide what becomes of the attribute. Where CTP would set the object aside, they raise `Aside`;
nothing else is ever raised, whatever the values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cohortium.deidentify.ctp import days, hashes, java, texts
from cohortium.deidentify.ctp.calls import Call
from cohortium.deidentify.ctp.context import KEEP, Aside, Context, given

__all__ = ["COPYING", "FUNCTIONS", "MARKERS", "Function", "mistake", "read_by"]

MARKERS = frozenset(("keep", "remove", "empty", "blank"))
COPYING = frozenset(("append", "contents", "decrypt", "incrementdate", "lookup", "lowercase", "pathelement"))
COPYING |= {"require", "truncate", "uppercase", "value"}
"""The functions that may leave the whole value that was there: `incrementdate`, where it moves by no day."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function: what computes it, how few arguments it can do with, and which of them is what.

    `elements` are the arguments that name attributes; `pattern` is the one that is a regular expression, 0 for none.
    """

    compute: Callable[[Call, Context], str]
    least: int = 0
    elements: tuple[int, ...] = ()
    pattern: int = 0


def read_by(call: Call) -> list[str]:
    """The words of a call that name attributes whose values it reads."""
    its = FUNCTIONS[call.name].elements if call.name in FUNCTIONS else ()
    words = (call.arguments[number] for number in its if number < len(call.arguments))
    return [name.strip() for word in words for name in word.split("|")]


def mistake(call: Call) -> str:
    """Why a call can never be done; empty where it can."""
    function = FUNCTIONS.get(call.name)
    if function is None:
        return ""
    if call.name == "call":
        return "plug-ins of CTP cannot be run"
    if len(call.arguments) < function.least:
        return f"needs {function.least} argument{'s' if function.least > 1 else ''}"
    if not _is_pattern(call, function):
        return ""
    try:
        java.regex(call.argument(function.pattern))
    except ValueError as error:
        return f"the regular expression cannot be honoured: {error}"
    return ""


def _is_pattern(call: Call, function: Function) -> bool:
    """Whether the argument that can be a regular expression is one, and stands in the call itself."""
    needed = {"if": "matches", "lookup": "ignore"}.get(call.name)
    if not function.pattern or (needed and call.argument(function.pattern - 1) != needed):
        return False
    return not (call.name == "if" and call.argument(function.pattern).startswith("@"))


def _process(_: Call, context: Context) -> str:
    context.enter()
    return KEEP


def _refuse(reason: str) -> Callable[[Call, Context], str]:
    def refuse(_: Call, __: Context) -> str:
        raise Aside(reason)

    return refuse


def _lowercase(call: Call, context: Context) -> str:
    return given(context, call.arguments[0]).lower()


def _uppercase(call: Call, context: Context) -> str:
    return given(context, call.arguments[0]).upper()


def _always(_: Call, __: Context) -> str:
    return ""


FUNCTIONS: Mapping[str, Function] = {
    "always": Function(_always),
    "append": Function(texts.append),
    "call": Function(_refuse("a plug-in of CTP")),
    "contents": Function(texts.contents, 1, (0,), pattern=1),
    "date": Function(days.now("%Y %m %d")),
    "dateinterval": Function(days.dateinterval, 3, (0, 2)),
    "decrypt": Function(hashes.decrypt, elements=(0,)),
    "encrypt": Function(hashes.encrypt, elements=(0,)),
    "hash": Function(hashes.hash_, 1, (0,)),
    "hashdate": Function(days.hashdate, 1, (0, 1)),
    "hashname": Function(hashes.hashname, elements=(0,)),
    "hashptid": Function(hashes.hashptid, elements=(1,)),
    "hashuid": Function(hashes.hashuid, elements=(1, 2)),
    "if": Function(texts.if_, elements=(0,), pattern=2),
    "incrementdate": Function(days.incrementdate, 1, (0,)),
    "initials": Function(texts.initials, 1, (0,)),
    "integer": Function(texts.integer, 2, (0,)),
    "lookup": Function(texts.lookup, 2, (0,), pattern=3),
    "lowercase": Function(_lowercase, 1, (0,)),
    "modifydate": Function(days.modifydate, 1, (0,)),
    "param": Function(texts.param, 1),
    "pathelement": Function(texts.pathelement, 1, (0,)),
    "process": Function(_process),
    "quarantine": Function(_refuse("@quarantine()")),
    "require": Function(texts.require, elements=(0,)),
    "round": Function(texts.round_, 1, (0,)),
    "select": Function(texts.select),
    "skip": Function(_refuse("@skip()")),
    "time": Function(days.now("%H %M %S")),
    "truncate": Function(texts.truncate, 1, (0,)),
    "uppercase": Function(_uppercase, 1, (0,)),
    "value": Function(texts.default, 1, (0,)),
}
