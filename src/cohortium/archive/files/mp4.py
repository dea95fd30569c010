"""MP4 and QuickTime (ISO/IEC 14496-12): atoms one by one. Names are told; times and atoms unknown are refused.

What is coded in `mdat` is not read: a video shows people, and comes in with a consent record alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from cohortium.errors import Refused
from cohortium.texts.said import Said

__all__ = ["claims", "read"]

HOLDING = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"edts", b"mvex", b"udta", b"ilst"}
PLAIN = {b"ftyp", b"mdat", b"vmhd", b"smhd", b"stts", b"stss", b"stsc", b"stsz", b"stco", b"co64", b"ctts", b"elst"}
PLAIN |= {b"sgpd", b"sbgp", b"iods", b"sdtp", b"cslg"}
EMPTY = {b"free", b"skip", b"wide"}
DATED = {b"mvhd", b"tkhd", b"mdhd"}
CODECS = {b"avc1": 86, b"hvc1": 86, b"hev1": 86, b"av01": 86, b"mp4v": 86, b"vp09": 86, b"mp4a": 36}  # to what follows
OF_CODEC = {b"avcC", b"hvcC", b"av1C", b"vpcC", b"esds", b"pasp", b"colr", b"btrt", b"fiel", b"chrm"}
OWN = frozenset(
    {"videohandler", "soundhandler", "core media video", "core media audio", "vide", "soun", "mdir", "appl"}
)
BRANDS = frozenset(
    {
        b"isom",
        b"iso2",
        b"iso3",
        b"iso4",
        b"iso5",
        b"iso6",
        b"mp41",
        b"mp42",
        b"avc1",
        b"M4V ",
        b"qt  ",
        b"av01",
        b"\0\0\0\0",
    }
)
DEEPEST = 16


def claims(content: bytes) -> bool:
    return content[4:8] == b"ftyp"


def read(content: bytes) -> Iterator[Said]:
    return _atoms(content, 0, len(content), "")


def _atoms(content: bytes, at: int, end: int, path: str) -> Iterator[Said]:
    if path.count("/") > DEEPEST:
        raise Refused("not admitted: its atoms are nested too deep")
    while at < end:
        size, kind = struct.unpack_from(">I4s", content, at)
        begin = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", content, begin)
            begin += 8
        if size < begin - at or at + size > end:
            raise Refused("not admitted: it is cut, or an atom is larger than what holds it")
        yield from _atom(content, kind, begin, at + size, path)
        at += size


def _atom(content: bytes, kind: bytes, begin: int, end: int, path: str) -> Iterator[Said]:
    place = f"{path}/{_name(kind)}".lstrip("/")
    if path.endswith("ilst"):
        yield from _item(content, begin, end, place)
    elif kind in HOLDING:
        yield from _atoms(content, begin, end, place)
    elif kind == b"meta":
        yield from _atoms(content, begin + (4 if content[begin : begin + 4] == bytes(4) else 0), end, place)
    elif kind == b"hdlr":
        yield Said(
            f"atom {place}", content[begin + 12 : end].strip(b"\0").replace(b"\0", b" ").decode("utf-8"), own=OWN
        )
    elif kind == b"stsd":
        yield from _descriptions(content, begin + 8, end, place)
    elif kind == b"dref":
        if content[begin + 8 : end] != b"\0\0\0\x0curl \0\0\0\1":
            raise Refused("not admitted: its media are in another file")
    elif kind == b"ftyp":
        if not {content[at : at + 4] for at in (begin, *range(begin + 8, end, 4))} <= BRANDS:
            raise Refused("not admitted: its atom ftyp names a brand that is not taken")
    elif kind in DATED:
        wide = content[begin] == 1
        if any(content[begin + 4 : begin + (20 if wide else 12)]):
            raise Refused(f"not admitted: atom {place} tells when it was made; write zeros there")
    elif kind in EMPTY:
        if any(content[begin:end]):
            raise Refused(f"not admitted: atom {place} should be empty, and is not")
    elif kind not in PLAIN:
        raise Refused(f"not admitted: it has the atom {place}, which is not taken")


def _item(content: bytes, begin: int, end: int, place: str) -> Iterator[Said]:
    """An item of metadata as iTunes has it: its value is in an atom `data`."""
    size, kind = struct.unpack_from(">I4s", content, begin)
    if kind != b"data" or size != end - begin:
        raise Refused(f"not admitted: atom {place} holds what is not taken")
    yield Said(f"atom {place}", content[begin + 16 : end].decode("utf-8"), own=OWN)


def _descriptions(content: bytes, at: int, end: int, place: str) -> Iterator[Said]:
    while at < end:
        size, kind = struct.unpack_from(">I4s", content, at)
        if kind not in CODECS or size < CODECS[kind] or at + size > end:
            raise Refused(f"not admitted: atom {place} is of a coding that is not taken")
        if CODECS[kind] == 86:
            yield Said(f"the name of the compressor in atom {place}", _pascal(content[at + 50 : at + 82]))
        inner = at + CODECS[kind]
        while inner < at + size:
            length, name = struct.unpack_from(">I4s", content, inner)
            if name not in OF_CODEC or length < 8 or inner + length > at + size:
                raise Refused(f"not admitted: atom {place} holds what is not taken")
            inner += length
        at += size


def _pascal(field: bytes) -> str:
    return field[1:].replace(b"\0", b" ").decode("latin-1")


def _name(kind: bytes) -> str:
    """The type of an atom, which is a value too where it is unknown."""
    known = HOLDING | PLAIN | EMPTY | DATED | {b"meta", b"hdlr", b"stsd", b"dref", b"uuid", b"\xa9too", b"\xa9nam"}
    return kind.decode("latin-1") if kind in known else "of unknown type"
