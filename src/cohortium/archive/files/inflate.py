"""Compressed data, unpacked piece by piece and thrown away: a bomb costs time up to its stated size, and no memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from cohortium.errors import Refused

__all__ = ["GZIP", "LARGEST", "demand_size", "pieces"]

GZIP = 31  # window bits of zlib that mean gzip
LARGEST = 8 << 30  # bytes unpacked, whatever a header says
RATIO = 1_050  # no honest stream of deflate is smaller than its content by more
AT_ONCE = 1 << 20


def pieces(content: bytes, expected: int, bits: int = zlib.MAX_WBITS) -> Iterator[bytes]:
    """What is in the stream, which must be of `expected` bytes in all and end where `content` does."""
    if expected > min(LARGEST, len(content) * RATIO + AT_ONCE):
        raise Refused("not admitted: unpacked it would be larger than what is taken")
    stream, data, total = zlib.decompressobj(bits), content, 0
    while not stream.eof:
        piece = stream.decompress(data, AT_ONCE)
        data, total = stream.unconsumed_tail, total + len(piece)
        if total > expected:
            raise Refused("not admitted: more is packed into it than its header says")
        yield piece
        if not piece and not data and not stream.eof:
            raise Refused("not admitted: its compressed data are cut")
    if total != expected or stream.unused_data:
        raise Refused("not admitted: its compressed data are cut, or something follows them")


def demand_size(content: bytes, expected: int, bits: int = zlib.MAX_WBITS) -> None:
    """Raise `Refused` unless the stream holds exactly so many bytes."""
    for _ in pieces(content, expected, bits):
        pass
