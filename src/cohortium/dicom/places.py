"""Where elements stand that are not decoded yet: in a file that was understood, or in what pydicom made of another.

Both answer alike, so that what is taken from an object is said once, whoever read it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol, cast

from pydicom.charset import convert_encodings
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.sequence import Sequence

from cohortium.dicom.elements import Elements, Value
from cohortium.errors import Malformed

__all__ = ["LONGEST", "UNREADABLE", "Lenient", "Place", "Plain", "called"]

SPECIFIC_CHARACTER_SET = 0x00080005
LONGEST = 4096  # bytes of a value; none of the attributes needs more

# What pydicom lets through from bytes that are no DICOM.
UNREADABLE = (
    AttributeError,
    BytesLengthException,
    EOFError,
    InvalidDicomError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


class Place(Protocol):
    """A data set, or an item of a sequence, whose elements are not decoded yet."""

    encodings: list[str]

    def __contains__(self, tag: int) -> bool: ...

    def order(self, tag: int) -> str:
        """The byte order of an element that is there, as `struct` writes it."""

    def offset(self, tag: int) -> int | None:
        """Where its value lies in the file, if that is known."""

    def raw(self, tag: int) -> bytes | int | None:
        """Its value, as it lies; pydicom decodes a few itself."""

    def items(self, tag: int) -> Iterator[Place]:
        """Those of a sequence; `Malformed` where it is none."""


class Plain:
    """Of a file that `elements` understood."""

    def __init__(self, found: Elements, encodings: list[str]) -> None:
        self._elements = found
        self.encodings = encodings
        if SPECIFIC_CHARACTER_SET in found:
            self.encodings = _encodings(*found[SPECIFIC_CHARACTER_SET])

    def __contains__(self, tag: int) -> bool:
        return tag in self._elements

    def order(self, _tag: int) -> str:
        return "<"

    def offset(self, _tag: int) -> None:
        return None

    def raw(self, tag: int) -> bytes | None:
        _, value = self._elements[tag]
        if isinstance(value, list):
            raise Malformed(f"{called(tag)} is not one plain value")
        return bytes(value) if len(value) <= LONGEST else None

    def items(self, tag: int) -> Iterator[Place]:
        _, value = self._elements[tag]
        if not isinstance(value, list) and len(value):
            raise Malformed(f"{called(tag)} is not a sequence")
        return (Plain(item, self.encodings) for item in value if isinstance(item, dict))


class Lenient:
    """Of whatever pydicom could read."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        encodings = dataset.original_character_set
        self.encodings = [encodings] if isinstance(encodings, str) else list(encodings)

    def __contains__(self, tag: int) -> bool:
        return tag in self._dataset

    def order(self, tag: int) -> str:
        return "<" if getattr(self._dataset.get_item(tag, keep_deferred=True), "is_little_endian", True) else ">"

    def offset(self, tag: int) -> int | None:
        return getattr(self._dataset.get_item(tag, keep_deferred=True), "value_tell", None)

    def raw(self, tag: int) -> bytes | int | None:
        element = cast("RawDataElement | DataElement", self._dataset.get_item(tag, keep_deferred=True))
        if isinstance(element, RawDataElement):
            return element.value
        if element.value is None or isinstance(element.value, int):  # PixelRepresentation, and undefined lengths
            return element.value
        raise Malformed(f"{called(tag)} is not one plain value")

    def items(self, tag: int) -> Iterator[Place]:
        offset = self.offset(tag)
        try:
            value = self._dataset[tag].value
        except UNREADABLE as error:
            raise Malformed(f"{called(tag)} is not readable", offset) from error
        if not isinstance(value, Sequence) and value not in (None, "", b""):
            raise Malformed(f"{called(tag)} is not a sequence", offset)
        return (Lenient(item) for item in value or ())


def _encodings(vr: str, named: Value) -> list[str]:
    if vr != "CS" or isinstance(named, list):
        raise Malformed("SpecificCharacterSet is no text")
    return _encodings_named(bytes(named))


@lru_cache(maxsize=256)
def _encodings_named(named: bytes) -> list[str]:
    try:
        return convert_encodings([term.strip() for term in named.decode("latin-1").split("\\")])
    except (LookupError, ValueError):
        raise Malformed("SpecificCharacterSet names none") from None


def called(tag: int) -> str:
    """What people call the attribute; never its value."""
    return keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
