"""Whether the order of a patient's scans can be told, and makes sense (check 6): from dates, or an association table.

No finding holds a date or a number of a day.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby

from cohortium.check import association, metadata, naming
from cohortium.check.association import Place
from cohortium.check.delivery import Delivery
from cohortium.check.outline import Outline
from cohortium.check.rule import Check, Found, Rule, Scope, Skipped

__all__ = ["CHECKS"]

FORMAT = "%Y%m%d"
A_DAY = timedelta(days=1)  # the furthest apart that two places on earth can write the same moment
NO_TABLE = "there is no association table"


def date(delivery: Delivery, rule: Rule) -> Found:
    """Each series has a SeriesDate; or, where dates were removed, a table says when it was."""
    table = association.of(delivery)
    for outline in delivery.outlines:
        if (
            not _day(outline, "SeriesDate")
            and not table.said_of(outline)
            and not metadata.said_of(delivery, outline.SeriesInstanceUID, "series_date_time")
        ):
            fact = "SeriesDate is missing or no date, and no table says when the series was made"
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


def readable(delivery: Delivery, rule: Rule) -> Found:
    """An association table can be read, and each of its rows says whose scan it is, which, and when."""
    found = association.of(delivery)
    for problem, row in found.problems:
        yield rule.finding(problem, row=row)
    if not found.there:
        yield Skipped(NO_TABLE)


def scans(delivery: Delivery, rule: Rule) -> Found:
    """The association table lists each series, or its study, once, and nothing that is not there."""
    found = association.of(delivery)
    if not found.places:
        yield Skipped(NO_TABLE)
        return
    for outline in delivery.outlines:
        count = len(found.said_of(outline))
        if count != 1:
            yield rule.finding(f"the series has {count or 'no'} rows in the association table", **outline.where)
    known = {uid for outline in delivery.outlines for uid in (outline.SeriesInstanceUID, *outline.studies)}
    for UID, places in found.places.items():
        if UID not in known:
            shown = UID if naming.is_uid(UID) else ""
            fact = "a row of the association table is of a scan that is not there"
            yield rule.finding(fact, SeriesInstanceUID=shown, row=places[0].row)


def contradiction(delivery: Delivery, rule: Rule) -> Found:
    """The association table names the patients that the images do, and has their scans in the order of SeriesDate."""
    found = association.of(delivery)
    if not found.places:
        yield Skipped(NO_TABLE)
        return
    for outline in delivery.outlines:
        others = [place for place in found.said_of(outline) if place.patient and place.patient not in outline.patients]
        if others:
            fact = "the association table has the series under another patient than its images"
            yield rule.finding(fact, row=others[0].row, variable="patient", **outline.where)
    for patient in delivery.patients():
        said = [
            (day, place)
            for outline in patient.outlines
            if (day := _day(outline, "SeriesDate"))
            for place in found.said_of(outline)[:1]
        ]
        for column, disagree in (("order", _out_of_order), ("relative_day", _shifted)):
            dated = [(day, place) for day, place in said if column in place.numbers]
            if wrong := disagree(dated):
                fact = f"{column} of the association table contradicts SeriesDate of the patient's {len(dated)} series"
                yield rule.finding(fact, patient=patient.outlines[0].patient, row=wrong.row, variable=column)


def _out_of_order(dated: Sequence[tuple[datetime, Place]]) -> Place | None:
    """The first scan that is told to come after one that was made on a later day."""
    latest = datetime.min
    ordered = sorted(dated, key=lambda each: (each[1].numbers["order"], each[0]))
    for _, equal in groupby(ordered, key=lambda each: each[1].numbers["order"]):
        scans = list(equal)
        if scans[0][0] < latest:
            return scans[0][1]
        latest = max(latest, scans[-1][0])
    return None


def _shifted(dated: Sequence[tuple[datetime, Place]]) -> Place | None:
    """The first scan that lies as many days from the first one as nobody told."""
    starts = [(day.toordinal() - place.numbers["relative_day"], place) for day, place in dated]
    return next((place for start, place in starts if start != starts[0][0]), None)


def _day(outline: Outline, keyword: str) -> datetime | None:
    try:
        return datetime.strptime(outline.first.text(keyword), FORMAT)
    except ValueError:
        return None


CHECKS = (
    Check("chronology.association", Scope.DELIVERY, readable),
    Check("chronology.contradiction", Scope.DELIVERY, contradiction),
    Check("chronology.date", Scope.DELIVERY, date),
    Check("chronology.order", Scope.DELIVERY, order),
    Check("chronology.scans", Scope.DELIVERY, scans),
)
