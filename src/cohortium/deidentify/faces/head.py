"""Whether an object may show a head's surface, from its header alone, as it came.

What always holds: where the header does not rule a head out, it may show one.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from pydicom import Dataset

from cohortium.deidentify import standard
from cohortium.dicom import codecs

__all__ = ["may_show", "method", "tables"]


def may_show(dataset: Dataset) -> bool:
    """Whether the object, or a series of its like, may show a face."""
    try:
        kind = standard.iod(str(dataset.get("SOPClassUID", "")))
        if not _pictures(kind):
            return False
        if str(dataset.get("RecognizableVisualFeatures", "")).strip().upper() == "YES":
            return True
        words = set(_words(dataset))
    except codecs.BAD_INPUT:
        return True
    texts = tables()["texts"]
    return _named(words, texts["head"], texts["head_stems"]) or not _named(words, texts["other"], texts["other_stems"])


def method(sop_class: str) -> str:
    """How a face is removed from objects of the class: `skin`, `shear`, or empty where nothing is known to work."""
    return str(tables()["methods"].get(standard.iod(sop_class), ""))


@cache
def tables() -> Mapping[str, Any]:
    """`head.toml`, read."""
    return tomllib.loads(files("cohortium.deidentify.faces").joinpath("head.toml").read_text("utf-8"))


def _pictures(kind: str) -> bool:
    kinds = tables()["kinds"]
    return kind in kinds["shapes"] or (kind not in kinds["never"] and standard.shows_pictures(kind))


def _named(words: set[str], whole: list[str], stems: list[str]) -> bool:
    return not words.isdisjoint(whole) or any(word.startswith(tuple(stems)) for word in words)


def _words(dataset: Dataset) -> Iterator[str]:
    for keyword in tables()["texts"]["attributes"]:
        yield from _folded(str(dataset.get(keyword) or ""))
    for item in _regions(dataset):
        yield from _folded(str(item.get("CodeMeaning") or ""))


def _regions(dataset: Dataset) -> Iterator[Dataset]:
    """The coded regions of the object itself and of its functional groups (PS3.3 C.7.6.16.2.8)."""
    yield from dataset.get("AnatomicRegionSequence") or ()
    groups = (*(dataset.get("SharedFunctionalGroupsSequence") or ()),)
    for group in groups:
        for anatomy in group.get("FrameAnatomySequence") or ():
            yield from anatomy.get("AnatomicRegionSequence") or ()


def _folded(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text).casefold()
    return re.findall("[a-z]+", "".join(each for each in plain if not unicodedata.combining(each)))
