"""What of an object's header should not be in a delivery: noticed while it is read, so that nothing is read twice.

What always holds: what is noticed names an attribute and never its value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from pydicom.datadict import tag_for_keyword

from cohortium.check import naming
from cohortium.dicom.elements import Elements
from cohortium.texts import attributes
from cohortium.texts.identifying import identifying

__all__ = ["ATTRIBUTE", "PRIVATE", "TEXT", "Notice", "noticed"]

Notice = tuple[str, str, str]  # kind, attribute, what is the matter
ATTRIBUTE, PRIVATE, TEXT = "attribute", "private", "text"
PATIENT_ID = 0x00100020
JUDGED_AS_TEXT = frozenset({"comment", "kind"})  # they may hold what vocabularies allow
HARMLESS = re.compile(r"(?i)removed|anonym(ous|ized|ised)|unknown|none|no value|0+|(?=.*[0-9])[0-9a-z]{16,64}|")
RETAINED = b"113111"  # Retain Safe Private Option (CID 7050)
LAST_CREATOR = 0xFF  # element numbers up to it name who reserved a block
METHODS, CODE = 0x00120064, 0x00080100


def noticed(found: Elements) -> frozenset[Notice]:
    """Attributes that identify and have a value, private ones that are not declared safe, and texts of a person's."""
    own = _text(found.get(PATIENT_ID, ("", b""))[1])
    seen = set(_elements(found, own, retained=_retains(found)))
    if own and naming.pseudonym(own) != own:
        seen.add((TEXT, "PatientID", "has blanks or carets, as names have them"))
        own = ""
    told = {attribute for _, attribute, _ in seen}
    for wrong in attributes.objections(found, own, kept=False):
        attribute = wrong.partition(" ")[0].rstrip(":")
        if attribute not in told:
            seen.add((TEXT, attribute, wrong.removeprefix(attribute).lstrip(": ").removeprefix("it ")))
    return frozenset(seen)


def _elements(found: Elements, own: str, *, retained: bool) -> Iterator[Notice]:
    kinds = _kinds()
    for tag, (_, value) in found.items():
        if tag >> 16 & 1:
            if not retained and tag & 0xFFFF > LAST_CREATOR:
                yield PRIVATE, f"({tag >> 16:04X},xx{tag & 0xFF:02X})", ""
        elif isinstance(value, list):
            for item in value:
                yield from _elements(item, own, retained=retained)
        elif tag in kinds and value:
            text = _text(value)
            if text != own and not HARMLESS.fullmatch(text):
                keyword, kind = kinds[tag]
                yield ATTRIBUTE, keyword, f"has a value ({kind})"


def _retains(found: Elements) -> bool:
    items = found.get(METHODS, ("", b""))[1]
    return isinstance(items, list) and any(_text(item.get(CODE, ("", b""))[1]).encode() == RETAINED for item in items)


def _text(value: object) -> str:
    """A value as letters that can be compared, whatever its character set."""
    return bytes(value).decode("latin-1").strip("\0 ") if isinstance(value, bytes | memoryview) else ""


@cache
def _kinds() -> dict[int, tuple[str, str]]:
    """Keyword and kind of each attribute that identifies, by tag."""
    every = {"PatientName": "name", **identifying()}
    known = ((tag_for_keyword(keyword), keyword, kind) for keyword, kind in every.items())
    return {tag: (keyword, kind) for tag, keyword, kind in known if tag is not None and kind not in JUDGED_AS_TEXT}
