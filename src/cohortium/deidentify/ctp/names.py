"""The names by which CTP scripts call attributes: those of the toolkit that CTP is built on, not the keywords of PS3.6.

Most follow from the keyword by four abbreviations; `names.csv` lists the others. A name that CTP does not know reads as
an absent attribute there, so nothing here guesses: a keyword of PS3.6 that CTP spells otherwise is unknown.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary

__all__ = ["hexadecimal", "spelling", "tag_of"]

TABLE = Path(__file__).with_name("names.csv")
ABBREVIATIONS = (
    (re.compile("Sequence$|^Sequence(?=Of)"), "Seq"),
    (re.compile("Referenced"), "Ref"),
    (re.compile("AETitle"), "AET"),
    (re.compile("LookupTable"), "LUT"),
)
DIGITS = re.compile("[0-9a-fA-F]{1,8}")
PAIR = re.compile("([0-9a-fA-F]{0,4}),([0-9a-fA-F]{1,4})")
LARGEST = 0x7FFFFFFF  # CTP reads a tag as a signed number


def tag_of(name: str) -> int:
    """The tag that CTP takes a name or a hexadecimal tag (`00100010`, `0010,0010`, `[0010,0010]`) for; 0 for none."""
    name = name.strip()
    if name[:1] + name[-1:] in ("{}", "[]", "()"):
        name = name[1:-1].strip()
    return _tags().get(name) or hexadecimal(name)


def hexadecimal(text: str) -> int:
    """The tag that hexadecimal digits stand for, with or without a comma; 0 for none."""
    if DIGITS.fullmatch(text):
        tag = int(text, 16)
        return tag if tag <= LARGEST else 0
    pair = PAIR.fullmatch(text)
    return int(pair[1] or "0", 16) << 16 | int(pair[2], 16) if pair else 0


def spelling(keyword: str) -> str:
    """How CTP writes a keyword of PS3.6; empty where it has no name for it."""
    return _spellings().get(keyword, "")


@cache
def _tags() -> Mapping[str, int]:
    keywords = _keywords()
    listed: dict[str, int] = {}
    with TABLE.open(encoding="ascii", newline="") as file:
        for row in csv.DictReader(file):
            listed[row["name"]] = int(row["tag"], 16)
    regular = {_abbreviated(keyword): tag for keyword, tag in keywords.items() if tag not in listed.values()}
    return regular | listed


@cache
def _spellings() -> Mapping[str, str]:
    by_tag = {tag: name for name, tag in _tags().items()}
    return {keyword: by_tag[tag] for keyword, tag in _keywords().items() if tag in by_tag}


@cache
def _keywords() -> Mapping[str, int]:
    found = {entry[4]: tag for tag, entry in DicomDictionary.items() if entry[4]}
    for mask, entry in RepeatersDictionary.items():
        found.setdefault(entry[4], int(mask.replace("x", "0"), 16))
    return found


def _abbreviated(keyword: str) -> str:
    for pattern, short in ABBREVIATIONS:
        keyword = pattern.sub(short, keyword)
    return keyword
