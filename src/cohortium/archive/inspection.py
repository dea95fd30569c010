"""The archive's own look at bytes that ask to come in: does this file bear the marks of de-identification?

It trusts neither the sender nor the de-identifier, and shares no code with it: `dicom.elements` reads the whole file,
also what follows the pixels. `texts` judges what is written in it; whether that names this very patient only `verify`
can tell, which knows the inputs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from pydicom.datadict import keyword_for_tag, tag_for_keyword
from pydicom.uid import UID

from cohortium.archive.incoming import Unfit
from cohortium.dicom import elements
from cohortium.dicom.elements import Elements, File
from cohortium.errors import Malformed, Refused
from cohortium.texts import attributes as texts

__all__ = ["inspect"]

IDENTIFIERS = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
DOTTED = re.compile(r"[0-9]+(\.[0-9]+)*")
META = frozenset(
    [
        "FileMetaInformationGroupLength",
        "FileMetaInformationVersion",
        "MediaStorageSOPClassUID",
        "MediaStorageSOPInstanceUID",
        "TransferSyntaxUID",
        "ImplementationClassUID",
        "ImplementationVersionName",
    ]
)


def inspect(
    content: bytes | memoryview, protocol_digest: str, allows: Collection[str] = (), *, vouched: bool = False
) -> File:
    """The file, read; raise `Refused`, or `Unfit` with the first thing that is wrong, unless it may come in.

    The project's protocol may allow `private` attributes, `names` that differ from the pseudonym, and `texts` as they
    came. Where a site `vouched` for these bytes, that stands for their texts.
    """
    try:
        file = elements.read(content)
    except Malformed as error:
        raise Refused(f"not admitted: {error}") from None
    wrong = next(_objections(content, file, protocol_digest, allows), None)
    if wrong is None and not vouched:
        own = _text(file.elements, "PatientID")
        wrong = next(texts.objections(file.elements, own, kept="texts" in allows), None)
    if wrong:
        raise Unfit(f"not admitted: {wrong}")
    return file


def _objections(
    content: bytes | memoryview, file: File, protocol_digest: str, allows: Collection[str]
) -> Iterator[str]:
    found = file.elements
    if any(content[:128]):
        yield "its preamble is not empty"
    for tag in file.meta:
        if keyword_for_tag(tag) not in META:
            yield f"its file meta information holds {_name(tag)}"
    if not UID(_text(file.meta, "TransferSyntaxUID")).is_transfer_syntax:
        yield "its transfer syntax is none of PS3.6"
    if _text(file.meta, "MediaStorageSOPInstanceUID") != _text(found, "SOPInstanceUID"):
        yield "its file meta information is of another instance"
    for keyword in IDENTIFIERS:
        value = _text(found, keyword)
        if not value or "\\" in value:
            yield f"{keyword} is missing"
        if keyword.endswith("UID") and not DOTTED.fullmatch(value):
            yield f"{keyword} is no UID"
    if "names" not in allows and _text(found, "PatientName") != _text(found, "PatientID"):
        yield "PatientName is not the pseudonym in PatientID"
    if _text(found, "PatientIdentityRemoved") != "YES":
        yield "PatientIdentityRemoved is not YES"
    methods = [each.strip() for each in _text(found, "DeidentificationMethod").split("\\")]
    if f"sha256:{protocol_digest[:48]}" not in methods:
        yield "DeidentificationMethod does not name the digest of the project's protocol"
    if "private" not in allows:
        for tag in _private(found):
            yield f"it holds the private element {_name(tag)}"


def _private(found: Elements) -> Iterator[int]:
    """Tags of private elements, at every depth."""
    for tag, (_, value) in found.items():
        if tag >> 16 & 1:
            yield tag
        if isinstance(value, list):
            for item in value:
                yield from _private(item)


def _text(found: Elements, keyword: str) -> str:
    """An element's bytes as letters, which can be compared, without padding; empty where it is missing."""
    _, value = found.get(tag_for_keyword(keyword) or 0, ("", b""))
    return "" if isinstance(value, list) else bytes(value).decode("latin-1").strip("\0 ")


def _name(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
