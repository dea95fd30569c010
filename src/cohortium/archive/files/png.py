"""PNG (ISO/IEC 15948): its chunks one by one. Texts are told; times, EXIF, profiles and chunks unknown are refused."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from cohortium.archive.files import inflate
from cohortium.errors import Refused
from cohortium.texts.said import Said

__all__ = ["claims", "read"]

MAGIC = b"\x89PNG\r\n\x1a\n"
PLAIN = {b"IHDR": 13, b"PLTE": 768, b"tRNS": 256, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"sBIT": 4, b"bKGD": 6}
PLAIN |= {b"hIST": 512, b"pHYs": 9, b"IEND": 0}  # the most bytes that each has
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
ADAM7 = ((0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2), (0, 1, 1, 2))
LONGEST_TEXT = 1 << 20


def claims(content: bytes) -> bool:
    return content.startswith(MAGIC)


def read(content: bytes) -> Iterator[Said]:
    pixels, header, last = bytearray(), b"", b""
    for kind, data in _chunks(content):
        if kind == b"IDAT":
            pixels += data
        elif kind in TEXTS:
            yield TEXTS[kind](data)
        elif kind not in PLAIN or len(data) > PLAIN[kind]:
            raise Refused("not admitted: it has a chunk that is not taken, such as EXIF data, a time or a profile")
        header, last = header or data, kind
    if last != b"IEND":
        raise Refused("not admitted: it is cut")
    inflate.demand_size(bytes(pixels), _size(header))


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(MAGIC)
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        data = content[at + 4 : at + 8 + length]
        (crc,) = struct.unpack_from(">I", content, at + 8 + length)
        if zlib.crc32(data) != crc:
            raise Refused("not admitted: one of its chunks is damaged")
        yield data[:4], data[4:]
        at += 12 + length
        if data[:4] == b"IEND" and at != len(content):
            raise Refused("not admitted: something follows its end")


def _size(header: bytes) -> int:
    """Bytes of the rows, each behind the number of its filter."""
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    bits = depth * SAMPLES[colour]
    passes = ADAM7 if interlaced else ((0, 1, 0, 1),)
    total = 0
    for x, dx, y, dy in passes:
        columns, rows = -(-(width - x) // dx), -(-(height - y) // dy)
        total += rows * (1 + -(-columns * bits // 8)) if columns > 0 and rows > 0 else 0
    return total


def _plain(data: bytes) -> Said:
    return Said("a text chunk", data.replace(b"\0", b" ").decode("latin-1"))


def _packed(data: bytes) -> Said:
    keyword, _, packed = data.partition(b"\0")
    return Said("a text chunk", f"{keyword.decode('latin-1')} {_unpacked(packed[1:]).decode('latin-1')}")


def _international(data: bytes) -> Said:
    keyword, _, rest = data.partition(b"\0")
    language, translated, text = rest[2:].split(b"\0", 2)
    text = _unpacked(text) if rest[0] else text
    return Said("a text chunk", b" ".join((keyword, language, translated, text)).decode("utf-8"))


def _unpacked(packed: bytes) -> bytes:
    stream = zlib.decompressobj()
    text = stream.decompress(packed, LONGEST_TEXT)
    if not stream.eof or stream.unused_data:
        raise Refused("not admitted: a text chunk is too long, or is cut")
    return text


TEXTS = {b"tEXt": _plain, b"zTXt": _packed, b"iTXt": _international}
