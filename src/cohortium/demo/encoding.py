"""Encoding what pydicom will not write: group lengths, elements of VR UN, free preambles. Same input, same bytes."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from itertools import groupby
from types import MappingProxyType
from typing import Any

from pydicom.charset import convert_encodings
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element, write_dataset, write_file_meta_info
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

__all__ = ["as_unknown", "code", "encode", "even", "file", "item", "uid"]


def item(**elements: Any) -> Dataset:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def code(value: str, scheme: str, meaning: str, **more: Any) -> Dataset:
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning, **more)


def uid(root: str, *parts: object) -> str:
    """A UID under `root` that depends on the parts alone."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return f"{root}.{int.from_bytes(digest[:4])}.{int.from_bytes(digest[4:12])}"


def file(
    preamble: str,
    instance: str,
    body: bytes,
    sender: str,
    calling: str,
    version: str,
    sop_class: str = CTImageStorage,
    syntax: str = ExplicitVRLittleEndian,
) -> bytes:
    """A DICOM file around an encoded data set."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(instance)
    meta.TransferSyntaxUID = UID(syntax)
    meta.ImplementationClassUID = UID("1.2.276.0.7230010.3.0.3.6.4")
    meta.ImplementationVersionName = version
    meta.SourceApplicationEntityTitle = sender
    meta.SendingApplicationEntityTitle = calling
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    write_file_meta_info(stream, meta)
    return preamble.encode("ascii").ljust(128, b"\0")[:128] + b"DICM" + stream.getvalue() + body


def encode(
    dataset: Dataset,
    charset: str | list[str],
    unknown: Mapping[int, bytes] = MappingProxyType({}),
    *,
    lengths: bool = False,
) -> bytes:
    """The data set in explicit little endian, with `unknown` values as elements of VR UN among the others.

    With `lengths` each group opens with its (retired) group length.
    """
    encodings = convert_encodings(charset)
    parts = []
    for group, tags in groupby(sorted({*map(int, dataset.keys()), *unknown}), lambda tag: tag >> 16):
        stream = _stream()
        for tag in tags:
            if tag in unknown:
                value = unknown[tag] + b" " * (len(unknown[tag]) % 2)
                stream.write(struct.pack("<HH2sHL", group, tag & 0xFFFF, b"UN", 0, len(value)) + value)
            else:
                write_data_element(stream, dataset[tag], encodings)
        content = stream.getvalue()
        if lengths:
            parts.append(struct.pack("<HH2sHL", group, 0, b"UL", 4, len(content)))
        parts.append(content)
    return b"".join(parts)


def as_unknown(item: Dataset) -> bytes:
    """The item as the value of an UN element of defined length: implicit VR, as PS3.5 6.2.2 has it."""
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, True
    write_dataset(stream, item)
    content = stream.getvalue()
    return b"\xfe\xff\x00\xe0" + len(content).to_bytes(4, "little") + content


def _stream() -> DicomBytesIO:
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    return stream


def even(content: bytes) -> bytes:
    return content + b" " * (len(content) % 2)
