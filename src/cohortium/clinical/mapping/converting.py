"""One value as a variable holds it: a term, a date of ISO 8601, a number, a text in one line.

What always holds: what cannot be understood is `Unfit`, which says why and how it was written, and never what.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from cohortium.clinical import moments, sdtm
from cohortium.clinical.capture import Field
from cohortium.clinical.dates import ORDERS, parse
from cohortium.clinical.mapping.studymap import Source
from cohortium.clinical.sdtm import Holds, Variable

__all__ = ["NO_TERM", "Unfit", "constant", "converted", "multiplied", "number", "timed"]

NUMBER = re.compile(r"[+-]?(?:\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})(?:[eE][+-]?\d{1,2})?", re.ASCII)
CLOCK = re.compile(r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?", re.ASCII)
DAY_FIRST = re.compile(r"(\d\d?)[-/.](\d\d?)[-/.](\d{4})(.*)", re.ASCII)
WRITTEN = {"dmy": "DD/MM/YYYY", "mdy": "MM/DD/YYYY"}  # by the end of REDCap's validation
COMMA = "comma_decimal"
NO_TERM = "a choice that has no term"


class Unfit(ValueError):
    """A value that does not fit: why, how it is written, or which choice it is."""

    def __init__(self, why: str, written: str = "", choice: str = "") -> None:
        super().__init__(why)
        self.why, self.written, self.choice = why, written, choice


def converted(source: Source, field: Field, variable: Variable, text: str) -> str:
    """The value of a field as a variable holds it."""
    if source.terms is not None:
        text, is_term = _term(source, field, text), True
    else:
        text, is_term = (_chosen(field, variable, text), True) if field.choices else (text, False)
    if not text or variable.holds is Holds.TEXT:
        return text if is_term or not text else constant(variable, text)
    if variable.holds is Holds.DATE:
        return date(text, field, source.order)
    if variable.holds is Holds.NUMBER:
        return multiplied(number(text, field), source.factor)
    return constant(variable, text)


def constant(variable: Variable, text: str) -> str:
    """A text that a variable can hold as it is."""
    if variable.holds is Holds.NUMBER:
        return number(text)
    right = {Holds.DATE: moments.is_date, Holds.PERIOD: moments.is_period}.get(variable.holds)
    if right and not right(text):
        raise Unfit(f"is not {variable.holds}", moments.shape(text))
    lists = sdtm.codelists(variable)
    if lists and not any(each.extensible for each in lists) and not any(text in each.terms for each in lists):
        raise Unfit(f"is no term of {lists[0].name}", moments.shape(text))
    return text


def number(text: str, field: Field | None = None) -> str:
    """A number with a decimal point."""
    plain = text.replace(",", ".") if field and COMMA in field.validation else text
    if not NUMBER.fullmatch(plain):
        raise Unfit(f"is not {Holds.NUMBER}", moments.shape(text))
    return plain


def multiplied(text: str, factor: Decimal | None) -> str:
    """A number times a factor, without digits that say nothing."""
    if factor is None:
        return text
    try:
        return f"{(Decimal(text) * factor).normalize():f}"
    except InvalidOperation:
        raise Unfit(f"is not {Holds.NUMBER}", moments.shape(text)) from None


def date(text: str, field: Field, order: str = "") -> str:
    """A date in ISO 8601, which exports have; else in the order that the mapping or the field's validation says."""
    order = order or WRITTEN.get(field.validation[-3:], "")
    if found := DAY_FIRST.fullmatch(text) if order else None:
        text, order = f"{found[1]}/{found[2]}/{found[3]}{found[4]}", order.replace(".", "/")
    for each in dict.fromkeys((order or ORDERS[0], ORDERS[0])):
        try:
            return str(parse(text, each))
        except ValueError:
            continue
    raise Unfit("is no date", moments.shape(text))


def timed(day: str, clock: str) -> str:
    """A date with a time of its own field."""
    if not CLOCK.fullmatch(clock):
        raise Unfit("is no time", moments.shape(clock))
    return f"{day[:10]}T{clock.zfill(5) if clock.count(':') == 1 else clock.zfill(8)}"


def _term(source: Source, field: Field, text: str) -> str:
    terms = source.terms or {}
    if text in terms:
        return terms[text]
    if not field.choices:
        raise Unfit("is no text that has a term", moments.shape(text))
    raise _choice(field, text)


def _chosen(field: Field, variable: Variable, text: str) -> str:
    """A choice by its label, or its code, if that is a term; by its label where there is no code list."""
    if text not in field.choices:
        raise _choice(field, text)
    label = " ".join(field.choices[text].split())
    lists = sdtm.codelists(variable)
    if not lists:
        return label
    for each in (label, text):
        if any(each in known.terms for known in lists):
            return each
    raise _choice(field, text)


def _choice(field: Field, text: str) -> Unfit:
    if text in field.choices:
        return Unfit(NO_TERM, choice=text)
    return Unfit("is no choice of the field", moments.shape(text))
