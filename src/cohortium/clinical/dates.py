"""Dates as ISO 8601 and SDTM write them, complete or not: a year, a month or a day, perhaps with a time.

What always holds: a date comes out no more precise than it was written, and what is no date of the calendar is not
read. Dates that a hospital writes in another order are read when that order is told, and come out in ISO 8601.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, timedelta

__all__ = ["ORDERS", "PartialDate", "parse"]

CLOCK = r"(?:[T ](?P<time>\d\d(?::\d\d(?::\d\d(?:\.\d{1,6})?)?)?)(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?)?"
PATTERNS = {
    "YYYY-MM-DD": rf"(?P<year>\d{{4}})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d){CLOCK})?)?",
    "YYYYMMDD": r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)(?P<time>)(?P<zone>)",
    "DD.MM.YYYY": rf"(?:(?:(?P<day>\d\d?)\.)?(?P<month>\d\d?)\.)?(?P<year>\d{{4}})(?(day){CLOCK})",
    "DD/MM/YYYY": rf"(?:(?:(?P<day>\d\d?)/)?(?P<month>\d\d?)/)?(?P<year>\d{{4}})(?(day){CLOCK})",
    "MM/DD/YYYY": rf"(?P<month>\d\d?)/(?P<day>\d\d?)/(?P<year>\d{{4}}){CLOCK}",
}
COMPILED = {order: re.compile(pattern, re.ASCII) for order, pattern in PATTERNS.items()}
ORDERS = tuple(PATTERNS)
"""The orders in which a date may be written; the first is that of ISO 8601."""

MIDDLE_MONTH, MIDDLE_OF_MONTH, MIDDLE_OF_YEAR = 7, 15, 2


@dataclass(frozen=True, slots=True)
class PartialDate:
    """A date of which month and day may not be known (0); `time` and `zone` as written, for complete ones alone."""

    year: int
    month: int = 0
    day: int = 0
    time: str = ""
    zone: str = ""

    @property
    def complete(self) -> bool:
        """Whether the day is known, so that intervals are exact."""
        return bool(self.day)

    @property
    def middle(self) -> date:
        """The day itself, or the middle of the month or year that it lies in."""
        day = self.day or (MIDDLE_OF_MONTH if self.month else MIDDLE_OF_YEAR)
        return date(self.year, self.month or MIDDLE_MONTH, day)

    def moved(self, days: int) -> PartialDate:
        """The date `days` later; `OverflowError` beyond the calendar."""
        new = self.middle + timedelta(days=days)
        return replace(self, year=new.year, month=self.month and new.month, day=self.day and new.day)

    def cut(self, precision: str) -> PartialDate:
        """The date to its `year` or its `month`, the day to nothing, or the time of `day` off."""
        match precision:
            case "year":
                return PartialDate(self.year)
            case "month":
                return PartialDate(self.year, self.month)
            case "hour":
                return replace(self, time=self.time[:2])
            case _:
                return replace(self, time="", zone="")

    def __str__(self) -> str:
        known = [self.year, *filter(None, (self.month, self.day))]
        day = "-".join(f"{part:0{2 if place else 4}}" for place, part in enumerate(known))
        return f"{day}T{self.time}{self.zone}" if self.time else day


def parse(text: str, order: str = ORDERS[0]) -> PartialDate:
    """The date that the text is, written in `order`; `ValueError` where it is none."""
    found = COMPILED[order].fullmatch(text)
    if not found:
        raise ValueError("not a date")
    year, month, day = (int(found[part] or 0) for part in ("year", "month", "day"))
    if (found["month"] and not month) or (found["day"] and not day):
        raise ValueError("not a date")
    made = PartialDate(year, month, day, found["time"] or "", found["zone"] or "")
    _ = made.middle  # a day of the calendar, or ValueError
    hours, minutes, seconds = (float(part) for part in (*made.time.split(":"), *"000")[:3]) if made.time else (0, 0, 0)
    if hours > 23 or minutes > 59 or seconds >= 61:
        raise ValueError("not a time")
    return made
