"""What the protocol does not keep is not there as it was: attribute by attribute, however short the value.

The search cannot look for an M or a 71 in all bytes; here each value is held against the one that stood in its place.
UIDs and dates have checks of their own; what is cleaned or capped may be as it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pydicom.dataelem import DataElement

from cohortium.verify.elements import both, texts
from cohortium.verify.pairs import Opened
from cohortium.verify.policy import Policy

__all__ = ["Followed"]

GONE = {"X": "removed", "Z": "emptied", "D": "replaced"}
DUMMIES = frozenset({"REMOVED", "000D", "19000101", "19000101000000", "about:blank"})  # say nothing on either side


class Followed:
    """Every value of an attribute that the protocol removes, empties or replaces."""

    title = "What the protocol does not keep is not as it was"

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._pairs = self._kept = 0
        self._gone: Counter[str] = Counter()

    def see(self, pair: Opened) -> Iterator[str]:
        self._pairs += 1
        policy = self._policy.of(pair.before)
        for path, before, after in both(pair.before, pair.after):
            action = policy.action(path)
            self._kept += not action
            if action not in GONE or before.tag.is_private or not _tells(before):
                continue
            self._gone[action] += 1
            if before.value == after.value and not policy.stamps(path):
                yield f"{path}: as it was, although the protocol has it {GONE[action]}"

    def looked_at(self) -> str:
        return (
            f"{self._gone.total()} values in {self._pairs} pairs whose attribute is there still" if self._pairs else ""
        )

    def note(self) -> str:
        return f"{self._kept} values stand in attributes that the protocol keeps."


def _tells(element: DataElement) -> bool:
    """Whether the value says anything: it is not empty, not zero and no dummy."""
    if isinstance(element.value, bytes):
        return bool(element.value.strip(b"\0 "))
    return any(text not in DUMMIES and text.strip("0. ") for text in texts(element))
