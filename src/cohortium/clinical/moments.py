"""Dates and durations as SDTM takes them from ISO 8601, whole or with unknown parts, and what else was written instead.

`clinical.dates` reads what can be moved by days; this says of every text whether the standard allows it.
"""

from __future__ import annotations

import re

from cohortium.clinical.dates import parse

__all__ = ["is_date", "is_period", "shape"]

UNKNOWN_PARTS = re.compile(  # --12-15, 2003---15, -----T07:15, 2003-12-15T-:15 (SDTMIG 4.4.2)
    r"(?P<year>\d{4}|-)-(?P<month>\d\d|-)-(?P<day>\d\d|-)"
    r"(?:T(?P<hour>\d\d|-):(?P<minute>\d\d|-)(?::(?P<second>\d\d|-))?)?",
    re.ASCII,
)
PERIOD = re.compile(
    r"[+-]?P(?:\d+(?:[.,]\d+)?W|(?=[\dT])(?:\d+(?:[.,]\d+)?Y)?(?:\d+(?:[.,]\d+)?M)?(?:\d+(?:[.,]\d+)?D)?"
    r"(?:T(?=\d)(?:\d+(?:[.,]\d+)?H)?(?:\d+(?:[.,]\d+)?M)?(?:\d+(?:[.,]\d+)?S)?)?)",
    re.ASCII,
)
MOST = {"month": 12, "day": 31, "hour": 23, "minute": 59, "second": 59}
LONGEST = 32  # characters of a shape


def is_date(text: str) -> bool:
    """Whether a date, a point in time or an interval between two is written as ISO 8601 has it."""
    first, interval, last = text.partition("/")
    return _is_moment(first) and (not interval or _is_moment(last) or is_period(last))


def is_period(text: str) -> bool:
    """Whether it is a duration such as P14D, PT2H or -P3W, or an interval between two dates."""
    return PERIOD.fullmatch(text) is not None or ("/" in text and is_date(text))


def shape(text: str) -> str:
    """How something is written, without what is written: 99.99.9999 for a date, Xxxxx for a name."""
    shown = text[:LONGEST]
    made = "".join("9" if each.isdigit() else _letter(each) if each.isalpha() else each for each in shown)
    return f"{made}…" if len(text) > LONGEST else made


def _letter(letter: str) -> str:
    return "X" if letter.isupper() else "x"


def _is_moment(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return " " not in text and _is_partly_known(text)
    return " " not in text


def _is_partly_known(text: str) -> bool:
    found = UNKNOWN_PARTS.fullmatch(text)
    if not found or "-" not in found.groups():
        return False
    known = {name: int(value) for name, value in found.groupdict().items() if value and value != "-"}
    return bool(known) and all(known[name] <= most for name, most in MOST.items() if name in known)
