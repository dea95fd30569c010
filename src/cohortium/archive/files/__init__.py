"""Files that are no DICOM: told by their bytes, read to the last one, and judged by every text that they carry.

A reader of a format accounts for all bytes of a file: it yields each text with its place, and raises `Refused` where
something is there that it does not know. What no reader claims is refused.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cohortium.archive.files import npy
from cohortium.archive.files.said import Said
from cohortium.archive.files.wording import objection
from cohortium.errors import Refused

__all__ = ["Looked", "look", "objection"]

UNREADABLE = (ValueError, KeyError, IndexError, TypeError, OverflowError, struct.error, zlib.error, EOFError)


@dataclass(frozen=True, slots=True)
class Format:
    """How a type is told from others by its bytes, and read; the first that claims a file has it."""

    media_type: str
    claims: Callable[[bytes], bool]
    read: Callable[[bytes], Iterator[Said]]


@dataclass(frozen=True, slots=True)
class Looked:
    """A file of a known type, sound to its end, and every text that it carries."""

    media_type: str
    said: tuple[Said, ...]


FORMATS = (Format("application/x-npy", npy.claims, npy.read),)


def look(content: bytes) -> Looked:
    """What the file is and says; `Refused`, naming the place, where it is unknown, unsound or may hide something."""
    found = next((each for each in FORMATS if each.claims(content)), None)
    if found is None:
        raise Refused("not admitted: its bytes are of no type that is known here; the documentation lists them")
    try:
        return Looked(found.media_type, tuple(found.read(content)))
    except (*UNREADABLE, RecursionError):
        raise Refused(f"not admitted: it cannot be read as {found.media_type} to its end") from None
