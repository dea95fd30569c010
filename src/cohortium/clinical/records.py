"""What a search and a timeline ask of a row of SDTM, whatever its domain: about what, how much, when.

Each role is played by the first variable of its list in which the row has a value, so that findings, events and
interventions answer alike. The row itself is not changed by it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

from cohortium.clinical.intervals import interval

__all__ = ["Record", "Roles", "number"]

TOPIC = ("--TESTCD", "--DECOD", "--TERM", "--TRT")
TEXT = ("--STRESC", "--ORRES", "--TERM")
MEASURES = (("--STRESN", "--STRESU"), ("--STRESC", "--STRESU"), ("--ORRES", "--ORRESU"), ("--DOSE", "--DOSU"))
DATE = ("--STDTC", "--DTC", "RFSTDTC")
DAY = ("--STDY", "--DY")
LONGEST = 200  # characters of a topic, as of any text in SDTM
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
WHOLE = re.compile(r"[+-]?\d{1,9}(?:\.0*)?", re.ASCII)


class Record(NamedTuple):
    """`earliest` and `latest` are empty where the row has no date that can be placed."""

    sequence: int | None
    topic: str
    text: str
    number: float | None
    unit: str
    earliest: str
    latest: str
    day: int | None


class Roles:
    """Which variables of a domain play which role, among those that a table has."""

    def __init__(self, domain: str, names: frozenset[str]) -> None:
        def own(*general: str) -> tuple[str, ...]:
            return tuple(name for each in general if (name := each.replace("--", domain)) in names)

        self._sequence = own("--SEQ")
        self._topic, self._text, self._date, self._day = own(*TOPIC), own(*TEXT), own(*DATE), own(*DAY)
        pairs = ((each.replace("--", domain), unit.replace("--", domain)) for each, unit in MEASURES)
        self._measures = tuple(pair for pair in pairs if pair[0] in names)

    def record(self, row: Mapping[str, str]) -> Record:
        """The row's answers; `row` has its values by variable, those that are empty left out."""
        measured, unit = self._measured(row)
        when = interval(_first(row, self._date))
        return Record(
            _whole(_first(row, self._sequence)),
            _first(row, self._topic)[:LONGEST],
            _first(row, self._text),
            measured,
            unit[:LONGEST],
            when.earliest if when else "",
            when.latest if when else "",
            _whole(_first(row, self._day)),
        )

    def _measured(self, row: Mapping[str, str]) -> tuple[float | None, str]:
        """The number, and the unit that goes with it; without a number the unit of what there is."""
        units = ""
        for name, unit in self._measures:
            if text := row.get(name):
                units = units or row.get(unit, "")
                if (found := number(text)) is not None:
                    return found, row.get(unit, "")
        return None, units


def number(text: str) -> float | None:
    """The number that the text is; None where it is none, such as `<5`."""
    if not NUMBER.fullmatch(text):
        return None
    found = float(text)
    return found if math.isfinite(found) else None


def _whole(text: str) -> int | None:
    return int(float(text)) if WHOLE.fullmatch(text) else None


def _first(row: Mapping[str, str], names: tuple[str, ...]) -> str:
    for name in names:
        if text := row.get(name):
            return text
    return ""
