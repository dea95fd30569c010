"""The seconds between which a date of ISO 8601 lies, as texts that compare: `2024-02` is all of that February.

What always holds: the interval holds every moment that was meant, and what cannot be bounded has none. Zones stay out
of it: it is the clock of where the date was written.
"""

from __future__ import annotations

import calendar
from functools import lru_cache
from typing import NamedTuple

from cohortium.clinical.dates import PartialDate, parse
from cohortium.clinical.moments import UNKNOWN_PARTS

__all__ = ["Interval", "interval"]

YEARS = range(1800, 2300)  # four digits beyond them are a count of days, as some protocols make of dates
MOST = ("23", "59", "59")
REMEMBERED = 1 << 14


class Interval(NamedTuple):
    """First and last second, as `YYYY-MM-DDThh:mm:ss`."""

    earliest: str
    latest: str


@lru_cache(REMEMBERED)
def interval(text: str) -> Interval | None:
    """When that was; of an interval between two dates from its beginning to its end. None where it cannot be said."""
    first, between, last = text.partition("/")
    begin = _interval(first)
    end = _interval(last) if between else begin
    if begin is None or end is None or end.latest < begin.earliest:
        return None
    return Interval(begin.earliest, end.latest)


def _interval(text: str) -> Interval | None:
    try:
        date = parse(text)
    except ValueError:
        return _partly_known(text)
    if date.year not in YEARS:
        return None
    clock = [*date.time.partition(".")[0].split(":"), "", ""][:3]
    return _bounds(date, clock)


def _bounds(date: PartialDate, clock: list[str]) -> Interval:
    month = date.month or 12
    day = date.day or calendar.monthrange(date.year, month)[1]
    low = ":".join(min(each or "00", most) for each, most in zip(clock, MOST, strict=True))
    high = ":".join(min(each or most, most) for each, most in zip(clock, MOST, strict=True))
    return Interval(
        f"{date.year:04}-{date.month or 1:02}-{date.day or 1:02}T{low}", f"{date.year:04}-{month:02}-{day:02}T{high}"
    )


def _partly_known(text: str) -> Interval | None:
    """Of dates whose parts are unknown in the middle, as far as they are known from the year on."""
    found = UNKNOWN_PARTS.fullmatch(text)
    if not found or found["year"] == "-":
        return None
    known = [found["year"]]
    for part in ("month", "day"):
        if found[part] == "-":
            break
        known.append(found[part])
    shorter = "-".join(known)
    return _interval(shorter) if shorter != text else None
