"""Whether the order of a patient's scans can be told, and makes sense (check 6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cohortium.check import metadata
from cohortium.check.delivery import Delivery
from cohortium.check.outline import Outline
from cohortium.check.rule import Check, Found, Rule, Scope

__all__ = ["CHECKS"]

FORMAT = "%Y%m%d"
A_DAY = timedelta(days=1)  # the furthest apart that two places on earth can write the same moment


def date(delivery: Delivery, rule: Rule) -> Found:
    """Each series has a SeriesDate; or, where dates were removed, the metadata table says when it was."""
    for outline in delivery.outlines:
        if not _day(outline, "SeriesDate") and not metadata.said_of(
            delivery, outline.SeriesInstanceUID, "series_date_time"
        ):
            fact = "SeriesDate is missing or no date, and no metadata table says when the series was made"
            yield rule.finding(fact, variable="SeriesDate", **outline.where)


def order(delivery: Delivery, rule: Rule) -> Found:
    """No series is older than its study, was acquired before it, or lies in the future."""
    today = datetime.now(UTC).replace(tzinfo=None) + A_DAY
    for outline in delivery.outlines:
        study = _day(outline, "StudyDate")
        for keyword in ("SeriesDate", "AcquisitionDate"):
            day = _day(outline, keyword)
            if day and day > today:
                yield rule.finding(f"{keyword} lies in the future", variable=keyword, **outline.where)
            elif day and study and day < study - A_DAY:
                yield rule.finding(f"{keyword} lies before StudyDate", variable=keyword, **outline.where)


def _day(outline: Outline, keyword: str) -> datetime | None:
    try:
        return datetime.strptime(outline.first.text(keyword), FORMAT)
    except ValueError:
        return None


CHECKS = (
    Check("chronology.date", Scope.DELIVERY, date),
    Check("chronology.order", Scope.DELIVERY, order),
)
