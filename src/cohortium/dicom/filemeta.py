"""The file header of PS3.10 7.1: read leniently, written anew.

Nothing of the header that came is copied: no preamble, no application entity titles, no private information.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from cohortium import __version__
from cohortium.errors import Malformed

__all__ = ["IMPLEMENTATION_CLASS_UID", "FileMeta", "build", "is_dicom", "read"]

IMPLEMENTATION_CLASS_UID = "2.25.194873061286403158229843650478112375601"  # one made for Cohortium, never another
IMPLEMENTATION_VERSION_NAME = f"COHORTIUM_{__version__}"[:16]
PREAMBLE = 128
LONG = (b"OB", b"UN", b"OW", b"SQ", b"UT", b"UC", b"UR")

_unpack = struct.Struct("<HH2sH").unpack_from
_unpack_length = struct.Struct("<I").unpack_from


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What the header says; `end` is the offset of the data set's first byte."""

    MediaStorageSOPClassUID: str
    TransferSyntaxUID: str
    end: int


def is_dicom(head: bytes | memoryview) -> bool:
    """Whether the first 256 bytes look like DICOM: a Part 10 file, or a bare data set that lacks its header."""
    if bytes(head[PREAMBLE : PREAMBLE + 4]) == b"DICM":
        return True
    if len(head) < 8:
        return False
    group, element, vr, _ = _unpack(head, 0)
    if group not in (2, 8) or element > 0x0100:
        return False
    explicit = vr.isalpha() and vr.isupper()
    return bool(explicit or _unpack_length(head, 4)[0] < 0x10000)


def read(head: bytes | memoryview) -> FileMeta:
    """Parse the header; `Malformed` where there is none or it does not name a transfer syntax."""
    if bytes(head[PREAMBLE : PREAMBLE + 4]) != b"DICM":
        raise Malformed("DICM is not at byte 128, so there is no file header")
    position, found = PREAMBLE + 4, {}
    try:
        while position < len(head):
            group, element, vr, length = _unpack(head, position)
            if group != 2:
                break
            start = position + 8
            if vr in LONG:
                length, start = _unpack_length(head, start)[0], start + 4
            if start + length > len(head):
                raise Malformed("file meta information is cut off", position)
            if element in (0x0002, 0x0010):
                found[element] = bytes(head[start : start + length]).rstrip(b"\0 ").decode("ascii", "replace")
            position = start + length
    except struct.error:
        raise Malformed("file meta information is cut off", position) from None
    if not found.get(0x0010):
        raise Malformed("it names no transfer syntax (0002,0010)", position)
    return FileMeta(found.get(0x0002, ""), found[0x0010], position)


def build(
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
    version_name: str = IMPLEMENTATION_VERSION_NAME,
) -> bytes:
    """Preamble of zeros, DICM, and a header that says only what PS3.10 demands."""
    elements = b"".join(
        (
            b"\2\0\1\0OB\0\0\2\0\0\0\0\1",
            _element(0x0002, b"UI", sop_class_uid),
            _element(0x0003, b"UI", sop_instance_uid),
            _element(0x0010, b"UI", transfer_syntax_uid),
            _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID),
            _element(0x0013, b"SH", version_name) if version_name else b"",
        )
    )
    return bytes(PREAMBLE) + b"DICM\2\0\0\0UL\4\0" + struct.pack("<I", len(elements)) + elements


def _element(element: int, vr: bytes, value: str) -> bytes:
    encoded = value.encode("ascii")
    if len(encoded) % 2:
        encoded += b"\0" if vr == b"UI" else b" "
    return struct.pack("<HH2sH", 2, element, vr, len(encoded)) + encoded
