"""DICOM JSON (PS3.18 Annex F) of a data set, made once when it comes in; afterwards only bytes are joined.

A value of many bytes stands in the document by reference. The reference is relative to its instance, and `placed` makes
it absolute in a stored document without parsing it: within a JSON text the mark `REFERENCE` can only be a key.
"""

from __future__ import annotations

import base64
import json
import math
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import PersonName

__all__ = ["BULK_PATH", "bulk", "document", "items", "pack", "placed", "tag_of", "texts", "unpack", "values"]

Document = dict[str, Any]

BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
NUMBERS = frozenset({"FL", "FD", "SL", "SS", "SV", "UL", "US", "UV", "DS", "IS"})
INLINE = 1024  # bytes of a binary value that still stands in the document
PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
SPECIFIC_CHARACTER_SET = 0x00080005
REFERENCE = b'"BulkDataURI":"'
BULK_PATH = re.compile(r"[0-9A-F]{8}(\.[1-9][0-9]{0,5}\.[0-9A-F]{8}){0,15}")


def document(dataset: Dataset) -> Document:
    """The data set as PS3.18 F.2 has it; bulk data as `bulkdata/PATH`."""
    return _items(dataset, "")


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


def _items(dataset: Dataset, path: str) -> Document:
    return {tag_of(element.tag): _element(element, path) for element in dataset if element.tag.element}


def _element(element: DataElement, path: str) -> Document:
    vr, value = str(element.VR), element.value
    if element.tag == SPECIFIC_CHARACTER_SET:
        return {"vr": "CS", "Value": ["ISO_IR 192"]}  # what JSON is written in (F.2.1.1.1)
    if vr == "SQ":
        place = f"{path}{tag_of(element.tag)}"
        items = [_items(item, f"{place}.{n}.") for n, item in enumerate(value, 1)]
        return {"vr": vr, "Value": items} if items else {"vr": vr}
    if isinstance(value, bytes) or vr in BINARY:
        return {"vr": vr.split(" or ")[-1], **_binary(element, value or b"", path)}
    found = [_value(vr, each) for each in _several(value)]
    return {"vr": vr, "Value": found} if any(each is not None for each in found) else {"vr": vr}


def _binary(element: DataElement, value: Any, path: str) -> Document:
    if element.tag in PIXELS or not isinstance(value, bytes) or len(value) > INLINE:
        return {"BulkDataURI": f"bulkdata/{path}{tag_of(element.tag)}"} if value else {}
    return {"InlineBinary": base64.b64encode(value).decode("ascii")} if value else {}


def _several(value: Any) -> Iterator[Any]:
    if isinstance(value, MultiValue | list | tuple):
        yield from value
    elif value is not None and value != "":
        yield value


def _value(vr: str, value: Any) -> Any:
    if value is None or value == "":
        return None
    return CONVERT.get(vr, str)(value)


def _name(value: Any) -> Mapping[str, str] | None:
    name = value if isinstance(value, PersonName) else PersonName(str(value))
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), name.components, strict=False)
    return {key: text for key, text in groups if text} or None


def _number(value: Any) -> int | float | str:
    """As a number where JSON has it and no digit is lost, else as text (F.2.2, F.2.3.1)."""
    if isinstance(value, int):
        return int(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    if not math.isfinite(number):
        return {math.inf: "inf", -math.inf: "-inf"}.get(number, "NaN")
    return int(number) if number.is_integer() and abs(number) < 1 << 53 else number


def _attribute(value: Any) -> str:
    return tag_of(int(value))


CONVERT: Mapping[str, Callable[[Any], Any]] = {
    "PN": _name,
    "AT": _attribute,
    **dict.fromkeys(NUMBERS, _number),
}
