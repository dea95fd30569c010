"""Texts in a DICOM file that comes on no site's word: what people type there is judged by allowing, as in other files.

A descriptor, or a text of a content item, may be made of numbers that are no identifiers, of the vocabularies, and of
the file's own pseudonym. In the other texts, which devices write, nothing may look like a person's, and a person's
name is empty, a dummy or a hash. No objection holds a value. Descriptions repeat over a series, so a judgement is
remembered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

from pydicom.datadict import keyword_for_tag, tag_for_keyword

from cohortium.clinical import vocabulary
from cohortium.dicom import charset
from cohortium.dicom.charset import SPECIFIC_CHARACTER_SET
from cohortium.dicom.elements import Elements
from cohortium.errors import Malformed
from cohortium.texts.said import Said
from cohortium.texts.wording import DATE, TELEPHONE, objection

__all__ = ["descriptors", "objections"]

DESCRIPTORS = Path(__file__).with_name("descriptors.txt")
TEXTS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
IDENTIFIED = frozenset(filter(None, map(tag_for_keyword, ("PatientID", "PatientName"))))  # judged by `inspection`
CODES = re.compile(r"(ID|Number|Numbers|Version|Versions|CodeValue|UID|Designator|Method)$")  # of devices and schemes
DUMMY = "REMOVED"  # what stands where an attribute must have a value
HASH = re.compile(r"(?=.*[0-9])[0-9A-Za-z]{16,64}")
MUCH = 1 << 10  # bytes of a text that is not worth remembering


def objections(found: Elements, own: str, *, kept: bool) -> Iterator[str]:
    """What is wrong with the texts at every depth; `own` is the file's pseudonym.

    `kept`: the project's protocol leaves descriptors as they came, so nothing in them may look like a person's.
    """
    for vr, tag, value, sets in _texts(found, b""):
        judge = _wrong if len(value) < MUCH else _wrong.__wrapped__
        if judge(vr, tag, value, sets, "", kept) and (wrong := _wrong.__wrapped__(vr, tag, value, sets, own, kept)):
            yield wrong


def _texts(found: Elements, sets: bytes) -> Iterator[tuple[str, int, bytes, bytes]]:
    """VR, tag, value and character sets of each text."""
    if SPECIFIC_CHARACTER_SET in found:
        sets = bytes(found[SPECIFIC_CHARACTER_SET][1])  # type: ignore[arg-type]
    for tag, (vr, value) in found.items():
        if isinstance(value, list):
            for item in value:
                yield from _texts(item, sets)
        elif vr in TEXTS and value and tag not in IDENTIFIED:
            yield vr, tag, bytes(value), sets


@lru_cache(maxsize=1 << 13)
def _wrong(vr: str, tag: int, value: bytes, sets: bytes, own: str, kept: bool) -> str:
    """What is wrong with one text, empty where nothing is."""
    keyword = keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    try:
        text = charset.decode(value, charset.character_sets(sets)).strip("\0 ")
    except Malformed:
        return f"{keyword} holds what its character set has no letters for"
    known = frozenset({own} if own else ())
    if text in {"", own, DUMMY}:
        return ""
    if vr == "PN" and not kept:
        return "" if HASH.fullmatch(text) else f"{keyword} holds a person's name"
    if not kept and tag in descriptors():
        return next(filter(None, (_told(keyword, each.strip(), known) for each in text.split("\\"))), "")
    if "@" in text or (not CODES.search(keyword) and (DATE.search(text) or TELEPHONE.search(text))):
        return f"{keyword} holds what looks like a date, an address or a telephone number"
    return ""


def _told(keyword: str, text: str, known: frozenset[str]) -> str:
    cleaned = vocabulary.clean(text)
    return "" if cleaned == text else objection(Said(keyword, text), known)


@cache
def descriptors() -> frozenset[int]:
    """The attributes in which people write."""
    lines = DESCRIPTORS.read_text("utf-8").splitlines()
    return frozenset(tag for line in lines if not line.startswith("#") and (tag := tag_for_keyword(line)) is not None)
