"""Clean Structured Content (PS3.15 E.3.4): what the items of a content tree, and the codes in them, may keep.

Each item is judged by itself: its value type says which attributes it may have, the code of its concept whether its
value tells who somebody is. That is its kind, and `action` is what happens to an attribute in an item of that kind.
What cannot be judged keeps its place and nothing else, since references count places: an item becomes a comment without
words, a code becomes `Unknown`.
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from pydicom.datadict import tag_for_keyword

from cohortium.clinical import vocabulary
from cohortium.deidentify import standard
from cohortium.deidentify.actions import DUMMIES
from cohortium.dicom.charset import decode
from cohortium.dicom.plan import Context, Judge, Look, Path, SetItem, judged, kind_of, padded, unjudged
from cohortium.errors import Malformed
from cohortium.values import Action, Protocol

__all__ = [
    "OPTION",
    "action",
    "attributes",
    "cleans",
    "collapsed",
    "dummies",
    "holds_codes",
    "holds_content",
    "judge",
    "requires_value",
    "within",
]

DATA = files("cohortium.deidentify").joinpath("data")
OPTION = "Clean Structured Content"

RELATIONSHIP_TYPE, VALUE_TYPE, REFERENCED_CONTENT_ITEM = 0x0040A010, 0x0040A040, 0x0040DB73
CONCEPT_NAME, CONCEPT_CODE, NUMERIC_VALUE, TEXT_VALUE = 0x0040A043, 0x0040A168, 0x0040A30A, 0x0040A160
CODE_VALUE, CODING_SCHEME, CODE_MEANING = 0x00080100, 0x00080102, 0x00080104
LONG_CODE_VALUE, URN_CODE_VALUE = 0x00080119, 0x00080120
CODE_VALUES = CODE_VALUE, LONG_CODE_VALUE, URN_CODE_VALUE
VALUES = ("TextValue", "PersonName", "Date", "Time", "DateTime", "ReferencedDateTime")
CODE = re.compile(r"[!-[\]-~]{1,64}").fullmatch  # no spaces: words could stand there
OWN_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,15}").fullmatch

CLEAN, DUMMY, KEEP = "clean", "dummy", "keep"
STANDARD, OWN, OWN_IN_PART = "standard", "own", "own, in part"


class Kind(NamedTuple):
    """An item of content by its value type (empty: a reference), or of codes (None); and what is done to its value."""

    value_type: str | None
    treatment: str


class Concept(NamedTuple):
    """What a concept's values may keep (`dummy`: nothing; `keep`: text as it is), and what they are kept for."""

    values: str
    unless: str


def cleans(tag: int) -> bool:
    """Whether the option judges the items of a sequence wherever it stands."""
    return holds_content(tag) or tag == CONCEPT_NAME


def holds_content(tag: int) -> bool:
    """Whether the items of a sequence are content items."""
    return tag in _content_sequences()


def holds_codes(tag: int) -> bool:
    """Whether the items of a sequence are coded concepts."""
    return standard.keyword(tag).endswith("CodeSequence")


def judge(tag: int, kind: int, protocol: Protocol) -> Judge:
    """Who judges the items of the sequence `tag`, which itself lies in an item of `kind` (0: none)."""
    if holds_content(tag):
        retained = _retained(protocol)
        return lambda look, context: _content(look, context, retained)
    if kind and tag == CONCEPT_CODE and _kinds()[kind - 1].treatment == DUMMY:
        return _always(UNKNOWN_CODE)
    return _code


def dummies(tag: int) -> Judge | None:
    """Who puts a dummy in the place of each item of a sequence; None where there is no dummy."""
    item = DUMMY_ITEMS.get(tag, UNKNOWN_CODE if holds_codes(tag) else None)
    return _always(item) if item else None


def _always(item: SetItem) -> Judge:
    return lambda _look, _context: item


def attributes(kind: int) -> frozenset[int]:
    """The tags that an item of this kind may have."""
    value_type, treatment = _kinds()[kind - 1]
    if value_type is None:
        return _tags(tuple(_table()["codes"]["attributes" if treatment == STANDARD else "own"]))
    return _tags((*_table()["common"], *_table()["values"][value_type]))


def collapsed(path: Path) -> Path:
    """The shortest path with the same rules: of content within content only the innermost item counts."""
    if not within(path):
        return path
    tags, kind = unjudged(path), kind_of(path)
    content = [place for place, tag in enumerate(tags) if holds_content(tag) and path[place] != tag]
    if content:
        first, last = content[0], content[-1]
        tags = (*tags[:first], *judged((tags[last],), 1), *tags[last + 1 :])
    return judged((*tags[:-1], tags[-1] & 0xFFFFFFFF), kind) if kind else tags


def within(path: Path) -> bool:
    """Whether a path leads through an item that was judged."""
    return any(kind_of((step,)) for step in path)


def action(tag: int, path: Path) -> Action | None:
    """What happens to an attribute in a judged item; None where the protocol says it as everywhere."""
    kind = kind_of(path)
    if not kind:
        return Action.CLEAN if within(path) and holds_codes(tag) else None
    value_type, treatment = _kinds()[kind - 1]
    if tag not in attributes(kind):
        return Action.REMOVE
    if treatment == DUMMY and value_type == "NUM" and _of_value(tag):
        return Action.EMPTY
    if holds_content(tag) or holds_codes(tag):
        return Action.CLEAN
    if value_type is None:
        return _of_code(treatment, tag)
    if treatment == DUMMY and standard.keyword(tag) in VALUES:
        return Action.DUMMY
    if tag == TEXT_VALUE:
        return Action.KEEP if treatment == KEEP else Action.CLEAN
    return None


def requires_value(tag: int, path: Path) -> bool:
    """Whether an attribute that Table E.1-1 does not list must have a value in a judged item."""
    return kind_of(path) > 0 and tag in (TEXT_VALUE, CODE_MEANING)


def _of_value(tag: int) -> bool:
    return standard.keyword(tag) in _table()["values"]["NUM"]


def _of_code(treatment: str, tag: int) -> Action | None:
    if treatment == STANDARD:
        return None
    if tag == CODING_SCHEME or (treatment == OWN_IN_PART and tag in CODE_VALUES):
        return Action.DUMMY
    return Action.CLEAN if tag == CODE_MEANING else None


def _retained(protocol: Protocol) -> frozenset[str]:
    """What values are kept for: options, and `ages` where one keeps them and the protocol caps none."""
    ages = "Retain Patient Characteristics" in protocol.options and protocol.dates.ages != "cap"
    return frozenset((*protocol.options, *(("ages",) if ages else ())))


def _content(look: Look, context: Context, retained: frozenset[str]) -> int | SetItem:
    value_type, relationship = _text(look(VALUE_TYPE)), _text(look(RELATIONSHIP_TYPE))
    reference = bool(look(REFERENCED_CONTENT_ITEM))
    if value_type not in _table()["values"] or relationship not in ("", *_table()["relationships"]):
        return _removed(relationship)
    if reference != (not value_type):
        return _removed(relationship)
    treatment = _treatment(look, context, value_type, retained)
    if treatment == DUMMY and look(NUMERIC_VALUE):  # which may not be empty, and a made-up number would deceive
        return _removed(relationship)
    return _kinds().index(Kind(value_type, treatment)) + 1


def _treatment(look: Look, context: Context, value_type: str, retained: frozenset[str]) -> str:
    """What to do with the value of an item, by the concept that names it."""
    concept = _concepts().get((_text(look(CONCEPT_NAME, CODING_SCHEME)), _text(look(CONCEPT_NAME, CODE_VALUE))))
    if concept:
        return KEEP if concept.unless in retained else concept.values
    if value_type not in _table()["understood"]:
        return CLEAN
    kind = _code(lambda *tags: look(CONCEPT_NAME, *tags), context)
    return CLEAN if isinstance(kind, int) and _kinds()[kind - 1].treatment in (STANDARD, OWN) else DUMMY


def _code(look: Look, context: Context) -> int | SetItem:
    """A code of a scheme that the world shares stays; of any other, what its meaning says in radiology's own words."""
    scheme, value = _text(look(CODING_SCHEME)), "".join(_text(look(tag)) for tag in CODE_VALUES)
    if not CODE(value):
        return UNKNOWN_CODE
    if scheme in _table()["codes"]["standard"]:
        return _kinds().index(Kind(None, STANDARD)) + 1
    try:
        meaning = decode(look(CODE_MEANING), context.character_sets).strip()
    except Malformed:
        return UNKNOWN_CODE
    cleaned = vocabulary.clean(meaning)
    if not cleaned or "\\" in meaning:
        return UNKNOWN_CODE
    return _kinds().index(Kind(None, OWN if cleaned == meaning and OWN_CODE(value) else OWN_IN_PART)) + 1


def _coded(value: str, scheme: str, meaning: str) -> SetItem:
    return (
        (CODE_VALUE, "SH", padded(value.encode(), "SH")),
        (CODING_SCHEME, "SH", padded(scheme.encode(), "SH")),
        (CODE_MEANING, "LO", padded(meaning.encode(), "LO")),
    )


UNKNOWN_CODE = _coded("261665006", "SCT", "Unknown")
DUMMY_ITEMS: Mapping[int, SetItem] = {
    0x00081072: (  # operators
        (0x00080080, "LO", padded(DUMMIES["LO"], "LO")),
        (0x00401101, "SQ", (UNKNOWN_CODE,)),
    ),
    0x0040A073: (  # verifying observers
        (0x0040A027, "LO", padded(DUMMIES["LO"], "LO")),
        (0x0040A030, "DT", DUMMIES["DT"]),
        (0x0040A075, "PN", padded(DUMMIES["PN"], "PN")),
        (0x0040A088, "SQ", ()),
    ),
}
"""What stands in the place of each operator and verifying observer (D in Table E.1-1), by sequence."""


def _removed(relationship: str) -> SetItem:
    """What stands in the place of an item that could not be judged."""
    known = relationship if relationship in _table()["relationships"] else "CONTAINS"
    return (
        *(((RELATIONSHIP_TYPE, "CS", padded(known.encode(), "CS")),) if relationship else ()),
        (VALUE_TYPE, "CS", b"TEXT"),
        (CONCEPT_NAME, "SQ", (_coded("121106", "DCM", "Comment"),)),
        (TEXT_VALUE, "UT", padded(DUMMIES["UT"], "UT")),
    )


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip(" \0")


@cache
def _kinds() -> tuple[Kind, ...]:
    """Every kind; the number of one is its place, from 1 on."""
    content = (Kind(value_type, each) for value_type in _table()["values"] for each in (CLEAN, DUMMY, KEEP))
    return (*content, *(Kind(None, each) for each in (STANDARD, OWN, OWN_IN_PART)))


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads((DATA / "content.toml").read_text("utf-8"))


@cache
def _concepts() -> Mapping[tuple[str, str], Concept]:
    with (DATA / "concepts.csv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file)
        return {(row["scheme"], row["code"]): Concept(row["values"], row["unless"]) for row in rows}


@cache
def _content_sequences() -> frozenset[int]:
    return _tags(tuple(_table()["sequences"]))


@cache
def _tags(keywords: tuple[str, ...]) -> frozenset[int]:
    return frozenset(int(tag_for_keyword(keyword) or 0) for keyword in keywords)
