"""DICOM files by situation, made byte by byte, so that a test can have what no library would write.

`ct()` is a CT slice of a patient whose identity (`PLANTED`) stands all over the header. Its keyword arguments change
attributes (None removes one); `raw` puts bytes in an element's place, `behind` puts bytes after the pixel data.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pydicom
from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.filereader import read_sequence

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG = "1.2.840.10008.1.2.4.50"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
RLE = "1.2.840.10008.1.2.5"

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
PET_IMAGE = "1.2.840.10008.5.1.4.1.1.128"
RT_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"

UNDEFINED = 0xFFFFFFFF
LONG = ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")
FORMATS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "SV": "q", "UV": "Q"}
ROWS, COLUMNS = 8, 6

NAME, ID, STREET, PHONE, SECRET = "MUELLER^HANS", "PAT-4711-X", "Lindenweg 12", "+49 89 5557788", "Geheimnis7"
INSTANCE, SERIES, STUDY = "1.2.276.0.4711.3.1", "1.2.276.0.4711.2.1", "1.2.276.0.4711.1.1"
PLANTED = ("MUELLER", "HANS", ID, STREET, "5557788", SECRET, "1.2.276.0.4711", "WESTSTADT", "19610203", "PACS_WEST")

Items = list[dict[str, Any]]


def tag_bytes(tag: int, *, big: bool = False) -> bytes:
    return struct.pack(">HH" if big else "<HH", tag >> 16, tag & 0xFFFF)


def element(
    tag: int | str,
    value: bytes = b"",
    vr: str | None = None,
    *,
    implicit: bool = False,
    big: bool = False,
    length: int | None = None,
    reserved: bytes = b"\0\0",
) -> bytes:
    """One element exactly as asked: any VR, any `length` whatever the value's, any reserved bytes."""
    number = tag if isinstance(tag, int) else int(tag_for_keyword(tag) or 0)
    if vr is None:
        vr = dictionary_VR(number).split(" or ")[-1]
    size = len(value) if length is None else length
    order = "big" if big else "little"
    head = tag_bytes(number, big=big)
    if implicit:
        return head + size.to_bytes(4, order) + value
    if vr in LONG:
        return head + vr.encode() + reserved + size.to_bytes(4, order) + value
    return head + vr.encode() + size.to_bytes(2, order) + value


def item(content: bytes = b"", *, undefined: bool = False, length: int | None = None, end_length: int = 0) -> bytes:
    """An item; `end_length` is what its delimiter says where it has one, 0 in good files."""
    if undefined:
        return b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + content + b"\xfe\xff\x0d\xe0" + end_length.to_bytes(4, "little")
    return b"\xfe\xff\x00\xe0" + (len(content) if length is None else length).to_bytes(4, "little") + content


def sequence(
    tag: int | str,
    *items: bytes,
    vr: str = "SQ",
    implicit: bool = False,
    undefined: bool = False,
    end_length: int = 0,
    reserved: bytes = b"\0\0",
) -> bytes:
    """A sequence of encoded items (or whatever stands in their place)."""
    value = b"".join(items)
    if not undefined:
        return element(tag, value, vr, implicit=implicit, reserved=reserved)
    value += b"\xfe\xff\xdd\xe0" + end_length.to_bytes(4, "little")
    return element(tag, value, vr, implicit=implicit, length=UNDEFINED, reserved=reserved)


def encapsulated(*fragments: bytes, table: bytes = b"", vr: str = "OB", end_length: int = 0) -> bytes:
    """Compressed pixel data, fragment by fragment."""
    items = item(table), *(item(fragment + b"\0" * (len(fragment) % 2)) for fragment in fragments)
    return sequence("PixelData", *items, vr=vr, undefined=True, end_length=end_length)


def encoded(keyword: str, value: Any, *, implicit: bool = False, big: bool = False, charset: str = "latin-1") -> bytes:
    """The element of a known attribute; `value` is bytes, text, a number, a list of them, or a list of items."""
    vr = dictionary_VR(tag_for_keyword(keyword) or 0).split(" or ")[-1 if keyword == "PixelData" else 0]
    if vr == "SQ":
        contents = [data_set(each, implicit=implicit, big=big, charset=charset) for each in value]
        items = (element(0xFFFEE000, each, "", implicit=True, big=big) for each in contents)
        return element(keyword, b"".join(items), vr, implicit=implicit, big=big)
    if not isinstance(value, bytes):
        values = value if isinstance(value, list | tuple) else [value]
        if vr in FORMATS:
            value = b"".join(struct.pack((">" if big else "<") + FORMATS[vr], each) for each in values)
        else:
            value = "\\".join(map(str, values)).encode(charset)
    if len(value) % 2:
        value += b"\0" if vr in ("UI", "OB") else b" "
    if big and vr == "OW":
        value = np.frombuffer(value, "<u2").astype(">u2").tobytes()
    return element(keyword, value, vr, implicit=implicit, big=big)


def data_set(
    attributes: Mapping[str, Any],
    raw: Mapping[int, bytes] | None = None,
    *,
    implicit: bool = False,
    big: bool = False,
    charset: str = "latin-1",
) -> bytes:
    """Elements in the order of their tags; `raw` goes before, by tag."""
    elements = {
        int(tag_for_keyword(keyword) or 0): encoded(keyword, value, implicit=implicit, big=big, charset=charset)
        for keyword, value in attributes.items()
        if value is not None
    }
    elements |= raw or {}
    return b"".join(elements[tag] for tag in sorted(elements))


def part10(
    content: bytes,
    syntax: str = EXPLICIT,
    sop_class: str = CT_IMAGE,
    *,
    preamble: bytes = bytes(128),
    more: bytes = b"",
) -> bytes:
    """A file around a data set; `more` are further elements of the header, from (0002,0012) on."""
    if syntax == DEFLATED:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        content = deflater.compress(content) + deflater.flush()
        content += b"\0" * (len(content) % 2)
    header = element(0x00020001, b"\0\1", "OB")
    for tag, uid in ((0x00020002, sop_class), (0x00020003, INSTANCE), (0x00020010, syntax)):
        header += element(tag, uid.encode() + b"\0" * (len(uid) % 2), "UI")
    header += more
    return preamble + b"DICM" + element(0x00020000, struct.pack("<I", len(header)), "UL") + header + content


def samples(rows: int = ROWS, columns: int = COLUMNS, *, bits: int = 12) -> bytes:
    """A picture with a gradient, two bytes a sample."""
    return (np.arange(rows * columns, dtype="<u2") * 37 % (1 << bits)).tobytes()


def identity() -> dict[str, Any]:
    """Who the patient is, in attributes that the Basic Profile removes, empties or replaces."""
    return {
        "AccessionNumber": SECRET,
        "InstitutionName": "WESTSTADT KLINIK",
        "ReferringPhysicianName": NAME,
        "StudyDescription": f"Thorax {NAME}",
        "PatientName": NAME,
        "PatientID": ID,
        "PatientBirthDate": "19610203",
        "PatientSex": "M",
        "OtherPatientIDs": ID,
        "PatientAddress": STREET,
        "PatientTelephoneNumbers": PHONE,
        "PatientComments": SECRET,
        "RequestAttributesSequence": [{"RequestedProcedureID": SECRET, "RequestedProcedureDescription": NAME}],
    }


def attributes() -> dict[str, Any]:
    """A CT slice."""
    return {
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "SOPClassUID": CT_IMAGE,
        "SOPInstanceUID": INSTANCE,
        "StudyDate": "20200304",
        "StudyTime": "101112",
        "Modality": "CT",
        "Manufacturer": "ACME",
        "SeriesDescription": "CT THORAX AXIAL",
        "ReferencedImageSequence": [{"ReferencedSOPClassUID": CT_IMAGE, "ReferencedSOPInstanceUID": INSTANCE + ".9"}],
        "SliceThickness": "1.25",
        "KVP": "120",
        "ConvolutionKernel": "B30f",
        "StudyInstanceUID": STUDY,
        "SeriesInstanceUID": SERIES,
        "InstanceNumber": "7",
        "ImagePositionPatient": ["-10", "-20", "30.5"],
        "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
        "FrameOfReferenceUID": STUDY + ".5",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": ROWS,
        "Columns": COLUMNS,
        "PixelSpacing": ["0.75", "0.5"],
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "RescaleIntercept": "-1024",
        "RescaleSlope": "1",
        "PixelData": samples(),
    } | identity()


def ct(
    *,
    syntax: str = EXPLICIT,
    charset: str = "latin-1",
    raw: Mapping[int, bytes] | None = None,
    behind: bytes = b"",
    preamble: bytes = bytes(128),
    meta: bytes = b"",
    **changes: Any,
) -> bytes:
    """A CT slice with its attributes changed: see the module. `SOPClassUID` changes the file header too."""
    wanted = attributes() | changes
    big = syntax == BIG_ENDIAN
    content = data_set(wanted, raw, implicit=syntax == IMPLICIT, big=big, charset=charset) + behind
    sop_class = changes.get("SOPClassUID") or CT_IMAGE
    return part10(content, syntax, sop_class, preamble=preamble, more=meta)


def joined(slices: Iterable[bytes | memoryview]) -> bytes:
    return b"".join(slices)


def read(content: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(content))


def listed(content: bytes) -> list[tuple[int, str, Any]]:
    """(tag, VR, value as bytes) of every element, sequences as lists of the same, as pydicom reads them."""
    return _listed(read(content))


def _listed(dataset: pydicom.Dataset) -> list[tuple[int, str, Any]]:
    found: list[tuple[int, str, Any]] = []
    # All at once: to look at a sequence converts other elements.
    elements = {tag: dataset.get_item(tag, keep_deferred=True) for tag in sorted(dataset.keys())}
    for tag, raw in elements.items():
        if isinstance(raw, DataElement) and raw.VR != "SQ":  # pydicom has read the character set already
            found.append((int(tag), raw.VR, str(raw.value).encode()))
        elif isinstance(raw, DataElement) or (raw.VR or _known_vr(tag)) == "SQ":
            found.append((int(tag), "SQ", [_listed(each) for each in dataset[tag].value]))
        elif (
            tag.is_private and raw.VR is None and (raw.value or b"").startswith(b"\xfe\xff\x00\xe0")
        ):  # a private sequence in implicit VR
            items = read_sequence(io.BytesIO(raw.value), True, True, len(raw.value), "iso8859")
            found.append((int(tag), "SQ", [_listed(each) for each in items]))
        else:
            assert isinstance(raw, RawDataElement)
            found.append((int(tag), raw.VR or "", raw.value or b""))
    return found


def _known_vr(tag: int) -> str:
    return dictionary_VR(tag) if dictionary_has_tag(tag) else ""


def keywords(dataset: pydicom.Dataset) -> set[str]:
    """Every keyword or tag at any depth."""
    return {keyword_for_tag(each.tag) or str(each.tag) for each in dataset.iterall()}


def planted_in(content: bytes, values: Iterable[str] = PLANTED) -> list[str]:
    """Those of the planted values that stand somewhere in these bytes, whatever their case or encoding."""
    upper = content.upper()
    forms = ("utf-8", "latin-1", "utf-16-le", "utf-16-be")
    return [value for value in values if any(value.upper().encode(form, "ignore") in upper for form in forms)]
