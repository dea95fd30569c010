"""What was taken out of one attribute stands in no other: whatever the protocol removed, whoever it is about.

The search looks for what identifies by its kind. Here every text counts whose attribute did not stay as it was, whole
and against the output of the same input. What another attribute kept as it is, makers' names, and what the cleaning of
descriptions let stand count as kept.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataelem import DataElement

from cohortium.verify.elements import CLEAN_DESCRIPTORS, both, declared, each, texts
from cohortium.verify.pairs import Opened
from cohortium.verify.values import DESCRIPTIVE, PUBLIC_KEYWORDS, TEXT, stop_words

__all__ = ["Removed"]

LONG = 6  # characters from which a text is more than a word by chance


class Removed:
    """Every text of every input that is not kept."""

    title = "What was removed stands nowhere else"

    def __init__(self) -> None:
        self._pairs = self._texts = self._kept = self._cleaned = 0

    def see(self, pair: Opened) -> Iterator[str]:
        self._pairs += 1
        kept = {text for _, old, new in both(pair.before, pair.after) if old.value == new.value for text in _texts(new)}
        found = {text for _, element in each(pair.before) if element.VR in TEXT for text in _texts(element)}
        gone = {text for text in found - kept - stop_words() if len(text) >= LONG}
        self._texts, self._kept = self._texts + len(gone), self._kept + len(found & kept)
        for path, element in each(pair.after):
            if element.VR not in TEXT or element.keyword in PUBLIC_KEYWORDS:
                continue
            if any(text in left for left in _texts(element) for text in gone):
                if CLEAN_DESCRIPTORS in declared(pair.after) and DESCRIPTIVE.search(element.keyword):
                    self._cleaned += 1
                else:
                    yield f"{path}: holds a text that was removed from another attribute"

    def looked_at(self) -> str:
        return f"{self._texts} texts removed from {self._pairs} pairs" if self._pairs else ""

    def note(self) -> str:
        cleaned = (
            f" {self._cleaned} cleaned descriptions hold a text that another attribute lost." if self._cleaned else ""
        )
        return f"{self._kept} texts were kept, as the protocol does.{cleaned}"


def _texts(element: DataElement) -> set[str]:
    return set() if element.VR == "SQ" else {text.casefold() for text in texts(element)}
