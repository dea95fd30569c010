"""NRRD with its data in the same file: every field known, comments and key/value pairs told, the data to their end."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from cohortium.archive.files import inflate
from cohortium.errors import Refused
from cohortium.texts.said import Said

__all__ = ["claims", "read"]

SIZES = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"), 1),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), 2),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), 2),
    **dict.fromkeys(
        ("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t", "float"), 4
    ),
    **dict.fromkeys(("longlong", "long long", "int64", "int64_t", "ulonglong", "uint64", "uint64_t", "double"), 8),
}
NUMBERS = re.compile(r"[\d\s.,()eE+-]*(?:(?:nan|none|inf)[\d\s.,()eE+-]*)*", re.IGNORECASE)
NUMERIC = frozenset(
    {
        "dimension",
        "sizes",
        "space dimension",
        "space directions",
        "space origin",
        "spacings",
        "thicknesses",
        "min",
        "max",
    }
    | {"axis mins", "axismins", "axis maxs", "axismaxs", "measurement frame", "old min", "oldmin", "old max", "oldmax"}
)
WORDS = frozenset(
    {"type", "encoding", "endian", "space", "kinds", "content", "labels", "units", "space units", "sample units"}
    | {"centerings", "centers", "number"}
)
OWN = frozenset(
    {"complete nrrd file format specification at:", "http://teem.sourceforge.net/nrrd/format.html", "domain", "none"}
    | {
        "left-posterior-superior",
        "right-anterior-superior",
        "left-anterior-superior",
        "lps",
        "ras",
        "las",
        "little",
        "big",
    }
    | {"raw", "gzip", "gz", *SIZES}
)
LONGEST_HEADER = 1 << 20


def claims(content: bytes) -> bool:
    return re.match(rb"NRRD000[1-5]\r?\n", content) is not None


def read(content: bytes) -> Iterator[Said]:
    head = re.search(rb"\r?\n\r?\n", content[:LONGEST_HEADER])
    if head is None:
        raise Refused("not admitted: its data are in another file, or its header does not end")
    fields: dict[str, str] = {}
    for number, line in enumerate(content[: head.start()].decode("utf-8").splitlines()[1:], 2):
        if line.startswith("#"):
            yield Said(f"the comment in line {number}", line[1:], own=OWN)
        elif ":=" in line:
            yield Said(f"the key/value pair in line {number}", line.replace(":=", " "))
        else:
            yield from _field(number, line, fields)
    data, size = content[head.end() :], _size(fields)
    if fields["encoding"] == "raw" and len(data) != size:
        raise Refused("not admitted: it is cut, or something follows its data")
    if fields["encoding"] != "raw":
        if data[:2] != b"\x1f\x8b" or data[3]:
            raise Refused("not admitted: its data are not in gzip, or that has a header of its own")
        inflate.demand_size(data, size, inflate.GZIP)


def _field(number: int, line: str, fields: dict[str, str]) -> Iterator[Said]:
    name, _, value = line.partition(": ")
    name, value = name.strip().lower(), value.strip()
    if name in fields or name not in NUMERIC | WORDS:
        raise Refused(
            f"not admitted: line {number} of its header is a field that is not taken, such as one of data elsewhere"
        )
    if name in NUMERIC and not NUMBERS.fullmatch(value):
        raise Refused(f"not admitted: line {number} of its header should hold numbers")
    fields[name] = value.lower()
    if name in WORDS:
        for text in re.split(r'["\s]+', value) if name in ("kinds", "space units", "units", "labels") else [value]:
            yield Said(f"its field {name}", text, own=OWN)


def _size(fields: dict[str, str]) -> int:
    sizes = [int(each) for each in fields["sizes"].split()]
    if fields.get("encoding") not in ("raw", "gzip", "gz") or fields.get("type") not in SIZES or min(sizes) < 1:
        raise Refused("not admitted: its type or encoding is not taken; raw and gzip are")
    return math.prod(sizes) * SIZES[fields["type"]]
