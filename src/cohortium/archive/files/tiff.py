"""TIFF 6.0: its tags one by one, texts told, tags unknown refused, and no byte that no tag accounts for."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from cohortium.errors import Refused
from cohortium.texts.said import Said

__all__ = ["claims", "read"]

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}  # by type; 7 is undefined: refused
CODES = {1: "B", 3: "H", 4: "I"}
TEXTS = {269: "DocumentName", 270: "ImageDescription", 271: "Make", 272: "Model", 285: "PageName", 305: "Software"}
TEXTS |= {306: "DateTime", 315: "Artist", 316: "HostComputer", 33432: "Copyright"}
PLAIN = {254, 255, 256, 257, 258, 262, 266, 273, 274, 277, 278, 279, 280, 281, 282, 283, 284, 296, 297, 317, 320, 322}
PLAIN |= {323, 324, 325, 338, 339, 340, 341}
FEW = {273, 279, 324, 325, 320, 258, 338, 339, 340, 341, 280, 281}  # that may have a value for each part
COMPRESSION, COMPRESSIONS = 259, {1, 5, 8, 32773, 32946}
PARTS = ((273, 279), (324, 325))  # offsets and byte counts of strips, of tiles
MOST_IMAGES = 10_000

Span = tuple[int, int]


def claims(content: bytes) -> bool:
    return content[:4] in (b"II*\0", b"MM\0*")


def read(content: bytes) -> Iterator[Said]:
    order = "<" if content[:2] == b"II" else ">"
    spans: list[Span] = [(0, 8)]
    (at,) = struct.unpack_from(order + "I", content, 4)
    seen: set[int] = set()
    while at:
        if at in seen or len(seen) == MOST_IMAGES:
            raise Refused("not admitted: its images form a ring, or are too many")
        seen.add(at)
        (count,) = struct.unpack_from(order + "H", content, at)
        spans.append((at, at + 2 + 12 * count + 4))
        values: dict[int, tuple[int, ...]] = {}
        for n in range(count):
            yield from _entry(content, order, at + 2 + 12 * n, values, spans)
        if values.get(COMPRESSION, (1,))[0] not in COMPRESSIONS:
            raise Refused("not admitted: its compression is not taken; none, LZW, deflate and PackBits are")
        for offsets, lengths in PARTS:
            spans += [(a, a + b) for a, b in zip(values.get(offsets, ()), values.get(lengths, ()), strict=True)]
        (at,) = struct.unpack_from(order + "I", content, at + 2 + 12 * count)
    _demand_covered(content, spans)


def _entry(
    content: bytes, order: str, at: int, values: dict[int, tuple[int, ...]], spans: list[Span]
) -> Iterator[Said]:
    tag, kind, count = struct.unpack_from(order + "HHI", content, at)
    if tag not in TEXTS and tag not in PLAIN and tag != COMPRESSION:
        raise Refused(f"not admitted: it has the tag {tag}, which is not taken")
    size = SIZES[kind] * count
    begin = at + 8 if size <= 4 else struct.unpack_from(order + "I", content, at + 8)[0]
    data = content[begin : begin + size]
    if len(data) != size or (tag not in TEXTS and tag not in FEW and count > 4):
        raise Refused(f"not admitted: its tag {tag} is cut or too long")
    spans.append((begin, begin + size))
    if tag in TEXTS:
        yield Said(f"its tag {TEXTS[tag]}", data.replace(b"\0", b" ").decode("utf-8", "replace"))
    elif kind in CODES:
        values[tag] = struct.unpack(f"{order}{count}{CODES[kind]}", data)


def _demand_covered(content: bytes, spans: list[Span]) -> None:
    end = 0
    for begin, stop in sorted(spans):
        if stop > len(content):
            raise Refused("not admitted: it is cut")
        if begin > end and any(content[end:begin]):
            raise Refused("not admitted: bytes stand in it that belong to no tag")
        end = max(end, stop)
    if any(content[end:]):
        raise Refused("not admitted: something follows its last part")
