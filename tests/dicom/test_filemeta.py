"""The file header: read leniently, written strictly."""

from __future__ import annotations

import pydicom.uid
import pytest

import factory
from cohortium import __version__
from cohortium.dicom import filemeta
from cohortium.errors import Malformed
from factory import CT_IMAGE, EXPLICIT, ct, element


def test_what_is_built_is_read_back() -> None:
    header = filemeta.build(CT_IMAGE, "2.25.7", EXPLICIT)
    assert filemeta.read(header) == filemeta.FileMeta(CT_IMAGE, EXPLICIT, len(header))
    meta = factory.read(header).file_meta
    assert meta.MediaStorageSOPInstanceUID == "2.25.7"
    assert meta.ImplementationVersionName == f"COHORTIUM_{__version__}"[:16]
    assert meta.FileMetaInformationGroupLength == len(header) - 144
    assert pydicom.uid.UID(filemeta.IMPLEMENTATION_CLASS_UID).is_valid


def test_a_wrong_group_length_does_not_matter() -> None:
    content = bytearray(ct())
    end = filemeta.read(content).end
    content[140:144] = b"\xff\xff\xff\x7f"
    assert filemeta.read(content).end == end


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"MUELLER" * 40,
        bytes(128) + b"DICM",
        bytes(128) + b"DICM" + element(0x00020010, b"1.2", "UI", length=99),
        bytes(128) + b"DICM" + element(0x00020002, b"1.2.", "UI"),
        bytes(128) + b"DICM\2\0",
    ],
)
def test_no_usable_header(content: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        filemeta.read(content)
    assert "MUELLER" not in str(caught.value)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (ct()[:256], True),
        (ct()[filemeta.read(ct()).end :][:256], True),
        (ct(syntax=factory.IMPLICIT)[filemeta.read(ct(syntax=factory.IMPLICIT)).end :][:256], True),
        (b"", False),
        (b"a text file, no more than that", False),
        (bytes(256), False),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), False),
    ],
)
def test_is_dicom(head: bytes, expected: bool) -> None:
    assert filemeta.is_dicom(head) is expected
