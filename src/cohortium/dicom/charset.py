"""Text as people wrote it: values decoded under Specific Character Set (0008,0005), PS3.5 6.1."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from pydicom.charset import convert_encodings, decode_bytes, encode_string
from pydicom.config import strict_reading

from cohortium.errors import Malformed

__all__ = ["SPECIFIC_CHARACTER_SET", "character_sets", "decode", "encode", "normalised"]

SPECIFIC_CHARACTER_SET = 0x00080005
CUSTOMARY = re.compile(r"(?:ISO|GB|UTF-?8|LATIN|WINDOWS-)[-_ .0-9A-Z]*", re.IGNORECASE).fullmatch
"""How names of character sets begin. pydicom takes any codec of Python, and some of those make no text."""
DELIMITERS = {ord(character) for character in "\\\r\n\t\f^="}


@lru_cache(maxsize=256)
def character_sets(value: bytes) -> tuple[str, ...]:
    """Python's names of the character sets that the attribute's value lists; unknown ones raise `Malformed`."""
    names = [name.strip() for name in value.decode("ascii", "replace").rstrip(" \0").split("\\")]
    known = [name for name in names if name]
    try:
        if not all(map(CUSTOMARY, known)):
            raise LookupError
        with strict_reading():
            return tuple(convert_encodings(names if known else "ISO_IR 6"))
    except (LookupError, ValueError):
        raise Malformed("Specific Character Set (0008,0005) names a set that is not known") from None


def decode(value: bytes, sets: tuple[str, ...]) -> str:
    """The text of a value, without its padding; `Malformed` where a byte has no meaning in these sets."""
    try:
        if b"\x1b" not in value:
            return value.decode(sets[0]).rstrip(" \0")
        with strict_reading():
            return decode_bytes(value, list(sets), DELIMITERS).rstrip(" \0")
    except (LookupError, ValueError):
        raise Malformed("text does not follow its Specific Character Set") from None


def encode(text: str, sets: tuple[str, ...]) -> bytes:
    """The value of a text, not padded."""
    return encode_string(text, list(sets))


def normalised(text: str) -> str:
    """One spelling for what people read as the same: NFC, white space folded and trimmed."""
    return " ".join(unicodedata.normalize("NFC", text).split())
