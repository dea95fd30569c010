"""What the protocol of a run keeps, by the run's record, and which texts of an object it keeps and which not.

Every value counts as not kept unless the attribute and all sequences around it are kept; of a private element the
record says nothing, so it is kept only where the output says that safe ones were retained and holds it unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filereader import dcmread

from cohortium.verify.elements import RETAIN_PRIVATE, UNREADABLE, declared, each, strings
from cohortium.verify.patterns import searchable, words
from cohortium.verify.record import Record

__all__ = ["Matching", "Policy", "Told", "pieces"]

ENTERED = ("K", "U", "C", "D")  # actions under which a sequence stays and what is in it is judged by itself
CLEANED = "C"
FREE_TEXT = frozenset({"LT", "ST", "UT"})
STAMPS = frozenset(
    {
        "BurnedInAnnotation", "DeidentificationMethod", "DeidentificationMethodCodeSequence", "ImplementationClassUID",
        "ImplementationVersionName", "LongitudinalTemporalInformationModified", "PatientIdentityRemoved",
        "RecognizableVisualFeatures",
    }
)  # fmt: skip
"""Written by the de-identification itself."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The actions of a protocol by keyword, for all attributes that it does not keep, and by class for sequences."""

    actions: Mapping[str, str]
    sequences: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of(self, dataset: Dataset) -> Policy:
        """What holds for objects of the data set's SOP class."""
        own = self.sequences.get(str(dataset.get("SOPClassUID")))
        return Policy({**self.actions, **own}) if own else self

    def action(self, path: str) -> str:
        """The code of the action at a path of keywords; empty where the value there is kept."""
        *above, name = path.split("/")
        if name.startswith("(") or any(self.actions.get(each, "U") not in ENTERED for each in above):
            return "X"
        return self.actions.get(name, "")

    def keeps(self, path: str) -> bool:
        return not self.action(path)

    def cleans(self, path: str) -> bool:
        return self.action(path) == CLEANED

    def stamps(self, path: str) -> bool:
        """Whether what stands there is the de-identification's own."""
        return path.partition("/")[0] in STAMPS


@dataclass(frozen=True, slots=True)
class Told:
    """The texts of an input, whole and by words, in lower case: which the protocol keeps, and which not.

    `cleaned` are those of the latter that stood in descriptions from which the protocol lets ordinary words stay.
    What is kept is one text, for what stands within a kept text is kept too.
    """

    policy: Policy
    kept: str
    gone: frozenset[str]
    cleaned: frozenset[str]


class Matching:
    """The input of each output (by its path below DST), and the rules under which the one became the other."""

    def __init__(self, record: Record, pairs: Mapping[str, tuple[Path, Path]]) -> None:
        self.policy = Policy(record.actions, record.sequences)
        self._pairs = pairs
        self._last = lru_cache(maxsize=1)(self._told)

    def told(self, name: str) -> Told | None:
        """What the matching input tells; None where there is none, or pydicom cannot read it."""
        return self._last(name)

    def _told(self, name: str) -> Told | None:
        if name not in self._pairs:
            return None
        try:
            before, after = (dcmread(path) for path in self._pairs[name])
        except UNREADABLE:
            return None
        safe = _private(after) if RETAIN_PRIVATE in declared(after) else frozenset()
        policy, left = self.policy.of(before), {path for path, _ in safe}
        kept, gone, cleaned = set[str](), set[str](), set[str]()
        for path, element in _elements(before):
            found = {text.lower() for text in pieces(element)}
            if policy.keeps(path) or (path, str(element.value)) in safe:
                kept |= found
                continue
            gone |= found
            if policy.cleans(path) or (path in left and element.VR in FREE_TEXT):
                cleaned |= found
        return Told(policy, "\n".join(kept), frozenset(gone), frozenset(cleaned))


def _private(dataset: Dataset) -> frozenset[tuple[str, str]]:
    """The private elements of a data set: where each is and what it holds."""
    return frozenset((path, str(element.value)) for path, element in _elements(dataset) if element.tag.is_private)


def _elements(dataset: Dataset) -> Iterator[tuple[str, DataElement]]:
    for part in (dataset.file_meta, dataset):
        yield from ((path, element) for path, element in each(part) if element.VR != "SQ")


def pieces(element: DataElement) -> Iterator[str]:
    """The texts of an element that are worth searching for: whole, by the parts of a name, and by words."""
    for text in strings(element):
        parts = (*text.split("="), *text.replace("=", "^").split("^")) if element.VR == "PN" else ()
        yield from (each.strip() for each in {text, *parts} if searchable(each))
        yield from words(text)
