"""DICOM JSON (PS3.18 Annex F) of a data set, made once when it comes in; afterwards only bytes are joined.

A value of many bytes stands in the document by reference. The reference is relative to its instance, and `placed` makes
it absolute in a stored document without parsing it: within a JSON text the mark `REFERENCE` can only be a key.
"""

from __future__ import annotations

import base64
import json
import math
import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

__all__ = [
    "BULK_PATH",
    "Elements",
    "bulk",
    "document",
    "items",
    "pack",
    "placed",
    "tag_of",
    "texts",
    "unpack",
    "values",
]

Document = dict[str, Any]
Elements = Mapping[int, tuple[str, Any]]

BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
NUMBERS = {"FL": "f", "FD": "d", "SL": "i", "SS": "h", "SV": "q", "UL": "I", "US": "H", "UV": "Q"}
IN_CHARACTER_SET = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
UNDIVIDED = frozenset({"LT", "ST", "UR", "UT"})  # a backslash in these is only a backslash
DELIMITERS = {0x0A, 0x0C, 0x0D, 0x5C}  # after these a character set starts anew (PS3.5 6.1.2.5.3)
IN_NAMES = {*DELIMITERS, 0x3D, 0x5E}
WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
INLINE = 1024  # bytes of a binary value that still stands in the document
PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
SPECIFIC_CHARACTER_SET, PIXEL_REPRESENTATION = 0x00080005, 0x00280103
REFERENCE = b'"BulkDataURI":"'
BULK_PATH = re.compile(r"[0-9A-F]{8}(\.[1-9][0-9]{0,5}\.[0-9A-F]{8}){0,15}")


def document(elements: Elements) -> Document:
    """The data set (VR and bytes in little endian by tag; of a sequence its items) as PS3.18 F.2 has it.

    Bulk data stand in it as `bulkdata/PATH`.
    """
    return _items(elements, "", _Context((), signed=False))


def pack(whole: Document, dictionary: bytes = b"") -> bytes:
    """The document compressed; against that of a sibling, little more than their difference."""
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    deflate = zlib.compressobj(6, zdict=dictionary[-(1 << 15) :]) if dictionary else zlib.compressobj(6)
    return deflate.compress(text) + deflate.flush()


def unpack(packed: bytes, dictionary: bytes = b"") -> bytes:
    """The text that was packed."""
    if not dictionary:
        return zlib.decompress(packed)
    return zlib.decompressobj(zdict=dictionary[-(1 << 15) :]).decompress(packed)


def placed(text: bytes, instance: str) -> bytes:
    """The document's text with references below the address `instance`."""
    return text.replace(REFERENCE, REFERENCE + instance.encode("ascii") + b"/")


def texts(whole: Document, tag: str) -> list[str]:
    """An attribute's values as texts."""
    return ["" if value is None else str(value) for value in values(whole, tag)]


def values(whole: Document, tag: str) -> list[Any]:
    """An attribute's values; of a person name its alphabetic form."""
    return [value.get("Alphabetic", "") if isinstance(value, dict) else value for value in items(whole, tag)]


def items(whole: Document, tag: str) -> list[Any]:
    """An attribute's values, or its items, as they stand."""
    return (whole.get(tag) or {}).get("Value") or []


def tag_of(tag: int) -> str:
    """The key of an attribute in a document."""
    return f"{tag:08X}"


def bulk(dataset: Dataset, path: str) -> DataElement | None:
    """The element that a reference means; None where the data set has none there."""
    first, *rest = path.split(".")
    tag = int(first, 16)
    if tag not in dataset:
        return None
    element = dataset[tag]
    if not rest:
        return element if element.VR in BINARY or isinstance(element.value, bytes) else None
    number = int(rest[0])
    if element.VR != "SQ" or number > len(element.value):
        return None
    return bulk(element.value[number - 1], ".".join(rest[1:]))


@dataclass(frozen=True, slots=True)
class _Context:
    """How the values of a data set are to be read: it and the items in it may each say so."""

    encodings: Sequence[str]
    signed: bool

    def within(self, elements: Elements) -> _Context:
        named, pixels = elements.get(SPECIFIC_CHARACTER_SET), elements.get(PIXEL_REPRESENTATION)
        if named is None and pixels is None:
            return self
        encodings = self.encodings
        if named is not None:
            terms = [term.strip() for term in bytes(named[1]).decode("latin-1").split("\\")]
            encodings = () if terms == [""] else convert_encodings(terms)
        return _Context(encodings, self.signed if pixels is None else bytes(pixels[1])[:1] == b"\1")


def _items(elements: Elements, path: str, context: _Context) -> Document:
    context = context.within(elements)
    return {
        tag_of(tag): _element(tag, vr, value, path, context) for tag, (vr, value) in elements.items() if tag & 0xFFFF
    }


def _element(tag: int, vr: str, value: Any, path: str, context: _Context) -> Document:
    if tag == SPECIFIC_CHARACTER_SET:
        return {"vr": "CS", "Value": ["ISO_IR 192"]}  # what JSON is written in (F.2.1.1.1)
    if " " in vr:  # of which PS3.6 leaves the choice
        vr = ("SS" if context.signed else "US") if vr == "US or SS" else "OW"
    if vr == "SQ":
        place = f"{path}{tag_of(tag)}"
        return _said(vr, [_items(item, f"{place}.{n}.", context) for n, item in enumerate(value, 1)])
    if vr in BINARY:
        return {"vr": vr, **_binary(tag, value, path)}
    found = _values(vr, bytes(value), context)
    return _said(vr, found if any(each is not None for each in found) else ())


def _said(vr: str, values: Sequence[Any]) -> Document:
    return {"vr": vr, "Value": values} if values else {"vr": vr}


def _binary(tag: int, value: bytes | memoryview, path: str) -> Document:
    if tag in PIXELS or len(value) > INLINE:
        return {"BulkDataURI": f"bulkdata/{path}{tag_of(tag)}"} if len(value) else {}
    return {"InlineBinary": base64.b64encode(value).decode("ascii")} if len(value) else {}


def _values(vr: str, raw: bytes, context: _Context) -> list[Any]:
    code = NUMBERS.get(vr)
    if code:
        count = len(raw) // struct.calcsize(code)
        return [_finite(number) for number in struct.unpack_from(f"<{count}{code}", raw)]
    if vr == "AT":
        pairs = struct.unpack_from(f"<{len(raw) // 4 * 2}H", raw)
        return [f"{group:04X}{element:04X}" for group, element in zip(pairs[::2], pairs[1::2], strict=True)]
    text = _text(vr, raw, context.encodings).rstrip("\0 ")
    if vr in UNDIVIDED:
        return [text or None]
    values = [each.rstrip("\0 ") for each in text.split("\\")]
    if vr == "PN":
        return [_name(each) for each in values]
    if vr == "DS" or vr == "IS":
        return [_number(text, whole=vr == "IS") if (text := each.strip()) else None for each in values]
    return [each or None for each in values]


def _text(vr: str, raw: bytes, encodings: Sequence[str]) -> str:
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii")
    if vr not in IN_CHARACTER_SET or not encodings:
        return raw.decode("latin-1")
    return decode_bytes(raw, list(encodings), IN_NAMES if vr == "PN" else DELIMITERS)


def _name(text: str) -> Mapping[str, str] | None:
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), text.split("="), strict=False)
    return {key: group for key, group in groups if group} or None


def _number(text: str, *, whole: bool) -> int | float | str:
    """As a number where JSON has it and no digit is lost, else as text (F.2.2, F.2.3.1)."""
    if whole:
        return int(text) if WHOLE.fullmatch(text) else text
    if not DECIMAL.fullmatch(text):
        return text
    number = _finite(float(text))
    is_whole = isinstance(number, float) and number.is_integer() and abs(number) < 1 << 53
    return int(number) if is_whole else number


def _finite(number: int | float) -> int | float | str:
    """JSON has no infinity (F.2.2)."""
    if math.isfinite(number):
        return number
    return {math.inf: "inf", -math.inf: "-inf"}.get(number, "NaN")
