"""What a function of CTP may ask, what it may answer beside plain text, and how it gives up on an object."""

from __future__ import annotations

from typing import Protocol

from cohortium.deidentify.ctp import java
from cohortium.deidentify.ctp.calls import Expression
from cohortium.deidentify.ctp.tables import Tables

__all__ = ["ALL", "EMPTY", "KEEP", "REMOVE", "Aside", "Context", "given", "number", "pattern"]

KEEP, REMOVE, EMPTY = "@keep()", "@remove()", "@empty()"
ALL = 2**31 - 1


class Aside(Exception):
    """The script, or what it lacks, keeps this object back; the reason names no value."""


class Context(Protocol):
    """What a function may ask about the object and the script."""

    tables: Tables

    def contents(self, name: str, *, enclosing: bool = False) -> str | None: ...
    def is_present(self, name: str = "") -> bool: ...
    def parameter(self, name: str) -> str | None: ...
    def evaluate(self, expression: Expression) -> str: ...
    def result_for(self, name: str) -> str | None: ...
    def is_root(self) -> bool: ...
    def enter(self) -> None: ...


def given(context: Context, name: str) -> str:
    """The text of an attribute; empty where there is none."""
    return context.contents(name) or ""


def pattern(text: str) -> java.Pattern:
    """A regular expression of the script."""
    try:
        return java.regex(text)
    except ValueError as error:
        raise Aside(f"a regular expression that cannot be honoured: {error}") from None


def number(text: str, default: int = -1) -> int:
    """The whole number that a text is, else `default`."""
    try:
        return java.integer(text)
    except ValueError:
        return default
