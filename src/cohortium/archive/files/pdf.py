"""PDF: the text of its pages, its metadata, every string in it; what acts, what is attached and pictures are refused.

A letter that was scanned says all and has no text: so no picture is taken. Every object must be one that the document
refers to, and nothing may stand between them.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from typing import Any

from pypdf import PdfReader
from pypdf.errors import PyPdfError
from pypdf.generic import (
    ArrayObject,
    ByteStringObject,
    ContentStream,
    DictionaryObject,
    IndirectObject,
    StreamObject,
    TextStringObject,
)

from cohortium.errors import Refused
from cohortium.texts.said import Said

__all__ = ["read"]

OBJECT = re.compile(rb"\d+ \d+ obj\b.*?\bendobj\b", re.DOTALL)
LEFT = re.compile(
    rb"\s*%PDF-[12]\.\d\s*(%[\x80-\xff]{4,8}\s*)?(xref\s+(\d+ \d+\s+|\d{10} \d{5} [fn]\s+)*)?(trailer\s*<<.*?>>\s*)?"
    rb"startxref\s+\d+\s+%%EOF\s*",
    re.DOTALL,
)
ACTIVE = {"/JS", "/JavaScript", "/OpenAction", "/AA", "/Launch", "/EmbeddedFiles", "/EmbeddedFile", "/AF", "/AcroForm"}
ACTIVE |= {"/XFA", "/RichMedia", "/Annots", "/Encrypt", "/Collection", "/PieceInfo", "/Thumb", "/URI", "/SubmitForm"}
SUBTYPES = {"/Image", "/PS", "/Type3"}
OWN = frozenset({"adobe", "identity", "ucs", "matplotlib pdf backend", "d:", "en", "en-us", "en-gb"})
COMMENT = re.compile(rb"\((?:\\.|[^\\()])*\)|<[0-9A-Fa-f\s]*>")
MOST_OBJECTS, LARGEST_STREAM = 100_000, 1 << 26

logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it quotes what it reads


def read(content: bytes) -> Iterator[Said]:
    if not LEFT.fullmatch(OBJECT.sub(b"", content)):
        raise Refused("not admitted: something stands between its objects, or it was changed after it was written")
    try:
        reader = PdfReader(io.BytesIO(content), strict=True)
        if reader.is_encrypted:
            raise Refused("not admitted: it is encrypted")
        yield from _objects(reader)
        for number, page in enumerate(reader.pages, 1):
            _demand_plain(page.get_contents())
            for line in page.extract_text().splitlines():
                yield Said(f"page {number}", line)
    except (PyPdfError, AttributeError, NotImplementedError, AssertionError):
        raise Refused("not admitted: it cannot be read as PDF to its end") from None


def _objects(reader: PdfReader) -> Iterator[Said]:
    """Every string in every object, from the trailer on."""
    todo: list[Any] = [reader.trailer]
    seen: set[int] = set()
    while todo:
        each = todo.pop()
        if isinstance(each, IndirectObject):
            if each.idnum in seen:
                continue
            seen.add(each.idnum)
            each = each.get_object()
        if isinstance(each, DictionaryObject):
            _demand_inert(each)
            todo += [value for key, value in dict.items(each) if key not in ("/ID", "/Panose")]
            if isinstance(each, StreamObject) and each.get("/Subtype") == "/XML":
                yield Said("its XMP metadata", re.sub(r"<[^>]*>", " ", each.get_data().decode("utf-8")))
        elif isinstance(each, ArrayObject):
            todo += list.__iter__(each)
        elif isinstance(each, TextStringObject | ByteStringObject):
            yield Said("a string outside its pages, such as its metadata", str(each), own=OWN)
        if len(seen) > MOST_OBJECTS:
            raise Refused("not admitted: it has too many objects")
    held = {number for table in reader.xref.values() for number in table} | set(reader.xref_objStm)
    hidden = held - seen - {0} - {number for number in held if _is_structure(reader, number)}
    if hidden:
        raise Refused("not admitted: it has objects that its document does not refer to")


def _is_structure(reader: PdfReader, number: int) -> bool:
    """Whether an object is one of the file's own tables."""
    found = reader.get_object(number)
    return isinstance(found, DictionaryObject) and found.get("/Type") in ("/XRef", "/ObjStm")


def _demand_inert(each: DictionaryObject) -> None:
    named = {str(key) for key in each} | {str(each.get(key)) for key in ("/S", "/Type")}
    if named & ACTIVE:
        raise Refused(
            "not admitted: it has something that acts, a form, a note or an attachment; print it to a plain PDF"
        )
    if str(each.get("/Subtype")) in SUBTYPES:
        raise Refused("not admitted: it has a picture, which may show anything; attach pictures as files of their own")


def _demand_plain(contents: ContentStream | None) -> None:
    """Page contents without comments and without pictures within them."""
    data = b"" if contents is None else contents.get_data()
    if len(data) > LARGEST_STREAM or b"%" in (bare := COMMENT.sub(b"", data)) or re.search(rb"\bBI\b", bare):
        raise Refused("not admitted: its pages hold a picture or a comment, or are too large")
