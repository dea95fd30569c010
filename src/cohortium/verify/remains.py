"""The value report: every distinct value of every attribute that is left, and how often, for people to read through.

An attribute is told by its path, without the numbers of items. Of an attribute with very many distinct values the first
`DISTINCT` are listed and the rest counted, so that memory does not grow with the set.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from cohortium.verify.elements import each, texts

__all__ = ["Remains", "Remnant"]

DISTINCT = 5000
LONGEST = 300  # characters of a value


@dataclass(slots=True)
class Remnant:
    """One attribute: its path, tag and VR, what it holds how often, and how many further values were only counted."""

    path: str
    tag: str
    vr: str
    values: Counter[str] = field(default_factory=Counter)
    further: int = 0

    def add(self, text: str) -> None:
        if text in self.values or len(self.values) < DISTINCT:
            self.values[text] += 1
        else:
            self.further += 1


class Remains:
    """All attributes of all outputs seen."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Remnant] = {}

    def see(self, dataset: Dataset) -> None:
        for part in (dataset.file_meta, dataset):
            for path, element in each(part):
                if element.VR != "SQ":
                    self._note(path, element)

    def _note(self, path: str, element: DataElement) -> None:
        tag = f"({element.tag.group:04X},{element.tag.element:04X})"
        found = self._found.setdefault((path, element.VR), Remnant(path, tag, element.VR))
        if isinstance(element.value, bytes):
            found.add(f"{len(element.value):,} bytes")
            return
        text = "\\".join(texts(element))
        found.add(text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text):,} characters)")

    def remnants(self) -> tuple[Remnant, ...]:
        """In order of the tags; sequences by their names."""
        return tuple(self._found[key] for key in sorted(self._found, key=lambda key: (key[0].count("/"), key)))
