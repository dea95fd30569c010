"""The DICOM standard's word on de-identification, as data: Table E.1-1 of PS3.15, the types of PS3.3, what pixels risk.

Nothing here decides for a study; `protocol` does. What the tables do not say, these functions do not guess: an unlisted
attribute has no code, an attribute that an IOD does not name has type 3, pictures not known to be plain are a risk.
The tables are read once, on first use.
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag, repeater_has_tag, tag_for_keyword

from cohortium.values import Action

__all__ = [
    "Option",
    "Unlisted",
    "attribute_type",
    "basic",
    "date_of",
    "editions",
    "has_plain_pixels",
    "is_known",
    "keyword",
    "option",
    "options",
    "pixel_risk",
    "requires_pixels",
    "resolve",
    "safe_private",
    "sequences",
    "shows_pictures",
    "storage_sop_classes",
    "transfer_syntaxes",
    "typed",
    "unlisted",
    "vr",
]

DATA = Path(__file__).with_name("data")
EDITION = "2026c"  # of the table; its options are those of 2024e
STRICTEST_FIRST = ("1", "1C", "2", "2C", "3")
PATTERN = "x"  # stands for any hexadecimal digit in a tag such as 60xx3000


@dataclass(frozen=True, slots=True)
class Option:
    """An option of PS3.15 Annex E: its column in our table and its code in CID 7050."""

    name: str
    column: str
    code: str


@dataclass(frozen=True, slots=True)
class Unlisted:
    """What we do with an attribute that Table E.1-1 forgets, or (`whole_group`) with all tags of a pattern."""

    action: Action
    reason: str
    whole_group: bool


def basic(tag: int, edition: str = EDITION) -> str:
    """The code of the Basic Profile for `tag` (`X`, `Z/D`, ...); empty where Table E.1-1 does not list it."""
    row = _confidentiality(tag)
    return editions()[edition].get(row["keyword"], row["basic"]) if row else ""


@cache
def editions() -> Mapping[str, Mapping[str, str]]:
    """The editions whose Basic Profile is known, and by keyword the codes that are other than those of the newest."""
    return {EDITION: {}, **tomllib.loads((DATA / "editions.toml").read_text("utf-8"))}


def option(name: str, tag: int) -> str:
    """`K`, `C` or nothing: what the option of PS3.15 Annex E called `name` says of `tag`."""
    row, column = _confidentiality(tag), options()[name].column
    return row[column] if row and column else ""


@cache
def options() -> Mapping[str, Option]:
    """Every option of PS3.15 Annex E by its name there, without the word Option."""
    return {row["name"]: Option(row["name"], row["column"], row["code"]) for row in _rows("options.csv")}


def safe_private() -> Iterator[dict[str, str]]:
    """The private attributes known to be safe, those of one group, creator, VR and fate in a row."""
    return _rows("safe_private.csv")


def date_of(keyword: str) -> str:
    """Whose date the attribute holds: `device` or `definition`; empty where it is the subject's."""
    return _dates().get(keyword, "")


@lru_cache(4096)
def unlisted(tag: int) -> Unlisted | None:
    """Our own rule for a `tag` that is not in Table E.1-1, if there is one; `docs/decisions` says why there are any."""
    row = _unlisted_table().find(tag)
    return Unlisted(Action(row["action"]), row["reason"], whole_group=not row["keyword"]) if row else None


@lru_cache(4096)
def is_known(tag: int) -> bool:
    """Whether `tag` is public and either in the data dictionary or in Table E.1-1, which is newer."""
    if tag >> 16 & 1:
        return False
    return dictionary_has_tag(tag) or repeater_has_tag(tag) or _confidentiality(tag) is not None


def keyword(tag: int) -> str:
    """The keyword of a public attribute; its tag as 8 hexadecimal digits where it has none."""
    return keyword_for_tag(tag) or f"{tag:08x}"


def vr(tag: int) -> str:
    """The value representation that the data dictionary gives `tag`; empty where it does not know it."""
    return dictionary_VR(tag) if dictionary_has_tag(tag) or repeater_has_tag(tag) else ""


def resolve(code: str, type_: str) -> Action:
    """The action that a code of Table E.1-1 asks for where the attribute has `type_` (PS3.15 Table E.1-1a).

    A compound code starts with what is best for privacy and ends with what keeps the IOD valid: remove where type 3
    allows it, empty where type 2 asks for presence, a dummy where type 1 asks for a value. `Z` alone covers "zero
    length, or a dummy", so it is a dummy for type 1. References stay, mapped, wherever the IOD asks for them. Absent
    attributes are never added, so a condition (`1C`, `2C`) counts as met.
    """
    needs_value, needs_presence = type_ in ("1", "1C"), type_ in ("2", "2C")
    match code:
        case "X/Z/U*" if needs_value or needs_presence:
            return Action.UID
        case "Z" | "X/Z" | "Z/D" | "X/Z/D" | "X/D" if needs_value:
            return Action.DUMMY
        case "X/D" if needs_presence:
            return Action.DUMMY
        case "X/Z" | "X/Z/D" if needs_presence:
            return Action.EMPTY
        case "Z/D":
            return Action.EMPTY
        case "X/Z" | "X/D" | "X/Z/D" | "X/Z/U*":
            return Action.REMOVE
        case _:
            return Action(code)


def attribute_type(sop_class_uid: str, attribute: str | int, path: tuple[str | int, ...] = ()) -> str:
    """`1`, `1C`, `2`, `2C` or `3`: the strictest type among the IOD's modules that hold `attribute` in these sequences.

    Attributes and sequences go by keyword or tag. A module counts whatever its usage: to remove what an optional module
    requires would leave that module invalid. On record are the attributes of Table E.1-1, and free texts.
    """
    name, *sequences = (keyword(part) if isinstance(part, int) else part for part in (attribute, *path))
    return _types(_iods().get(sop_class_uid, "")).get(("/".join(sequences), name), "3")


@lru_cache(64)
def typed(sop_class_uid: str) -> Mapping[tuple[int, ...], frozenset[int]]:
    """By path, the tags of Table E.1-1 that the IOD of a SOP class gives a type there."""
    found: dict[tuple[int, ...], set[int]] = {}
    for path, name in _types(_iods().get(sop_class_uid, "")):
        tags = tuple(tag_for_keyword(each) or 0 for each in path.split("/")) if path else ()
        found.setdefault(tags, set()).add(tag_for_keyword(name) or 0)
    return {path: frozenset(tags) for path, tags in found.items()}


@cache
def sequences(sop_class_uid: str) -> Mapping[int, tuple[int, ...]]:
    """By tag, the path of each sequence that `typed` has."""
    return {tag: path for path, tags in typed(sop_class_uid).items() for tag in tags if vr(tag) == "SQ"}


@cache
def storage_sop_classes() -> Mapping[str, str]:
    """Name by UID of every SOP class whose objects are stored and belong to one patient."""
    return {row["uid"]: row["name"] for row in _rows("sop_classes.csv")}


def transfer_syntaxes() -> frozenset[str]:
    """UIDs of the transfer syntaxes whose objects can be carried through."""
    return frozenset(_pixel_rules()["transfer_syntaxes"])


def pixel_risk(sop_class_uid: str, modality: str, burned_in: str, image_type: str = "") -> str | None:
    """Why pixels, document or sound of an object may identify the patient, in plain words; None where nothing says so.

    The arguments are values of SOPClassUID, Modality, BurnedInAnnotation and ImageType, empty where absent. The words
    never repeat them.
    """
    rules, iod = _pixel_rules(), _iods().get(sop_class_uid, "")
    if burned_in.strip().upper() == "YES":
        return "BurnedInAnnotation is YES"
    if iod in rules["reasons"]:
        return str(rules["reasons"][iod])
    if not iod:
        return "a SOP class that is not on the list"
    if iod not in rules["plain"]:
        return "pictures of this kind may carry text" if shows_pictures(iod) else None
    if modality.strip() not in rules["plain_modalities"]:
        return "pictures of this modality may carry text" if modality.strip() else "Modality is missing"
    if shows_a_screen(image_type):
        return "a picture of a screen"
    if attribute_type(sop_class_uid, "BurnedInAnnotation") == "1" and burned_in.strip().upper() != "NO":
        return "BurnedInAnnotation is required and is not NO"
    return None


def shows_a_screen(image_type: str) -> bool:
    """Whether ImageType says that the picture is one of a screen."""
    return any(value.strip().upper() in _pixel_rules()["screens"] for value in image_type.split("\\"))


def iod(sop_class_uid: str) -> str:
    """The IOD of a SOP class, as the tables name it; empty where the class is not on the list."""
    return _iods().get(sop_class_uid, "")


def has_plain_pixels(sop_class_uid: str) -> bool:
    """Whether objects of the class have pictures that need no look first; pixels in any other do not belong there."""
    return _iods().get(sop_class_uid, "") in _pixel_rules()["plain"]


def requires_pixels(sop_class_uid: str) -> bool:
    """Whether an object of the class without a picture is no whole object (a mandatory Image Pixel module)."""
    return _usages().get(_iods().get(sop_class_uid, ""), {}).get("image-pixel") == "M"


@cache
def _pixel_rules() -> Mapping[str, Any]:
    return tomllib.loads((DATA / "pixel_risk.toml").read_text("utf-8"))


@cache
def _iods() -> Mapping[str, str]:
    return {row["uid"]: row["iod"] for row in _rows("sop_classes.csv")}


@cache
def _usages() -> Mapping[str, Mapping[str, str]]:
    """By IOD, the usage of each of its modules."""
    found: dict[str, dict[str, str]] = {}
    for row in _rows("iod_modules.csv"):
        found.setdefault(row["iod"], {})[row["module"]] = row["usage"]
    return found


def shows_pictures(iod: str) -> bool:
    """Whether objects of an IOD hold pictures."""
    return any("image-pixel" in module for module in _usages().get(iod, ())) or "rt-image" in iod


@lru_cache(64)
def _types(iod: str) -> Mapping[tuple[str, str], str]:
    """Type by (path, keyword) for one IOD."""
    found: dict[tuple[str, str], str] = {}
    for module in _usages().get(iod, ()):
        for path, types in _modules().get(module, ()):
            for entry in types.split():
                name, _, kind = entry.partition(":")
                found[path, name] = min(kind, found.get((path, name), "3"), key=STRICTEST_FIRST.index)
    return found


@cache
def _modules() -> Mapping[str, list[tuple[str, str]]]:
    """By module, its paths and what is typed there, as it is written: to read all of it takes long."""
    found: dict[str, list[tuple[str, str]]] = {}
    with (DATA / "module_types.csv").open(encoding="utf-8") as lines:
        for line in lines:
            module, path, types = line.rstrip("\n").split(",")
            found.setdefault(module, []).append((path, types))
    return found


@lru_cache(4096)
def _confidentiality(tag: int) -> Mapping[str, str] | None:
    table = _confidentiality_table()
    return table.rows["odd"] if tag >> 16 & 1 else table.find(tag)


@cache
def _confidentiality_table() -> _Table:
    return _Table("confidentiality.csv")


@cache
def _dates() -> Mapping[str, str]:
    return {row["keyword"]: row["of"] for row in _rows("dates.csv")}


@cache
def _unlisted_table() -> _Table:
    return _Table("unlisted.csv")


class _Table:
    """Rows by tag, some of which stand for every tag that matches a pattern."""

    def __init__(self, name: str) -> None:
        self.rows = {row["tag"]: row for row in _rows(name)}
        self.patterns = [(re.compile(tag.replace(PATTERN, ".")), tag) for tag in self.rows if PATTERN in tag]

    def find(self, tag: int) -> Mapping[str, str] | None:
        """The row of `tag` itself, else of the first pattern that it matches."""
        digits = f"{tag:08x}"
        if digits in self.rows:
            return self.rows[digits]
        return next((self.rows[key] for pattern, key in self.patterns if pattern.fullmatch(digits)), None)


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
