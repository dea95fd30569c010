"""What becomes of a date in a clinical table: a date that moved as the images' did, an age, a period, a count of days.

What always holds: intervals between complete dates are exact to the day, and so are those to the images' own dates;
from a date whose day is not known no period and no age is reckoned.
"""

from __future__ import annotations

from datetime import date

from cohortium.clinical.dates import PartialDate
from cohortium.deidentify.dates import MOVES, OLDEST, PLACEHOLDERS
from cohortium.deidentify.subjects import ANCHOR
from cohortium.values import DateRule

__all__ = ["age", "clinical_date", "days", "period", "year"]

Made = tuple[str, str]
NONE: Made = ("", "clinical.placeholder-date")
IMPRECISE: Made = ("", "clinical.partial-date")
MONTHS, DAYS_OF_YEAR = 12, 365


def clinical_date(when: PartialDate, shift: int, rule: DateRule) -> Made:
    """The date as `rule` changes those of images: kept, moved or cut, and its time of day."""
    if rule.rule in MOVES:
        if _stands_for_none(when):
            return NONE
        when = when.moved(shift)
    if rule.rule == "truncate":
        return str(when.cut(rule.precision)), ""
    return str(when if rule.times == "keep" else when.cut(rule.times)), ""


def year(when: PartialDate, shift: int, rule: DateRule) -> Made:
    """The year of the date, after it moved where dates do."""
    if rule.rule not in MOVES:
        return str(when.cut("year")), ""
    return NONE if _stands_for_none(when) else (str(when.moved(shift).cut("year")), "")


def days(when: PartialDate, shift: int) -> Made:
    """Days since a secret day of the subject's own; where dates are anchored, since the first examination."""
    if _stands_for_none(when):
        return NONE
    return (str((when.middle - ANCHOR).days + shift), "") if when.complete else IMPRECISE


def period(begin: PartialDate, end: PartialDate, unit: str) -> Made:
    """From one date to the other, in days or as an ISO 8601 duration in days."""
    if not (begin.complete and end.complete):
        return IMPRECISE
    count = (end.middle - begin.middle).days
    if unit == "days":
        return str(count), ""
    return f"{'-' if count < 0 else ''}P{abs(count)}D", ""


def age(birth: PartialDate, when: PartialDate, unit: str) -> Made:
    """Whole years, months or days lived at a date; from the 90th birthday on only that it is past."""
    if not (birth.complete and when.complete):
        return IMPRECISE
    months = _months(birth.middle, when.middle)
    if months < 0:
        return "", "clinical.before-birth"
    oldest = OLDEST + 1
    over = months >= oldest * MONTHS
    match unit:
        case "years":
            return (f"{oldest}+" if over else str(months // MONTHS)), ""
        case "months":
            return (f"{oldest * MONTHS}+" if over else str(months)), ""
        case _:
            return (f"{oldest * DAYS_OF_YEAR}+" if over else str((when.middle - birth.middle).days)), ""


def _months(birth: date, when: date) -> int:
    return (when.year - birth.year) * MONTHS + when.month - birth.month - (when.day < birth.day)


def _stands_for_none(when: PartialDate) -> bool:
    return when.complete and when.middle in PLACEHOLDERS
