"""NIfTI-1 and NIfTI-2 in one file, plain or in gzip: the header's texts, no extension, and voxels to the last byte."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cohortium.archive.files import inflate
from cohortium.errors import Refused
from cohortium.texts.said import Said

__all__ = ["claims", "claims_gzip", "read", "read_gzip"]

BITS = {2: 8, 4: 16, 8: 32, 16: 32, 32: 64, 64: 64, 128: 24, 256: 8, 512: 16, 768: 32, 1024: 64, 1280: 64, 1536: 128}
BITS |= {1792: 128, 2048: 256, 2304: 32}  # by datatype
EXTENDER = 4
LARGEST_GAP = 1 << 12  # bytes between header and voxels
FNAME, FLAGS = 8, 3  # RFC 1952


@dataclass(frozen=True, slots=True)
class Layout:
    """Where in a header the fields stand, and its texts."""

    size: int
    magic: tuple[int, bytes]
    dim: tuple[int, str]
    datatype: int
    offset: tuple[int, str]
    texts: Mapping[str, tuple[int, int]]


ONE = Layout(
    *(348, (344, b"n+1\0"), (40, "8h"), 70, (108, "f")),
    {"data_type": (4, 10), "db_name": (14, 18), "descrip": (148, 80), "aux_file": (228, 24), "intent_name": (328, 16)},
)
TWO = Layout(
    *(540, (4, b"n+2\0\r\n\x1a\n"), (16, "8q"), 12, (168, "q")),
    {"descrip": (240, 80), "aux_file": (320, 24), "intent_name": (508, 16), "unused_str": (525, 15)},
)
OWN = frozenset({"r", "fsl", "spm", "simpleitk", "nibabel"})


def claims(content: bytes) -> bool:
    return _layout(content) is not None


def claims_gzip(content: bytes) -> bool:
    return content.startswith(b"\x1f\x8b\x08")


def read(content: bytes) -> Iterator[Said]:
    begin, voxels = _extent(content)
    yield from _texts(content)
    _demand_no_extension(content[:begin], begin)
    if len(content) != begin + voxels:
        raise Refused("not admitted: it is cut, or something follows its voxels")


def read_gzip(content: bytes) -> Iterator[Said]:
    """The same through gzip, whose own header may name the file that was packed."""
    yield from _gzip_header(content)
    head = zlib.decompressobj(inflate.GZIP).decompress(content, TWO.size + LARGEST_GAP)
    if not claims(head):
        raise Refused("not admitted: what is packed in it is no NIfTI; upload files as they are")
    begin, voxels = _extent(head)
    yield from _texts(head)
    _demand_no_extension(head[:begin], begin)
    inflate.demand_size(content, begin + voxels, inflate.GZIP)


def _layout(head: bytes) -> tuple[Layout, str] | None:
    for order in "<>":
        for layout in (ONE, TWO):
            at, magic = layout.magic
            if head[:4] == struct.pack(f"{order}i", layout.size) and head[at : at + len(magic)] == magic:
                return layout, order
    return None


def _extent(head: bytes) -> tuple[int, int]:
    """Where the voxels begin, and how many bytes they have."""
    layout, order = _layout(head) or (ONE, "<")
    dim = struct.unpack_from(order + layout.dim[1], head, layout.dim[0])
    datatype, bits = struct.unpack_from(order + "hh", head, layout.datatype)
    (offset,) = struct.unpack_from(order + layout.offset[1], head, layout.offset[0])
    if BITS.get(datatype) != bits or not 1 <= dim[0] <= 7 or min(dim[1 : dim[0] + 1]) < 1:
        raise Refused("not admitted: its header states no array of a known type")
    least = layout.size + EXTENDER
    if offset != int(offset) or not least <= offset <= least + LARGEST_GAP:
        raise Refused("not admitted: it has a header extension, or its voxels are elsewhere")
    return int(offset), math.prod(dim[1 : dim[0] + 1]) * bits // 8


def _texts(head: bytes) -> Iterator[Said]:
    layout, _ = _layout(head) or (ONE, "<")
    for name, (at, length) in layout.texts.items():
        yield Said(f"its field {name}", head[at : at + length].replace(b"\0", b" ").decode("latin-1"), own=OWN)


def _demand_no_extension(head: bytes, begin: int) -> None:
    layout, _ = _layout(head) or (ONE, "<")
    if len(head) != begin or any(head[layout.size :]):
        raise Refused("not admitted: it has a header extension; write it without")


def _gzip_header(content: bytes) -> Iterator[Said]:
    flags = content[FLAGS]
    if flags & ~FNAME:
        raise Refused("not admitted: its gzip header has a comment or extra fields; pack it again without")
    if flags & FNAME:
        end = content.index(b"\0", 10)
        yield Said("the file name in its gzip header", content[10:end].decode("latin-1"))
