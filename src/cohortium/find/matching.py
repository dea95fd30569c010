"""What a value to match means, as a condition in SQL (PS3.4 C.2.2.2): single value, list, range, wildcard.

A value that says nothing matches everything; one that cannot be read is refused, never ignored.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Column, ColumnElement, and_

from cohortium.errors import Malformed

__all__ = ["condition", "is_range"]

DATE = re.compile(r"\d{8}")
TIME = re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")
UID = re.compile(r"[0-9.]{1,64}")
NUMBER = re.compile(r"[+-]?\d{1,12}")
LATEST = "235959.999999"
LISTED = ("UI", "CS")


def condition(column: Column[Any], vr: str, text: str, dialect: str) -> ColumnElement[bool] | None:
    """The condition; None where all values match. `Malformed` names no value."""
    if text.strip("*") == "":
        return None
    if vr in ("DA", "TM"):
        return _within(column, vr, text)
    if vr in ("IS", "US"):
        return column == int(_good(NUMBER, text))
    if vr in LISTED:
        several = [each.strip() for each in re.split(r"[\\,]", text) if each.strip()]
        if vr == "UI":
            several = [_good(UID, each) for each in several]
        if len(several) > 1:
            return column.in_(several)
    if vr != "UI" and re.search(r"[*?]", text):
        return _like(column, text, dialect)
    return column == text.strip()


def is_range(vr: str, text: str) -> bool:
    """Whether the value spans dates."""
    return vr == "DA" and "-" in text


def _within(column: Column[Any], vr: str, text: str) -> ColumnElement[bool]:
    pattern = DATE if vr == "DA" else TIME
    text = text.replace(":", "") if vr == "TM" else text
    if "-" not in text:
        _good(pattern, text)
        if vr == "DA" or "." in text:
            return column == text
        return and_(column >= text, column <= text + LATEST[len(text) :])
    start, end = (part.strip() for part in text.split("-", 1))
    if not start and not end:
        raise Malformed("a range needs a beginning or an end")
    bounds = [column != ""]
    if start:
        bounds.append(column >= _good(pattern, start))
    if end:
        _good(pattern, end)
        bounds.append(column <= (end if vr == "DA" else end + LATEST[len(end) :]))
    return and_(*bounds)


def _good(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text.strip()):
        raise Malformed("a value to match is not of its attribute's type")
    return text.strip()


def _like(column: Column[Any], text: str, dialect: str) -> ColumnElement[bool]:
    """What begins alike stands together in an index, which no planner sees in a pattern that comes as a parameter."""
    start = re.split(r"[*?]", text)[0]
    near = [column >= start, column < start[:-1] + chr(ord(start[-1]) + 1)] if start and ord(start[-1]) < 0xD7FF else []
    if dialect == "sqlite":  # whose LIKE knows no case
        return and_(*near, column.op("GLOB", is_comparison=True)(text.replace("[", "[[]")))
    escaped = re.sub(r"([\\%_])", r"\\\1", text)
    return and_(*near, column.like(escaped.replace("*", "%").replace("?", "_"), escape="\\"))
