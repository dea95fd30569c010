"""Samples on their way out: nothing rides along with them.

Native samples are cut to the length that the header gives, and unused bits are cleared where somebody drew in them.
In compressed frames the markers are walked and every comment and application segment is blanked, without decoding and
without moving a byte. What stays is handed on by reference.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from cohortium.errors import Malformed
from cohortium.values import Finding, Severity

__all__ = ["LAYOUT", "NEEDED", "clean", "frames_of", "native_length", "read_fragments"]

ROWS, COLUMNS, SAMPLES_PER_PIXEL, FRAMES = 0x00280010, 0x00280011, 0x00280002, 0x00280008
BITS_ALLOCATED, BITS_STORED, HIGH_BIT, REPRESENTATION = 0x00280100, 0x00280101, 0x00280102, 0x00280103
PHOTOMETRIC, PADDING = 0x00280004, 0x00280120
LAYOUT = frozenset(
    {ROWS, COLUMNS, SAMPLES_PER_PIXEL, FRAMES, BITS_ALLOCATED, BITS_STORED, HIGH_BIT, REPRESENTATION, PHOTOMETRIC}
)
"""Tags without whose values nobody can tell where samples end."""

NEEDED = LAYOUT | {PADDING}
"""Tags that a plan must note so that this module can do its work."""

PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_PIXEL_DATA = 0x7FE00010, 0x7FE00008, 0x7FE00009
UNDEFINED = 0xFFFFFFFF
JPEG = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70))
JPEG_LS = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (80, 81))
JPEG_2000 = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (90, 91))
RLE = "1.2.840.10008.1.2.5"
CHUNK = 1 << 22  # samples looked at in one go

Slices = list[bytes | memoryview]
_item = struct.Struct("<HHI").unpack_from
_us = struct.Struct("<H").unpack_from


def clean(
    view: memoryview, start: int, value: int, syntax: str, noted: Mapping[int, bytes], findings: list[Finding]
) -> tuple[Slices, int]:
    """The pixel element that starts at `start` with its value at `value`: slices to write, and the offset behind it."""
    (length,) = struct.unpack_from("<I", view, value - 4)
    compressed = syntax == RLE or syntax in JPEG | JPEG_LS | JPEG_2000
    if compressed != (length == UNDEFINED):
        raise Malformed("the pixel data are not encoded as the transfer syntax says", start)
    if compressed:
        return _encapsulated(view, start, value, syntax, noted, findings)
    if value + length > len(view):
        raise Malformed(f"truncated: {value + length - len(view)} bytes of pixel data are missing", len(view))
    element = view[start], view[start + 2]
    kind = PIXEL_DATA if element == (0xE0, 0x10) else FLOAT_PIXEL_DATA if element[1] == 0x08 else DOUBLE_PIXEL_DATA
    wanted = native_length(noted, kind)
    if length < wanted:
        raise Malformed(f"truncated: pixel data has {length} of {wanted} bytes", value)
    samples = view[value : value + wanted]
    header = bytes(view[start:value])
    even = wanted + wanted % 2
    if length > even:
        text = f"{length - wanted} bytes beyond the computed length of the pixel data were cut off"
        findings.append(Finding("pixels.surplus", Severity.INFO, text))
    slices: Slices = [header[:-4] + even.to_bytes(4, "little")]
    slices += _unused_bits_cleared(samples, noted, findings) if kind == PIXEL_DATA else [samples]
    if wanted % 2:
        slices.append(b"\0")
    return slices, value + length


def native_length(noted: Mapping[int, bytes], kind: int = PIXEL_DATA) -> int:
    """Bytes of uncompressed samples that the header announces (PS3.3 C.7.6.3, PS3.5 8.1.1)."""
    rows, columns = _number(noted, ROWS), _number(noted, COLUMNS)
    samples = _number(noted, SAMPLES_PER_PIXEL, 1)
    bits = {PIXEL_DATA: _number(noted, BITS_ALLOCATED), FLOAT_PIXEL_DATA: 32}.get(kind, 64)
    photometric = noted.get(PHOTOMETRIC, b"").strip(b" \0")
    if photometric == b"YBR_FULL_422":
        samples = 2
    total = rows * columns * samples * bits * _frames(noted)
    return (total + 7) // 8


def _frames(noted: Mapping[int, bytes]) -> int:
    text = noted.get(FRAMES, b"").strip(b" \0") or b"1"
    if not text.isdigit() or len(text) > 10:
        raise Malformed("Number of Frames (0028,0008) is no number")
    return max(int(text), 1)


def _number(noted: Mapping[int, bytes], tag: int, default: int | None = None) -> int:
    value = noted.get(tag, b"")
    if len(value) >= 2:
        return int(_us(value)[0])
    if default is None:
        raise Malformed(f"({tag >> 16:04x},{tag & 0xFFFF:04x}) is missing, so the size of the pixel data is unknown")
    return default


def _unused_bits_cleared(samples: memoryview, noted: Mapping[int, bytes], findings: list[Finding]) -> Slices:
    """The samples without what hides above Bits Stored, such as an overlay of text (PS3.5 8.1.2, retired)."""
    allocated = _number(noted, BITS_ALLOCATED)
    stored = _number(noted, BITS_STORED, allocated)
    high = _number(noted, HIGH_BIT, stored - 1)
    if stored >= allocated:
        return [samples]
    if allocated not in (8, 16, 32, 64) or not 0 < stored <= high + 1 <= allocated:
        raise Malformed("Bits Stored (0028,0101) and High Bit (0028,0102) contradict Bits Allocated (0028,0100)")
    signed = bool(_number(noted, REPRESENTATION, 0)) and high == stored - 1
    dtype = np.dtype(f"<{'i' if signed else 'u'}{allocated // 8}")
    pixels = np.frombuffer(samples, dtype)
    below = high + 1 - stored
    mask = dtype.type(((1 << stored) - 1) << below if not signed else 0)
    keep = (
        np.frombuffer(noted[PADDING][: dtype.itemsize], dtype)
        if len(noted.get(PADDING, b"")) == dtype.itemsize
        else None
    )
    out: Slices = []
    changed = 0
    for begin in range(0, len(pixels), CHUNK):
        chunk = pixels[begin : begin + CHUNK]
        if not _exceeds(chunk, stored, mask, signed=signed):
            out.append(samples[begin * dtype.itemsize : (begin + len(chunk)) * dtype.itemsize])
            continue
        cleared = _sign_extended(chunk, stored) if signed else chunk & mask
        if keep is not None:
            cleared = np.where(chunk == keep[0], chunk, cleared)
        changed += int(np.count_nonzero(cleared != chunk))
        out.append(cleared.astype(dtype).tobytes())
    if changed:
        text = f"bits above Bits Stored (0028,0101) were cleared in {changed} samples"
        findings.append(Finding("pixels.unused-bits", Severity.INFO, text))
    return out


def _exceeds(chunk: np.ndarray, stored: int, mask: np.integer[Any], *, signed: bool) -> bool:
    if signed:
        limit = 1 << (stored - 1)
        return int(chunk.min()) < -limit or int(chunk.max()) >= limit
    return bool(np.bitwise_or.reduce(chunk) & ~mask)


def _sign_extended(chunk: np.ndarray, stored: int) -> np.ndarray:
    shift = chunk.dtype.itemsize * 8 - stored
    return (chunk << shift) >> shift


def _encapsulated(
    view: memoryview, start: int, value: int, syntax: str, noted: Mapping[int, bytes], findings: list[Finding]
) -> tuple[Slices, int]:
    table, fragments, behind = read_fragments(view, value)
    edits = [] if _valid_offsets(view, table, fragments) else [(table[0] - 4, bytes(4)), (table[0], None)]
    blanked = 0
    for at, size in _blanks(view, fragments, syntax, noted):
        if any(view[at : at + size]):
            edits.append((at, bytes(size)))
            blanked += size
    if blanked:
        text = f"{blanked} bytes of comment and application segments in compressed frames were blanked"
        findings.append(Finding("pixels.segments", Severity.INFO, text))
    out: Slices = []
    run = start
    for at, new in edits:
        out.append(view[run:at])
        if new is None:  # an offset table that makes no sense: leave an empty one
            run = table[0] + table[1]
        else:
            out.append(new)
            run = at + len(new)
    out += (view[run : behind - 4], bytes(4))  # the delimiter's length, which nobody reads
    return out, behind


def read_fragments(view: memoryview, position: int) -> tuple[tuple[int, int], list[tuple[int, int]], int]:
    """(offset, length) of the basic offset table and of each fragment, and the offset behind them (PS3.5 A.4)."""
    found: list[tuple[int, int]] = []
    while True:
        if position + 8 > len(view):
            raise Malformed("truncated: compressed pixel data has no end", len(view))
        group, number, length = _item(view, position)
        position += 8
        if (group, number) == (0xFFFE, 0xE0DD):
            break
        if (group, number) != (0xFFFE, 0xE000):
            raise Malformed("an item was expected in compressed pixel data", position - 8)
        if position + length > len(view):
            raise Malformed("truncated: a fragment of compressed pixel data is cut off", len(view))
        found.append((position, length))
        position += length
    if len(found) < 2:
        raise Malformed("compressed pixel data has no fragment", position)
    return found[0], found[1:], position


def _valid_offsets(view: memoryview, table: tuple[int, int], fragments: list[tuple[int, int]]) -> bool:
    """Whether the basic offset table points at fragments, in order, and at nothing else (it could hold any text)."""
    at, size = table
    if size % 4:
        return False
    starts = {offset - fragments[0][0] for offset, _ in fragments}
    offsets = struct.unpack_from(f"<{size // 4}I", view, at)
    return starts.issuperset(offsets) and all(a < b for a, b in pairwise(offsets))


def _blanks(
    view: memoryview, fragments: list[tuple[int, int]], syntax: str, noted: Mapping[int, bytes]
) -> Iterator[tuple[int, int]]:
    """(offset, length) of bytes in compressed frames that are no part of the picture."""
    if syntax == RLE:
        frames = [[fragment] for fragment in fragments]
    else:
        frames = list(frames_of(view, fragments, b"\xff\x4f" if syntax in JPEG_2000 else b"\xff\xd8"))
    if len(frames) != _frames(noted):
        short = "truncated: " if len(frames) < _frames(noted) else ""
        raise Malformed(f"{short}{len(frames)} frames of compressed pixel data, {_frames(noted)} are announced")
    for frame in frames:
        if syntax == RLE:
            yield from _rle_blanks(view, *frame[0], _number(noted, ROWS) * _number(noted, COLUMNS))
        elif syntax in JPEG_2000:
            yield from _jpeg_2000_blanks(view, frame)
        else:
            yield from _jpeg_blanks(view, frame, JPEG_LS_PICTURE if syntax in JPEG_LS else JPEG_PICTURE)


def _rle_blanks(view: memoryview, at: int, size: int, pixels: int) -> Iterator[tuple[int, int]]:
    """The unused rest of the header, and what stands in a segment behind its last pixel (PS3.5 G)."""
    if size < 64:
        raise Malformed("truncated: an RLE frame ends within its header", at)
    count, *offsets = struct.unpack_from("<16I", view, at)
    ends = [*offsets[1:count], size]
    if not 1 <= count <= 15 or offsets[0] != 64 or any(a > b for a, b in zip(offsets, ends, strict=False)):
        raise Malformed("an RLE frame has impossible segments", at)
    yield at + 4 + 4 * count, 60 - 4 * count
    for start, end in zip(offsets, ends, strict=False):
        used = start + _rle_length(view[at + start : at + end], pixels)
        yield at + used, end - used


def _rle_length(segment: memoryview, pixels: int) -> int:
    """Bytes of the segment that its first `pixels` bytes take up."""
    position = made = 0
    while made < pixels:
        if position >= len(segment):
            raise Malformed("truncated: an RLE segment ends before its last pixel")
        code = segment[position]
        if code < 128:
            made, position = made + code + 1, position + code + 2
        else:
            made, position = made + (257 - code if code > 128 else 0), position + (2 if code > 128 else 1)
    return position


def frames_of(view: memoryview, fragments: list[tuple[int, int]], start: bytes) -> Iterator[list[tuple[int, int]]]:
    """Fragments grouped into frames: a frame starts with its start-of-image marker."""
    frame: list[tuple[int, int]] = []
    for at, size in fragments:
        if bytes(view[at : at + 2]) == start and frame:
            yield frame
            frame = []
        frame.append((at, size))
    if bytes(view[frame[0][0] : frame[0][0] + 2]) != start:
        raise Malformed("a compressed frame does not begin with its start marker", frame[0][0])
    yield frame


class _Stream:
    """A frame's bytes, which may lie in several fragments, under offsets of its own."""

    def __init__(self, view: memoryview, frame: list[tuple[int, int]]) -> None:
        self.frame = frame
        self.data = (
            view[frame[0][0] : sum(frame[0])]
            if len(frame) == 1
            else memoryview(b"".join(view[at : at + size] for at, size in frame))
        )

    def places(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Where the bytes from `start` to `end` of the frame lie in the file."""
        begin = 0
        for at, size in self.frame:
            low, high = max(start, begin), min(end, begin + size)
            if low < high:
                yield at + low - begin, high - low
            begin += size

    def short(self, position: int) -> int:
        if position + 2 > len(self.data):
            raise Malformed("truncated: a compressed frame ends within a segment", self.frame[0][0])
        return self.data[position] << 8 | self.data[position + 1]


_JPEG_MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")
_JPEG_LS_MARKER = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")
_END_OF_CODESTREAM = re.compile(rb"\xff\xd9")
SOS, EOI = 0xDA, 0xD9
JPEG_PICTURE = frozenset({*range(0xC0, 0xD0), *range(0xDA, 0xDE)} - {0xC8})
JPEG_LS_PICTURE = frozenset({0xDA, 0xDC, 0xDD, 0xF7, 0xF8})
"""Segments that are part of the picture."""
JPEG_APART = frozenset({*range(0xE0, 0xF0), 0xFE})
"""Segments of applications, and comments."""
JPEG_2000_PICTURE = frozenset({*range(0x51, 0x54), 0x55, *range(0x57, 0x59), *range(0x5C, 0x64), 0x64, 0x90})
JPEG_HARMLESS = {0xE0: (b"JFIF\0", 14), 0xEE: (b"Adobe", 12), 0xE8: (b"mrfx", 5)}
"""Application segments that tell a decoder the colours, with the length at which they carry nothing more."""


def _jpeg_blanks(view: memoryview, frame: list[tuple[int, int]], picture: frozenset[int]) -> Iterator[tuple[int, int]]:
    """Payloads of COM and APPn segments and everything behind the end of the image (ISO 10918-1 B, ISO 14495-1 C)."""
    stream = _Stream(view, frame)
    data = stream.data
    marker = _JPEG_LS_MARKER if picture is JPEG_LS_PICTURE else _JPEG_MARKER
    position, within_scan = 2, False
    while True:
        found = marker.search(data, position)
        if not within_scan and (found is None or bytes(data[position : found.start()]).strip(b"\xff")):
            raise Malformed("bytes stand between the segments of a compressed frame", frame[0][0])
        if found is None:
            return  # decoders accept a frame without its end marker
        code, position = data[found.end() - 1], found.end()
        if code == EOI:
            yield from stream.places(position, len(data))
            return
        length = stream.short(position)
        if length < 2 or position + length > len(data):
            raise Malformed("truncated: a compressed frame ends within a segment", frame[0][0])
        payload = position + 2, position + length
        if code not in picture:
            if code not in JPEG_APART:
                raise Malformed("a compressed frame holds a segment that is not known", frame[0][0])
            if not _harmless(data, code, *payload):
                yield from stream.places(*payload)
        position += length
        within_scan = code == SOS


def _harmless(data: memoryview, code: int, start: int, end: int) -> bool:
    name, length = JPEG_HARMLESS.get(code, (b"", -1))
    return end - start == length and bytes(data[start : start + len(name)]) == name


def _jpeg_2000_blanks(view: memoryview, frame: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Payloads of COM segments and everything behind the end of the code stream (ISO 15444-1 A)."""
    stream = _Stream(view, frame)
    data = stream.data
    position, tile = 2, None
    while position + 2 <= len(data):
        code = stream.short(position)
        if code == 0xFFD9:
            yield from stream.places(position + 2, len(data))
            return
        if code == 0xFF93:  # start of data, in which the end cannot occur by chance; then on to the next tile-part
            end = _END_OF_CODESTREAM.search(data, position, len(data) if tile is None else tile)
            if end is not None:
                yield from stream.places(end.end(), len(data))
                return
            if tile is None:
                return  # decoders accept a frame without its end marker
            if tile <= position:
                raise Malformed("a tile-part of a compressed frame has an impossible length", frame[0][0])
            position, tile = tile, None
            continue
        length = stream.short(position + 2)
        shortest = 10 if code == 0xFF90 else 2
        if code & 0xFF not in JPEG_2000_PICTURE or code < 0xFF00:
            raise Malformed("a compressed frame holds a segment that is not known", frame[0][0])
        if length < shortest or position + 2 + length > len(data):
            raise Malformed("truncated: a compressed frame ends within a segment", frame[0][0])
        if code == 0xFF90:  # start of tile-part: its length counts from this marker
            (size,) = struct.unpack_from(">I", data, position + 6)
            tile = position + size if size else None
        elif code == 0xFF64:
            yield from stream.places(position + 6, position + 2 + length)
        position += 2 + length
