"""The elements of a whole Part 10 file as they lie: bytes by tag, sequences entered, nothing decoded.

For the archive's own look at what asks to come in, so it shares no code with the de-identifier, and it knows no
leniency: what is not to its last byte a data set in little endian, each element once and in order, raises `Malformed`.
`read_any` is as strict, and reads big endian and deflated data sets too, for whoever looks for texts.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias, Union

from pydicom.datadict import dictionary_VR

from cohortium.errors import Malformed

__all__ = ["PIXELS", "Elements", "File", "Value", "read", "read_any", "vr_of"]

Value: TypeAlias = Union[bytes, memoryview, "list[Elements]"]
Elements: TypeAlias = dict[int, tuple[str, Value]]  # VR and value; a memoryview where there is much of it

IMPLICIT = "1.2.840.10008.1.2"
BIG_ENDIAN, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
META = 132  # where the file meta information begins
PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})  # Float, Double Float, and Pixel Data
MUCH = 1 << 14  # bytes
MAXIMUM_DEPTH = 32
LARGEST_INFLATED = 1 << 30  # bytes
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
SHORT = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
NAMES = {vr: vr.decode("ascii") for vr in SHORT | LONG}
CUT = "it is cut, or its file meta information is broken"
_BROKEN = (struct.error, KeyError, UnicodeDecodeError)

_explicit = {order: struct.Struct(f"{order}HH2sH").unpack_from for order in "<>"}
_implicit = {order: struct.Struct(f"{order}HHI").unpack_from for order in "<>"}
_length = {order: struct.Struct(f"{order}I").unpack_from for order in "<>"}


@dataclass(frozen=True, slots=True)
class File:
    """A file's meta information and its data set."""

    meta: Elements
    elements: Elements
    size: int


def read(content: bytes | memoryview | mmap.mmap) -> File:
    """The file, read to its end; `Malformed` names no value. Of a mapped file pixels are not touched."""
    whole = content if isinstance(content, mmap.mmap) else bytes(content)
    try:
        meta, start, syntax = _begun(whole)
        if syntax in (BIG_ENDIAN, DEFLATED):
            raise Malformed("its data set is deflated or big endian")
        elements = _Reader(whole, explicit=syntax != IMPLICIT).elements(start, len(whole), 0)
    except _BROKEN:
        raise Malformed(CUT) from None
    return File(meta, elements, len(whole))


def read_any(content: bytes | memoryview | mmap.mmap) -> File:
    """The same of a file in any transfer syntax; numbers of a big-endian one are as they lie."""
    whole = bytes(content)
    try:
        meta, start, syntax = _begun(whole)
        if syntax == DEFLATED:
            size, whole, start = len(whole), _inflated(whole[start:]), 0
        else:
            size = len(whole)
        order = ">" if syntax == BIG_ENDIAN else "<"
        elements = _Reader(whole, explicit=syntax != IMPLICIT, order=order).elements(start, len(whole), 0)
    except _BROKEN:
        raise Malformed(CUT) from None
    return File(meta, elements, size)


def _begun(whole: bytes | mmap.mmap) -> tuple[Elements, int, str]:
    """The file meta information, where it ends, and the transfer syntax."""
    if whole[128:META] != b"DICM":
        raise Malformed("it is not a DICOM Part 10 file")
    (length,) = _length["<"](whole, META + 8)
    start = META + 12 + length
    meta = _Reader(whole, explicit=True).elements(META, start, 0)
    return meta, start, bytes(meta[0x00020010][1]).decode("ascii").rstrip("\0 ")  # type: ignore[arg-type]


def _inflated(deflated: bytes) -> bytes:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = stream.decompress(deflated, LARGEST_INFLATED)
    except zlib.error:
        raise Malformed("its data set cannot be inflated") from None
    if not stream.eof:
        raise Malformed("its deflated data set has no end, or unfolds to more than the limit")
    return plain


class _Reader:
    """Goes through elements by their lengths, each of which must end where what holds it ends."""

    def __init__(self, content: bytes | mmap.mmap, *, explicit: bool, order: str = "<") -> None:
        self._content = content
        self._tag_vr_length, self._tag_length = _explicit[order], _implicit[order]
        self._length = _length[order]
        self._head = self._explicit if explicit else self._implicit
        self._at = 0  # where the element or sequence read last ended

    def elements(self, at: int, end: int, depth: int) -> Elements:
        """Those in [at, end); with `end` undefined, up to the delimiter of the item."""
        content, head = self._content, self._head
        limit = len(content) if end == UNDEFINED else end
        found: Elements = {}
        last = -1
        while at < limit:
            tag, vr, start, length = head(at)
            if tag == ITEM_END and end == UNDEFINED:
                self._at = start
                return found
            if tag <= last or tag >= ITEM:
                raise Malformed("an element is not in the order of tags", at)
            last = tag
            if length == UNDEFINED or vr == "SQ" or (vr == "UN" and vr_of(tag) == "SQ"):
                found[tag] = self._entered(tag, vr, start, length, depth)
                at = self._at
            else:
                at = start + length
                value = content[start:at] if length < MUCH else memoryview(content)[start:at]
                found[tag] = vr if vr != "UN" else vr_of(tag), value
            if at > limit:
                raise Malformed("an element reaches beyond what holds it", start)
        if end == UNDEFINED:
            raise Malformed("an item has no end", at)
        return found

    def _entered(self, tag: int, vr: str, start: int, length: int, depth: int) -> tuple[str, Value]:
        """The items of a sequence, or the fragments of encapsulated pixels as they lie."""
        if depth == MAXIMUM_DEPTH:
            raise Malformed("sequences lie too deep", start)
        if tag in PIXELS:
            return vr, self._fragments(start)
        if vr == "SQ":
            return vr, self._items(start, length, depth)
        if vr != "UN":
            raise Malformed("an element that is no sequence has no length", start)
        inner = _Reader(self._content, explicit=False)  # PS3.5 6.2.2 note 2
        items = inner._items(start, length, depth)
        self._at = inner._at
        return "SQ", items

    def _items(self, at: int, length: int, depth: int) -> list[Elements]:
        content = self._content
        end = len(content) if length == UNDEFINED else at + length
        found: list[Elements] = []
        while at < end:
            group, element, size = self._tag_length(content, at)
            tag, at = group << 16 | element, at + 8
            if tag == SEQUENCE_END and length == UNDEFINED and size == 0:
                self._at = at
                return found
            if tag != ITEM or (size != UNDEFINED and at + size > end):
                raise Malformed("a sequence holds what is no item", at)
            found.append(self.elements(at, UNDEFINED if size == UNDEFINED else at + size, depth + 1))
            at = self._at if size == UNDEFINED else at + size
        if length == UNDEFINED or at != end:
            raise Malformed("a sequence has no end", at)
        self._at = at
        return found

    def _fragments(self, start: int) -> memoryview:
        content, at = self._content, start
        while True:
            group, element, size = self._tag_length(content, at)
            tag, at = group << 16 | element, at + 8
            if tag == SEQUENCE_END and size == 0:
                self._at = at
                return memoryview(content)[start : at - 8]
            at += size
            if tag != ITEM or at > len(content):
                raise Malformed("encapsulated pixels hold what is no fragment", at)

    def _explicit(self, at: int) -> tuple[int, str, int, int]:
        """Tag, VR, where the value begins, and its length."""
        group, element, vr, length = self._tag_vr_length(self._content, at)
        tag = group << 16 | element
        if vr in SHORT:
            return tag, NAMES[vr], at + 8, length
        if vr in LONG and length == 0:
            (length,) = self._length(self._content, at + 8)
            return tag, NAMES[vr], at + 12, length
        if tag == ITEM_END and vr == b"\0\0" and length == 0:
            return tag, "", at + 8, 0
        raise Malformed("an element has no value representation", at)

    def _implicit(self, at: int) -> tuple[int, str, int, int]:
        group, element, length = self._tag_length(self._content, at)
        tag = group << 16 | element
        return tag, vr_of(tag), at + 8, length


@lru_cache(maxsize=4096)
def vr_of(tag: int) -> str:
    """The VR of PS3.6, of which there may be several (`US or SS`); UN where it has none."""
    if tag & 0xFFFF == 0:
        return "UL"
    if tag >> 16 & 1:
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else "UN"
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"
