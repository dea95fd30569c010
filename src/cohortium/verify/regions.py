"""Where an output has its samples, and which attribute a byte belongs to; with pydicom, independent of the scanner."""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import dcmread
from pydicom.tag import BaseTag

from cohortium.dicom import filemeta
from cohortium.errors import Malformed
from cohortium.verify.elements import UNREADABLE

__all__ = ["Place", "inflated", "pixels", "places", "where"]

PIXELS = {0x7FE00008: 32, 0x7FE00009: 64, 0x7FE00010: 0}  # bits of a sample; 0: BitsAllocated
UNDEFINED = 0xFFFFFFFF
DEFLATED = b"1.2.840.10008.1.2.1.99"
EXPLICIT = b"1.2.840.10008.1.2.1\0\0\0"
HEADER = 1 << 12  # bytes in which the file meta information tells the transfer syntax
LARGEST = 1 << 30  # bytes of an object that was deflated
ITEM, END = 0xFFFEE000, 0xFFFEE0DD


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an attribute's value begins."""

    offset: int
    name: str
    VR: str


def inflated(content: bytes) -> bytes:
    """A deflated object as an explicit one, with whatever follows it; other bytes as they are."""
    if DEFLATED not in content[:HEADER]:
        return content
    unfolding = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        begin = filemeta.read(content[:HEADER]).end
        plain = unfolding.decompress(content[begin:], LARGEST)
    except (Malformed, zlib.error):
        return content
    return content[:begin].replace(DEFLATED, EXPLICIT) + plain + unfolding.unused_data


def pixels(content: bytes) -> tuple[int, int]:
    """(begin, end) of the samples that the header accounts for; bytes beyond are not pixels. (0, 0): none."""
    stream = BytesIO(content)
    try:
        dataset = dcmread(stream, stop_before_pixels=True)
        little, implicit = dataset.original_encoding[1] is not False, dataset.original_encoding[0] is True
        return _samples(content, stream.tell(), dataset, little=little, implicit=implicit)
    except UNREADABLE:
        return 0, 0


def _samples(content: bytes, offset: int, dataset: Dataset, *, little: bool, implicit: bool) -> tuple[int, int]:
    order = "<" if little else ">"
    if offset + 12 > len(content):
        return 0, 0
    group, element = struct.unpack_from(order + "HH", content, offset)
    tag = group << 16 | element
    if tag not in PIXELS:
        return 0, 0
    begin = offset + (8 if implicit else 12)
    (length,) = struct.unpack_from(order + "L", content, begin - 4)
    if length == UNDEFINED:
        return begin, _end_of_fragments(content, begin)
    bits = PIXELS[tag] or int(dataset.BitsAllocated)
    samples = int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("SamplesPerPixel", 1))
    if dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
        samples = samples * 2 // 3
    computed = (samples * int(dataset.get("NumberOfFrames") or 1) * bits + 7) // 8
    return begin, min(begin + computed, begin + length, len(content))


def _end_of_fragments(content: bytes, offset: int) -> int:
    while offset + 8 <= len(content):
        group, element, length = struct.unpack_from("<HHL", content, offset)
        if group << 16 | element != ITEM:
            break
        offset += 8 + length
    return min(offset, len(content))


def places(content: bytes) -> list[Place]:
    """Every attribute of the file, by where its value begins."""
    try:
        dataset = dcmread(BytesIO(content))
        return sorted([*_walk(dataset.file_meta), *_walk(dataset)])
    except UNREADABLE:
        return []


def _walk(dataset: Dataset, above: str = "", base: int = 0) -> Iterator[Place]:
    """Places of a data set; pydicom counts offsets inside a sequence of defined length from its value, `base`."""
    for tag in dataset.keys():  # noqa: SIM118  (iterating a data set gives elements)
        raw = dataset.get_item(tag)
        element = dataset[tag]
        lazy = isinstance(raw, RawDataElement)
        offset = base + ((raw.value_tell if isinstance(raw, RawDataElement) else element.file_tell) or 0)
        name = above + _name(tag, element.keyword)
        yield Place(offset, name, element.VR)
        if element.VR == "SQ":
            for item in element.value or ():
                yield from _walk(item, f"{name}/", offset if lazy else base)


def where(places: list[Place], offset: int) -> Place:
    """The attribute whose value the byte belongs to, or the offset itself where none is known."""
    if offset < 132:
        return Place(0, "preamble", "")
    at = bisect_right([place.offset for place in places], offset) - 1
    return places[at] if at >= 0 else Place(offset, f"byte {offset}", "")


def _name(tag: BaseTag, keyword: str) -> str:
    return keyword or f"({tag.group:04X},{tag.element:04X})"
