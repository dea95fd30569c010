"""Dates, times and ages as a protocol's [dates] table changes them.

What always holds: a value comes out only if it was read as what it should be. What does not parse is emptied, and
so is a date that stands for no date, for a shifted constant would tell the shift. A shift is whole days, so the time of
day, the time zone and every interval of a subject stay exact.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from functools import lru_cache, partial

from cohortium.deidentify.actions import dummy
from cohortium.dicom.plan import Context, ElementAction, padded
from cohortium.values import DateRule, Finding, Severity

__all__ = ["DATE_TIME", "MODIFIABLE", "PLACEHOLDERS", "UNPARSEABLE", "checked", "cut_to_year", "modified"]

MODIFIABLE = frozenset(("AS", "DA", "DT", "SH", "TM"))

DATE = re.compile(r"(\d{4})(\.?)(\d\d)\2(\d\d)", re.ASCII).fullmatch  # with points: ACR-NEMA
TIME = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.\d{1,6})?)?)?", re.ASCII).fullmatch
DATE_TIME = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(\d\d(?:\d\d(?:\d\d(?:\.\d{1,6})?)?)?)?)?)?([+-]\d{4})?", re.ASCII
).fullmatch
ZONE = re.compile(r"[+-]\d{4}", re.ASCII).fullmatch
AGE = re.compile(r"(\d{3})[DWMY]", re.ASCII).fullmatch
OLDEST = 89
MOVES = ("shift", "anchor")
PLACEHOLDERS = frozenset(
    map(date.fromisoformat, ("0001-01-01", "1858-11-17", "1900-01-01", "1970-01-01", "9999-12-31"))
)
"""What devices and archives write where there is no date."""

UNPARSEABLE = Finding(
    "dates.unparseable",
    Severity.INFO,
    "a date, time or age could not be read, or stood for none; it was emptied",
)

One = Callable[[str, int], str]
"""The new text of one value, given the subject's shift; `ValueError` where it cannot be read."""


def modified(vr: str, rule: DateRule, *, required: bool = False) -> ElementAction:
    """The action that does to values of `vr` what `rule` says; where a value is `required`, a dummy stands for none."""
    one: dict[str, One] = {
        "AS": _capped,
        "DA": partial(_date, rule=rule),
        "DT": partial(_date_time, rule=rule),
        "SH": partial(_zone, rule=rule),
        "TM": partial(_time, rule=rule),
    }
    return _each(vr, one[vr], required)


def cut_to_year(vr: str, *, required: bool = False) -> ElementAction:
    """The action that leaves of a date (DA, DT) its year: such as that of a device's calibration."""
    year = DateRule("truncate")
    return _each(vr, partial(_date if vr == "DA" else _date_time, rule=year), required)


def _each(vr: str, one: One, required: bool) -> ElementAction:
    @lru_cache(maxsize=1024)
    def new(value: bytes, days: int) -> tuple[bytes, bool]:
        texts, complete = [], True
        for text in value.decode("latin-1").split("\\"):
            try:
                texts.append(one(text.strip(" \0"), days) if text.strip(" \0") else "")
            except (ValueError, OverflowError):
                texts.append("")
                complete = False
        made = padded("\\".join(texts).encode("ascii"), vr)
        return (made if made.strip(b"\\ ") or not required else dummy(vr)), complete

    def action(value: bytes, context: Context) -> bytes:
        made, complete = new(value, context.days)
        if not complete:
            context.findings.append(UNPARSEABLE)
        return made

    return action


def _date(text: str, days: int, *, rule: DateRule) -> str:
    found = DATE(text)
    if not found:
        raise ValueError
    year, _, month, day = found.groups()
    moved = _moved(date(int(year), int(month), int(day)), days, rule)
    if rule.rule == "truncate":
        return f"{moved.year:04}{moved.month:02}01" if rule.precision == "month" else f"{moved.year:04}0101"
    return f"{moved.year:04}{moved.month:02}{moved.day:02}"


def _date_time(text: str, days: int, *, rule: DateRule) -> str:
    """Of a date without a day, or a month, the middle is moved, and comes out no more precise than it went in."""
    found = DATE_TIME(text)
    if not found:
        raise ValueError
    year, month, day, time, zone = found.groups()
    moved = _moved(date(int(year), int(month or 7), int(day or (15 if month else 2))), days, rule)
    parts = [f"{moved.year:04}", f"{moved.month:02}" if month else "", f"{moved.day:02}" if day else ""]
    if rule.rule == "truncate":
        return "".join(parts[: 2 if rule.precision == "month" else 1])
    checked(time)
    time = {"keep": time or "", "hour": (time or "")[:2]}.get(rule.times, "")
    return "".join(parts) + time + (zone or "" if rule.times != "obscure" else "")


def _moved(day: date, days: int, rule: DateRule) -> date:
    if rule.rule not in MOVES:
        return day
    if day in PLACEHOLDERS:
        raise ValueError
    return day + timedelta(days=days)


def _time(text: str, _days: int, *, rule: DateRule) -> str:
    checked(text.replace(":", ""))
    return {"keep": text, "hour": text[:2]}.get(rule.times, "000000")


def checked(text: str | None) -> None:
    """Raise `ValueError` where the text is no time of day."""
    found = TIME(text or "00")
    if not found or any(int(part or 0) > most for part, most in zip(found.groups(), (23, 59, 60), strict=True)):
        raise ValueError


def _zone(text: str, _days: int, *, rule: DateRule) -> str:
    if not ZONE(text):
        raise ValueError
    return "" if rule.times == "obscure" else text


def _capped(text: str, _days: int) -> str:
    found = AGE(text)
    if not found:
        raise ValueError
    return f"{OLDEST + 1:03}Y" if text.endswith("Y") and int(found[1]) > OLDEST else text
