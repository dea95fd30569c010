"""JPEG (ITU-T T.81): its markers one by one. Comments are told; EXIF, XMP, profiles and other APPn are refused."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from cohortium.errors import Refused
from cohortium.texts.said import Said

__all__ = ["claims", "read"]

START, END, SCAN, COMMENT, APP0, APP14 = 0xD8, 0xD9, 0xDA, 0xFE, 0xE0, 0xEE
TABLES = {0xDB, 0xC4, 0xDD, *range(0xC0, 0xC4)}  # quantization, Huffman, restart interval, frames of Huffman coding
LARGEST_TABLE = 4096
NEXT = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # in coded data: a marker that is neither stuffing nor a restart


def claims(content: bytes) -> bool:
    return content.startswith(b"\xff\xd8\xff")


def read(content: bytes) -> Iterator[Said]:
    at = 2
    while True:
        if content[at] != 0xFF:
            raise Refused("not admitted: something stands between its markers")
        marker = content[at + 1]
        if marker == END:
            break
        (length,) = struct.unpack_from(">H", content, at + 2)
        data, at = content[at + 4 : at + 2 + length], at + 2 + length
        if marker == COMMENT:
            yield Said("a comment", data.decode("latin-1"))
        elif not _is_plain(marker, data):
            raise Refused("not admitted: it has a segment that is not taken, such as EXIF, XMP or a colour profile")
        if marker == SCAN:
            found = NEXT.search(content, at)
            if found is None:
                raise Refused("not admitted: it is cut")
            at = found.start()
    if at + 2 != len(content):
        raise Refused("not admitted: something follows its end")


def _is_plain(marker: int, data: bytes) -> bool:
    if marker == APP0:
        return data.startswith(b"JFIF\0") and len(data) == 14 and data[12:] == b"\0\0"  # without a thumbnail
    if marker == APP14:
        return data.startswith(b"Adobe") and len(data) == 12
    return marker == SCAN or (marker in TABLES and len(data) <= LARGEST_TABLE)
