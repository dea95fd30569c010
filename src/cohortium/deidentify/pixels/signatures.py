"""Devices known by what their headers say, with the places where they write text: the idea of RSNA CTP's pixel scripts.

Conditions look at values as text, blind to case and to padding; an absent attribute is an empty text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydicom import Dataset

from cohortium.dicom.redact import Rectangle

__all__ = ["TESTS", "Condition", "Signature", "placed"]

TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "equals": lambda found, wanted: found == wanted,
    "contains": lambda found, wanted: wanted in found,
    "starts": lambda found, wanted: found.startswith(wanted),
    "ends": lambda found, wanted: found.endswith(wanted),
    "matches": lambda found, wanted: re.fullmatch(wanted, found, re.IGNORECASE) is not None,
    "absent": lambda found, _wanted: not found,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """An attribute, one of `TESTS`, and what to test against."""

    keyword: str
    test: str
    value: str = ""

    def holds(self, dataset: Dataset) -> bool:
        """Whether the attribute's value, all of its values joined by a backslash, passes the test."""
        wanted = self.value if self.test == "matches" else self.value.casefold()
        return TESTS[self.test](text(dataset, self.keyword).casefold(), wanted)


class Holds(Protocol):
    """Whatever is true of an object or not."""

    def holds(self, dataset: Dataset) -> bool: ...


@dataclass(frozen=True, slots=True)
class Signature:
    """A device, known where all conditions hold, and its rectangles as they are written: see `placed`."""

    name: str
    where: tuple[Holds, ...]
    rectangles: tuple[Rectangle, ...]

    def matches(self, dataset: Dataset) -> bool:
        """Whether the object comes from this device; one without conditions comes from none."""
        return bool(self.where) and all(condition.holds(dataset) for condition in self.where)


def placed(rectangles: Sequence[Rectangle], rows: int, columns: int) -> tuple[Rectangle, ...]:
    """Rectangles in a picture of this size: a negative left or top counts from the far edge, as far as the near one."""
    return tuple(
        Rectangle(
            max(0, each.left + columns) if each.left < 0 else each.left,
            max(0, each.top + rows) if each.top < 0 else each.top,
            each.width,
            each.height,
        )
        for each in rectangles
    )


def text(dataset: Dataset, keyword: str) -> str:
    """An attribute as DICOM writes it, without padding; empty where absent."""
    value = dataset.get(keyword)
    values = [] if value is None else [value] if isinstance(value, str) or not hasattr(value, "__iter__") else value
    return "\\".join(str(each).strip(" \0") for each in values)
