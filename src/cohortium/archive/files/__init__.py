"""Files that are no DICOM: told by their bytes, read to the last one, and judged by every text that they carry.

A reader of a format accounts for all bytes of a file: it yields each text with its place, and raises `Refused` where
something is there that it does not know. What no reader claims is refused.
"""

from __future__ import annotations

import csv
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cohortium.archive.files import jpeg, mp4, nifti, npy, nrrd, png, tables, tiff, xport
from cohortium.archive.incoming import Unfit
from cohortium.errors import Refused
from cohortium.texts.said import Said
from cohortium.texts.wording import objection

__all__ = ["Looked", "look", "objection"]

UNREADABLE = (
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    OverflowError,
    SyntaxError,
    EOFError,
    struct.error,
    zlib.error,
    csv.Error,
)


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


def _claims_pdf(content: bytes) -> bool:
    return content.startswith(b"%PDF-")


def _read_pdf(content: bytes) -> Iterator[Said]:
    from cohortium.archive.files import pdf  # takes a second to load, and is seldom needed

    return pdf.read(content)


FORMATS = (
    Format("application/x-npy", npy.claims, npy.read),
    Format("application/x-nifti", nifti.claims, nifti.read),
    Format("application/x-nifti+gzip", nifti.claims_gzip, nifti.read_gzip),
    Format("application/x-nrrd", nrrd.claims, nrrd.read),
    Format("image/png", png.claims, png.read),
    Format("image/jpeg", jpeg.claims, jpeg.read),
    Format("image/tiff", tiff.claims, tiff.read),
    Format("application/pdf", _claims_pdf, _read_pdf),
    Format("video/mp4", mp4.claims, mp4.read),
    Format("application/x-sas-xport", xport.claims, xport.read),
    Format("application/json", tables.claims_json, tables.read_json),
    Format("text/tab-separated-values", tables.claims_tsv, tables.read_tsv),
    Format("text/csv", tables.claims_csv, tables.read_csv),
    Format("text/plain", tables.claims_text, tables.read_text),
)
ELSEWHERE = (  # what is known by bytes at a place, and still does not come in here
    (128, b"DICM", "DICOM comes in by STOW, by import or from a gateway"),
    (0, b"\x89HDF\r\n\x1a\n", "HDF5 keeps bytes that nothing refers to; export arrays as NPY and tables as CSV"),
    (0, b"PK\3\4", "it is a zip; upload the files in it"),
)


def look(content: bytes) -> Looked:
    """What the file is and says; `Unfit`, naming the place, where it is unknown, unsound or may hide something."""
    for at, magic, reason in ELSEWHERE:
        if content.startswith(magic, at):
            raise Unfit(f"not admitted: {reason}")
    found = next((each for each in FORMATS if each.claims(content)), None)
    if found is None:
        raise Unfit("not admitted: its bytes are of no type that is known here; the documentation lists them")
    try:
        return Looked(found.media_type, tuple(found.read(content)))
    except Refused as refusal:
        raise Unfit(str(refusal)) from None
    except (*UNREADABLE, RecursionError, MemoryError):
        raise Unfit(f"not admitted: it cannot be read as {found.media_type} to its end") from None
