"""In which hours a PACS may be asked, and when a request will be done at the pace of late. Hours are local time.

The pace is the median of the times between two studies: a night, a pause or an outage among them changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from cohortium.config import HOURS, Pacs, hours_of
from cohortium.errors import Malformed
from cohortium.spool.wanted import Plan

__all__ = ["HOUR", "demand_schedule", "ends", "gap", "is_hour", "open_hours", "when_done"]

HOUR = timedelta(hours=1)
MOST = 100_000  # studies an hour


def is_hour(hours: str, moment: datetime) -> bool:
    """Whether the local hour lies in the span, which may pass midnight; one that ends where it begins is the day."""
    first, end = hours_of(hours)
    if first < end:
        return first <= moment.hour < end
    return first == end or moment.hour >= first or moment.hour < end


def demand_schedule(source: Pacs, hours: str, studies_hour: int) -> None:
    """`Malformed` unless a request can be asked for so, within what the source allows."""
    if hours and not HOURS.fullmatch(hours):
        raise Malformed("hours are a span such as 19-6")
    if not open_hours(source.hours, hours):
        raise Malformed(f"the PACS is asked from {source.hours.replace('-', ' to ')} only, never in these hours")
    if not 0 <= studies_hour <= MOST:
        raise Malformed(f"studies an hour are a whole number up to {MOST:,}")


def open_hours(*spans: str) -> frozenset[int]:
    """The hours of the day that lie in all of the spans."""
    day = datetime(2000, 1, 1)
    return frozenset(hour for hour in range(24) if all(is_hour(each, day.replace(hour=hour)) for each in spans))


def gap(moved: Sequence[datetime], *quotas: int) -> timedelta | None:
    """From one study to the next, by the moments of late (the newest first) and what is allowed an hour; None: unknown.

    A quota of 0 is none.
    """
    gaps = [(late - early).total_seconds() for late, early in pairwise(moved)]
    seen = [timedelta(seconds=median(gaps))] if gaps else []
    return max([*seen, *(HOUR / each for each in quotas if each)], default=None)


def ends(moment: datetime, work: timedelta, hours: Collection[int]) -> datetime:
    """When so much work is done that begins at the moment and goes on in those hours of the day, of which there are."""
    a_day = HOUR * len(hours)
    moment += timedelta(days=work // a_day)
    work %= a_day
    while work:
        next_hour = moment.replace(minute=0, second=0, microsecond=0) + HOUR
        if moment.hour in hours:
            done = min(work, next_hour - moment)
            moment, work = moment + done, work - done
        else:
            moment = next_hour
    return moment


def when_done(source: Pacs, plans: Sequence[Plan], moved: Sequence[datetime], moment: datetime) -> dict[int, datetime]:
    """By request, when about it is done, where that can be told; each begins when those before it have gone."""
    found, before = {}, 0
    for plan in plans:
        before += plan.left
        every, of_mine = gap(moved, source.studies_hour), gap((), plan.studies_hour)
        hours = open_hours(source.hours, plan.hours)
        if (every or of_mine) and hours:
            work = max(before * (every or timedelta()), plan.left * (of_mine or timedelta()))
            found[plan.id] = ends(moment, work, hours)
    return found
