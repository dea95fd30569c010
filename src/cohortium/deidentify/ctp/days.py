"""CTP's functions of dates. What is no date of eight digits is emptied, what is absent stays so."""

from __future__ import annotations

import re
from collections.abc import Callable

from cohortium.deidentify.ctp import java
from cohortium.deidentify.ctp.calls import Call
from cohortium.deidentify.ctp.context import EMPTY, REMOVE, Aside, Context, given, number
from cohortium.deidentify.ctp.hashes import digits_of

__all__ = ["dateinterval", "hashdate", "incrementdate", "modifydate", "now"]

YEARS = 3650  # days within which `hashdate` moves a date


def _shifted(dates: str, days: int) -> str:
    return "\\".join(
        _moved(date, lambda *day: java.day_to(java.day_of(*day) + days)) for date in java.split(dates, "\\")
    )


def _moved(date: str, move: Callable[[int, int, int], tuple[int, int, int]]) -> str:
    """A date after `move`; what follows the day stays. `ValueError` where there are not just eight digits."""
    digits = re.sub("[^0-9]", "", date)
    if len(digits) != 8:
        raise ValueError("no date")
    digits = f"19{digits[2:]}" if digits.startswith("00") else digits
    hyphen, size = ("-", 10) if "-" in date else ("", 8)
    year, month, day = move(*java.day_to(java.day_of(int(digits[:4]), int(digits[4:6]), int(digits[6:]))))
    return f"{year:04}{hyphen}{month:02}{hyphen}{day:02}{date[size:]}"


def _date_of(call: Call, context: Context) -> str:
    """The date that a call is about; a marker where there is none."""
    date = context.contents(call.arguments[0])
    if date is None:
        return REMOVE
    return date if len(date) >= 8 else EMPTY


def hashdate(call: Call, context: Context) -> str:
    date = _date_of(call, context)
    if date in (REMOVE, EMPTY):
        return date
    other = context.contents(call.arguments[1]) if len(call.arguments) > 1 else ""
    if other is None:
        return REMOVE
    if len(call.arguments) < 2:
        return EMPTY
    days = -(int(digits_of(context.tables.keyed(other))[-4:]) % YEARS) or -1
    return _or_empty(lambda: _shifted(date, days))


def _or_empty(compute: Callable[[], str]) -> str:
    try:
        return compute()
    except (ValueError, OverflowError):
        return EMPTY


def incrementdate(call: Call, context: Context) -> str:
    date = _date_of(call, context)
    if date in (REMOVE, EMPTY):
        return date
    days: str | None = None
    if len(call.arguments) == 2:
        days = context.parameter(call.arguments[1])
    elif len(call.arguments) == 3:
        key, kind = context.contents(call.arguments[1]), context.parameter(call.arguments[2])
        days = context.tables.look_up(kind, key) if key is not None and kind is not None else None
    return _or_empty(lambda: _shifted(date, java.integer(days, 64)))


def modifydate(call: Call, context: Context) -> str:
    date = _date_of(call, context)
    if date in (REMOVE, EMPTY):
        return date
    words = [context.parameter(word) for word in call.arguments[1:4]]
    if len(words) < 3 or None in words:
        return EMPTY
    new = [number(java.trim(word or "")) for word in words]

    def move(*day: int) -> tuple[int, int, int]:
        return java.day_to(java.day_of(*(given if given >= 0 else old for given, old in zip(new, day, strict=True))))

    return _or_empty(lambda: "\\".join(_moved(each, move) for each in java.split(date, "\\")))


def dateinterval(call: Call, context: Context) -> str:
    if len(call.arguments) < 3:
        raise Aside("@dateinterval without its arguments")
    date = re.match("([0-9]{4})([0-9]{2})([0-9]{1,2})", given(context, call.arguments[0]))
    base = context.tables.look_up(call.arguments[1], context.contents(call.arguments[2], enclosing=True) or "")
    start = re.match(r"\s*([0-9]+)/\s*([0-9]+)/\s*([0-9]+)", base or "")
    if date is None or start is None:
        raise Aside("@dateinterval: no date, or no base date in the lookup table")
    month, day, year = map(int, start.groups())
    days = java.day_of(*map(int, date.groups())) - java.day_of(year, month, day)
    if len(call.arguments) == 3:
        return str(days)
    try:
        return _shifted(context.parameter(call.arguments[3]) or "", days)
    except ValueError:
        raise Aside("@dateinterval: its origin is no date") from None


def now(pattern: str) -> Callable[[Call, Context], str]:
    """The function that writes the time of the run; blanks of the pattern become its argument."""
    return lambda call, context: call.argument(0).join(context.tables.now().strftime(pattern).split(" "))
