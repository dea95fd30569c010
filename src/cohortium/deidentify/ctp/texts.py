"""CTP's functions of texts, of lookup tables and of conditions."""

from __future__ import annotations

import math
import re

from cohortium.deidentify.ctp import java
from cohortium.deidentify.ctp.calls import Call
from cohortium.deidentify.ctp.context import ALL, KEEP, Aside, Context, given, number, pattern

__all__ = [
    "append",
    "contents",
    "default",
    "if_",
    "initials",
    "integer",
    "lookup",
    "param",
    "pathelement",
    "require",
    "round_",
    "select",
    "truncate",
]

WIDEST = 64


def contents(call: Call, context: Context) -> str:
    value = given(context, call.arguments[0])
    if len(call.arguments) == 1:
        return value
    if len(call.arguments) > 3:
        return ""
    try:
        return java.replace_all(pattern(call.argument(1)), call.argument(2), value)
    except ValueError:
        raise Aside("a replacement that cannot be honoured") from None


def default(call: Call, context: Context) -> str:
    return given(context, call.arguments[0]) or call.argument(1)


def truncate(call: Call, context: Context) -> str:
    value = given(context, call.arguments[0])
    try:
        length = java.integer(call.arguments[1]) if len(call.arguments) > 1 else ALL
    except ValueError:
        return value
    return value[:length] if length >= 0 else java.trim(value)[length:]


def lookup(call: Call, context: Context) -> str:
    key = "|".join(given(context, java.trim(name)) for name in java.split(call.arguments[0], "|")).replace("\\", "")
    found = context.tables.look_up(call.arguments[1], key) if len(call.arguments) > 1 else None
    if found is not None:
        return found
    action = java.trim(call.argument(2))
    if action in ("keep", "remove", "empty"):
        return f"@{action}()"
    if len(call.arguments) > 3 and action == "default":
        return java.trim(call.argument(3))
    if len(call.arguments) > 3 and action == "ignore" and pattern(call.argument(3)).fullmatch(key):
        return key
    raise Aside("@lookup: not in the lookup table")


def integer(call: Call, context: Context) -> str:
    if len(call.arguments) < 2:
        raise Aside("@integer without its arguments")
    width = number(call.arguments[2], 0) if len(call.arguments) > 2 else 0
    found = context.tables.number(call.arguments[1], given(context, call.arguments[0]), min(width, WIDEST))
    if found is None:
        raise Aside("@integer: no table of numbers is kept")
    return found


def initials(call: Call, context: Context) -> str:
    words = java.trim(re.sub(r"\s+", " ", re.sub("[,^]", " ", given(context, call.arguments[0])))).split(" ")
    letters = "".join(word[:1] for word in words) or "X"
    letters = (letters[1:] + letters[0]).upper()
    if len(call.arguments) < 2:
        return letters
    offset = number(java.trim(call.arguments[1]), 0)
    return "".join(_turned(letter, offset) for letter in letters)


def _turned(letter: str, offset: int) -> str:
    for first, size in (("a", 26), ("A", 26), ("0", 10)):
        if 0 <= ord(letter) - ord(first) < size:
            return chr(ord(first) + (ord(letter) - ord(first) + offset) % size)
    return letter


def round_(call: Call, context: Context) -> str:
    if len(call.arguments) < 2:
        return call.list
    age = java.trim(given(context, call.arguments[0]))
    try:
        size = java.integer(context.parameter(call.arguments[1]))
        if not age:
            return ""
        years = float(re.sub("[^0-9]", "", age))
    except ValueError:
        return call.list
    rounded = math.floor(years / size + 0.5) * size if size and years < ALL else 0
    text = f"{rounded}{re.sub('[0-9]', '', age)}"
    return f"0{text}" if len(text) % 2 else text


def if_(call: Call, context: Context) -> str:
    return context.evaluate(call.then if _holds(call, context) else call.otherwise)


def _holds(call: Call, context: Context) -> bool:
    if len(call.arguments) < 2:
        return False
    name, test = call.argument(0), call.arguments[1]
    value = given(context, name)
    if test == "isblank":
        return not java.trim(value)
    if test == "exists":
        return context.is_present(name)
    if len(call.arguments) < 3:
        return False
    wanted = call.argument(2)
    wanted = (context.parameter(wanted) if wanted.startswith("@") else None) or wanted
    match test:
        case "contains":
            return wanted.lower() in value.lower()
        case "equals":
            return wanted.lower() == value.lower()
        case "matches":
            return pattern(java.trim(wanted)).fullmatch(value) is not None
        case "greaterthan":
            return _digits(value) > _digits(wanted)
    return False


def _digits(text: str) -> int:
    return number(re.sub("[^0-9]", "", text), 0)


def select(call: Call, context: Context) -> str:
    return context.evaluate(call.then if context.is_root() else call.otherwise)


def append(call: Call, context: Context) -> str:
    more, value = context.evaluate(call.then), context.contents("this")
    return f"{value}\\{more}" if value else more


def require(call: Call, context: Context) -> str:
    if context.is_present():
        return KEEP
    if not call.arguments:
        return ""
    name = call.arguments[0]
    value = context.contents(name) if context.is_present(name) else call.argument(1)
    if value is None:
        raise Aside("@require: an attribute that has no text")
    return value if java.trim(value) else f"@blank({len(value)})"


def pathelement(call: Call, context: Context) -> str:
    path = given(context, call.arguments[0])
    steps, index = java.split(path, "/"), number(call.arguments[1], 1000) if len(call.arguments) > 1 else 1000
    index = index + len(steps) if index < 0 else index
    return steps[index] if 0 <= index < len(steps) else path


def param(call: Call, context: Context) -> str:
    value = context.parameter(call.arguments[0])
    return "null" if value is None else value
