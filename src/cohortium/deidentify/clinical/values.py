"""What may stay of a value in a column that is kept: what it looks like decides, never where it came from.

Every function is total and says in a word (the rule of a finding) why it emptied a value.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache

from cohortium.clinical import vocabulary
from cohortium.deidentify.dates import OLDEST

__all__ = ["aged", "cleaned", "coded", "is_data", "kept", "numeric"]

NUMBER = re.compile(r"[<>≤≥=~]?\s*[+-]?(?:0|[1-9]\d{0,14})(?:[.,]\d{1,24})?(?:[eE][+-]?\d{1,3})?", re.ASCII).fullmatch
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
MAIL = r"[^\s@]+@[^\s@]+\.\w"
ADDRESS = r"https?://|www\."
PHONE = r"(?<![\w.])(?:\+|00?)[1-9][\d ()/.-]{6,}\d(?!\w)|(?<![\w.])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?!\w)"
SECURITY = r"(?<![\w.-])\d{3}-\d{2}-\d{4}(?![\w-])"
IDENTIFYING = re.compile(f"{MAIL}|{ADDRESS}|{PHONE}|{SECURITY}").search
MONTH = r"(?:jan|feb|mar|m[äae]r|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)[a-zé]*"
DATE = re.compile(
    r"(?<!\d)(?:[12]\d{3}[-./][01]?\d[-./][0-3]?\d|[0-3]?\d[-./][0-3]?\d[-./](?:[12]\d)?\d\d)(?!\d)"
    rf"|(?<!\d)[0-3]?\d[. -]{{0,2}}{MONTH}[. -]{{0,2}}(?:[12]\d)?\d\d(?!\d)",
    re.IGNORECASE,
).search
COMPACT = re.compile(r"(?<!\d)([12]\d{3})([01]\d)([0-3]\d)(?!\d)").finditer
FORMULA = re.compile(r"[=@]|[+-](?![+\d.,\s-]*$)").match
REMEMBERED = 8192
LONGEST_TEXT = 1 << 14


@lru_cache(maxsize=REMEMBERED)
def kept(text: str, dates: bool) -> tuple[str, str]:
    """A code or a term as it is; `dates` tells whether one may stand in it."""
    if CONTROL.search(text):
        return "", "clinical.free-text"
    if IDENTIFYING(text):
        return "", "clinical.looks-identifying"
    if not dates and _holds_date(text):
        return "", "clinical.holds-date"
    if FORMULA(text) and not NUMBER(text):
        return "", "clinical.formula"
    return text, ""


@lru_cache(maxsize=REMEMBERED)
def numeric(text: str, dates: bool) -> tuple[str, str]:
    """A number as it is written."""
    if not NUMBER(text.strip()):
        return "", "clinical.no-number"
    return ("", "clinical.holds-date") if not dates and _holds_date(text) else (text.strip(), "")


@lru_cache(maxsize=REMEMBERED)
def aged(text: str) -> tuple[str, str]:
    """An age in years."""
    if not NUMBER(text.strip()):
        return "", "clinical.no-number"
    try:
        years = float(text.replace(",", "."))
    except ValueError:
        return "", "clinical.no-number"
    return (f"{OLDEST + 1}+", "") if years >= OLDEST + 1 else (text.strip(), "")


def coded(text: str, codes: frozenset[str]) -> tuple[str, str]:
    """One of the values that may stand there."""
    return (text.strip(), "") if text.strip() in codes else ("", "clinical.no-code")


def cleaned(text: str) -> tuple[str, str]:
    """The words of a free text that the vocabulary knows; of a whole report nothing."""
    if len(text) > LONGEST_TEXT:
        return "", "clinical.free-text"
    return vocabulary.clean(text), "clinical.text-cleaned" if text.strip() else ""


def is_data(heading: str) -> bool:
    """Whether a heading is none: a number, a date, an address."""
    return bool(NUMBER(heading) or IDENTIFYING(heading) or _holds_date(heading) or CONTROL.search(heading))


def _holds_date(text: str) -> bool:
    return bool(DATE(text)) or any(_is_date(*found.groups()) for found in COMPACT(text))


def _is_date(year: str, month: str, day: str) -> bool:
    try:
        date(int(year), int(month), int(day))
    except ValueError:
        return False
    return True
