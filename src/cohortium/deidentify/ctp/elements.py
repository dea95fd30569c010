"""The values of attributes as text, as CTP's toolkit gives them to a script.

A multiple value is one text with backslashes; what is no text (numbers, tags) is written out, sequences and what is
absent are None. Bytes that cannot be decoded become replacement characters; nothing here raises for any value.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

from cohortium.deidentify.ctp import java, names

__all__ = ["contents", "element", "has", "private_tag", "text_of", "vr_of"]

FILE_META = 0x00080000
SPECIFIC_CHARACTER_SET = 0x00080005
DEFAULT_SET = "latin-1"
DELIMITERS = {ord(character) for character in "\\\r\n\t\f^="}
BOTH_ENDS = frozenset(("AE", "CS", "DS", "IS", "LO", "SH"))
BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "SV": "q", "UV": "Q"}
PRIVATE = re.compile(r"([0-9a-fA-F]{1,4}),?(?:00)?\[([^\]]*)\],?([0-9a-fA-F]{1,2})?")
Element = DataElement | RawDataElement


def element(dataset: Dataset, meta: Dataset | None, tag: int) -> Element | None:
    """The attribute `tag` as it lies in the dataset, or, of the groups below 0008, in the file meta information."""
    if tag < FILE_META:
        dataset = meta if meta is not None else Dataset()
    return dataset.get_item(tag) if has(dataset, tag) else None


def has(dataset: Dataset, tag: int) -> bool:
    """Whether the dataset itself holds the attribute; a tag of 0 is nothing."""
    return bool(tag) and tag in dataset


def contents(
    specifier: str, dataset: Dataset, root: Dataset, meta: Dataset | None, private: Mapping[str, int]
) -> str | None:
    """The value that a script's word for an attribute means: a name or tag, `root:` before it, `::` between sequences.

    `private` are the script's own names of private attributes, in lower case.
    """
    specifier = java.trim(specifier)
    if specifier.startswith("root:"):
        specifier, dataset = java.trim(specifier[5:]), root
    steps = java.split(specifier, "::")
    for number, step in enumerate(steps, 1):
        tag = names.tag_of(step) or private.get(step.lower(), 0) or private_tag(dataset, step)
        found = element(dataset, meta, tag)
        if found is None:
            return None
        if number == len(steps):
            return text_of(found, dataset)
        items = _items(found, dataset)
        if not items:
            return None
        dataset = items[0]
    return None


def private_tag(dataset: Dataset, name: str) -> int:
    """The tag of `gggg[creator]ee`, or of the creator's own element for `gggg00[creator]`; 0 where nobody claims it.

    Creators count as the same whatever their case.
    """
    name = java.trim(name)
    if name[:1] + name[-1:] in ("[]", "()"):
        name = java.trim(name[1:-1])
    match = PRIVATE.fullmatch(name)
    if match is None or not int(match[1], 16) & 1:
        return 0
    group, wanted = int(match[1], 16) << 16, java.trim(match[2]).upper()
    for block in range(1, 256):
        creator = element(dataset, None, group | block) if group | block >= FILE_META else None
        if creator is not None and java.trim(text_of(creator, dataset) or "").upper() == wanted:
            return group | block << 8 | int(match[3], 16) if match[3] else group | block
    return 0


def text_of(found: Element, dataset: Dataset) -> str | None:
    """The value of an element as one text; None for a sequence."""
    vr = vr_of(found)
    if vr == "SQ":
        return None
    value = found.value
    if isinstance(found, RawDataElement):
        text = _decoded(vr, value or b"", found.is_little_endian, dataset)
    else:
        text = _written(vr, value)
    return _trimmed(vr, text)


def _items(found: Element, dataset: Dataset) -> Sequence[Dataset]:
    if vr_of(found) != "SQ":
        return ()
    value = dataset[found.tag].value if isinstance(found, RawDataElement) else found.value
    return value or ()


def vr_of(found: Element) -> str:
    """The VR of an element, by the dictionary where it states none."""
    vr = str(found.VR or "")
    if vr and not (vr == "UN" and isinstance(found, DataElement)):
        return vr
    return str(dictionary_VR(found.tag))[:2] if dictionary_has_tag(found.tag) else "UN"


def _decoded(vr: str, value: bytes, little: bool, dataset: Dataset) -> str:
    if vr in BINARY:
        size = struct.calcsize(BINARY[vr])
        count = len(value) // size
        numbers = struct.unpack(f"{'<' if little else '>'}{count}{BINARY[vr]}", value[: count * size])
        return "\\".join(_number(vr, number) for number in numbers)
    if vr == "AT":
        words = struct.unpack(f"{'<' if little else '>'}{len(value) // 4 * 2}H", value[: len(value) // 4 * 4])
        return "\\".join(f"{group:04X}{word:04X}" for group, word in zip(words[::2], words[1::2], strict=True))
    if vr in ("OB", "OD", "OF", "OL", "OV", "OW", "UN"):
        return _hexadecimal(value)
    return _text(value, dataset)


def _written(vr: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes | bytearray):
        return _hexadecimal(bytes(value))
    values = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return "\\".join(_one(vr, each) for each in values)


def _one(vr: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return _hexadecimal(value)
    if vr == "AT" and isinstance(value, int):
        return f"{value:08X}"
    return _number(vr, value) if vr in BINARY else str(value)


def _number(vr: str, value: Any) -> str:
    if vr not in ("FL", "FD"):
        return str(value)
    if vr == "FD":
        return java.floating(repr(float(value)))
    for digits in range(1, 10):  # the shortest that is this single and no other
        text = f"{value:.{digits}g}"
        if struct.pack("<f", float(text)) == struct.pack("<f", value):
            return java.floating(repr(float(text)))
    return java.floating(repr(float(value)))


def _hexadecimal(value: bytes) -> str:
    return "\\".join(f"{byte:02X}" for byte in value)


def _text(value: bytes, dataset: Dataset) -> str:
    try:
        return decode_bytes(value, _character_sets(dataset), DELIMITERS)
    except (LookupError, ValueError):
        return value.decode("latin-1")


def _character_sets(dataset: Dataset) -> list[str]:
    """Python's names of the sets that the dataset states, else those of the one around it, else Latin-1."""
    stated = dataset.get_item(SPECIFIC_CHARACTER_SET) if SPECIFIC_CHARACTER_SET in dataset else None
    words = [word.strip() for word in _plain(stated).split("\\")] if stated is not None else []
    sets = convert_encodings(words) if any(words) else getattr(dataset, "_parent_encoding", DEFAULT_SET)
    return [sets] if isinstance(sets, str) else list(sets)


def _plain(found: Element) -> str:
    if isinstance(found, RawDataElement):
        return (found.value or b"").decode("latin-1").strip(" \0")
    return _written("CS", found.value)


def _trimmed(vr: str, text: str) -> str:
    if vr in BOTH_ENDS:
        return text.rstrip(" \0").lstrip(" ")
    if vr == "PN":
        return text.rstrip(" \0^")
    return text if vr == "AS" else text.rstrip(" \0")
