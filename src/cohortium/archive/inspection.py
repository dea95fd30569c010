"""The archive's own look at bytes that ask to come in: does this file bear the marks of de-identification?

It trusts neither the sender nor the de-identifier, and shares no code with it: pydicom reads the whole file, also what
follows the pixels. It cannot tell whether a kept text names somebody; that is for `verify`, which knows the inputs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from io import BytesIO
from struct import error as StructError

import pydicom
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from cohortium.errors import Refused

__all__ = ["inspect", "read"]

UNREADABLE = (
    *(BytesLengthException, InvalidDicomError, ValueError, KeyError, TypeError, AttributeError),
    *(NotImplementedError, StructError),
)
IDENTIFIERS = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
DOTTED = re.compile(r"[0-9]+(\.[0-9]+)*")
EXPLICIT, IMPLICIT = (False, True), (True, True)  # (implicit VR, little endian), as pydicom has it
ENCODINGS = {ImplicitVRLittleEndian: IMPLICIT, ExplicitVRBigEndian: None, DeflatedExplicitVRLittleEndian: None}
UNDEFINED = 0xFFFFFFFF
SEQUENCE_END = b"\xfe\xff\xdd\xe0" + bytes(4)
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


def inspect(content: bytes | memoryview, protocol_digest: str, allows: Collection[str] = ()) -> Dataset:
    """The data set, read; raise `Refused`, with the first thing that is wrong, unless the file may come in.

    The project's protocol may allow `private` attributes, and `names` that differ from the pseudonym.
    """
    dataset = _read(content)
    try:
        wrong = next(_objections(content, dataset, protocol_digest, allows), None)
    except (*UNREADABLE, OSError, RecursionError, EOFError):
        wrong = "it cannot be read to its end"
    if wrong:
        raise Refused(f"not admitted: {wrong}")
    return dataset


def read(content: bytes | memoryview) -> Dataset:
    """The data set, whatever it says of itself; `Refused` where it is none."""
    return _read(content)


def _read(content: bytes | memoryview) -> FileDataset:
    if bytes(content[128:132]) != b"DICM":
        raise Refused("not admitted: it is not a DICOM Part 10 file")
    try:
        return pydicom.dcmread(BytesIO(content))
    except (*UNREADABLE, OSError, RecursionError, EOFError):
        raise Refused("not admitted: it cannot be read as DICOM") from None


def _objections(
    content: bytes | memoryview, dataset: FileDataset, protocol_digest: str, allows: Collection[str]
) -> Iterator[str]:
    if any(content[:128]):
        yield "its preamble is not empty"
    for element in dataset.file_meta:
        if element.keyword not in META:
            yield f"its file meta information holds {element.tag}"
    if not dataset.file_meta.get("TransferSyntaxUID", UID("")).is_transfer_syntax:
        yield "its transfer syntax is none of PS3.6"
    if dataset.file_meta.get("MediaStorageSOPInstanceUID") != dataset.get("SOPInstanceUID"):
        yield "its file meta information is of another instance"
    if dataset.original_encoding != ENCODINGS.get(dataset.file_meta.get("TransferSyntaxUID", ""), EXPLICIT):
        yield "its data set is not encoded as its transfer syntax says, or is deflated or big endian"
    if not _ends_with_its_last_element(content, dataset):
        yield "it is cut, or something follows its last element"
    for keyword in IDENTIFIERS:
        if not isinstance(dataset.get(keyword), str) or not dataset.get(keyword):
            yield f"{keyword} is missing"
        elif keyword.endswith("UID") and not DOTTED.fullmatch(dataset[keyword].value):
            yield f"{keyword} is no UID"
    if "names" not in allows and str(dataset.get("PatientName", "")) != dataset.PatientID:
        yield "PatientName is not the pseudonym in PatientID"
    if dataset.get("PatientIdentityRemoved") != "YES":
        yield "PatientIdentityRemoved is not YES"
    if f"sha256:{protocol_digest[:48]}" not in _values(dataset.get("DeidentificationMethod")):
        yield "DeidentificationMethod does not name the digest of the project's protocol"
    for element in dataset.iterall():
        if element.tag.is_private and "private" not in allows:
            yield f"it holds the private element {element.tag}"


def _ends_with_its_last_element(content: bytes | memoryview, dataset: FileDataset) -> bool:
    last: RawDataElement | DataElement = dataset.get_item(max(dataset.keys()), keep_deferred=True)
    if not isinstance(last, RawDataElement):  # a sequence of undefined length
        return bytes(content[-8:]) == SEQUENCE_END
    length = len(last.value or b"") + len(SEQUENCE_END) if last.length == UNDEFINED else last.length
    return last.value_tell + length == len(content)


def _values(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, MultiValue) else [str(value)]
