"""Values as text: what lies in a file, what was set by hand, and bytes that mean nothing."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from cohortium.deidentify.ctp import elements, names

TAG = 0x00104000
VRS = "AE AS AT CS DA DS FD FL IS LO LT OB OW PN SH SL SS ST UI UL UN US UT"


def raw(vr: str | None, value: bytes | None, tag: int = TAG, *, little: bool = True) -> RawDataElement:
    return RawDataElement(BaseTag(tag), vr, len(value or b""), value, 0, vr is None, little)


@pytest.mark.parametrize(
    ("vr", "value", "text"),
    [
        ("LO", b"  a \\ b  ", "a \\ b"),
        ("LT", b" a\\b  ", " a\\b"),
        ("PN", b"Doe^Jane^^ ", "Doe^Jane"),
        ("AS", b"047Y ", "047Y "),
        ("UI", b"1.2\0", "1.2"),
        ("DS", b" 1.50 ", "1.50"),
        ("US", struct.pack("<2H", 1, 65535), "1\\65535"),
        ("SS", struct.pack("<h", -2), "-2"),
        ("UL", struct.pack("<L", 2**32 - 1), "4294967295"),
        ("FL", struct.pack("<f", 0.1), "0.1"),
        ("FD", struct.pack("<d", 1e9), "1.0E9"),
        ("AT", struct.pack("<2H", 0x10, 0xA), "0010000A"),
        ("OB", b"\x01\xff", "01\\FF"),
        ("US", b"\x01", ""),
        ("LO", b"", ""),
        ("LO", None, ""),
        (None, b"x ", "x"),
        ("SQ", b"", None),
    ],
)
def test_bytes_of_a_file_become_text(vr, value, text):
    assert elements.text_of(raw(vr, value), Dataset()) == text


def test_big_endian_numbers_too():
    assert elements.text_of(raw("US", b"\x01\x00", little=False), Dataset()) == "256"


@pytest.mark.parametrize(
    ("stated", "value", "text"),
    [
        (None, b"M\xfcller", "Müller"),
        (b"ISO_IR 100", b"M\xfcller", "Müller"),
        (b"ISO_IR 192 ", "Müller".encode(), "Müller"),
        (b"\\ISO 2022 IR 87", b"\x1b$B;3ED\x1b(B", "山田"),
        (b"no such set", b"M\xfcller", "Müller"),
    ],
)
def test_character_sets_are_followed(stated, value, text):
    dataset = Dataset()
    if stated is not None:
        dataset[0x00080005] = raw("CS", stated, 0x00080005)
    assert elements.text_of(raw("LO", value), dataset) == text


@given(vr=st.sampled_from(VRS.split()), value=st.binary())
def test_no_bytes_make_it_fail(vr, value):
    dataset = Dataset()
    dataset[0x00080005] = raw("CS", value[:16], 0x00080005)
    assert isinstance(elements.text_of(raw(vr, value), dataset), str)


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("PatientID", 0x00100020),
        ("OtherPatientIDsSeq", 0x00101002),
        ("OtherPatientIDsSequence", 0),
        ("AcquisitionDatetime", 0x0008002A),
        ("AcquisitionDateTime", 0),
        ("RefSOPInstanceUID", 0x00081155),
        ("SeqOfUltrasoundRegions", 0x00186011),
        ("RetrieveAET", 0x00080054),
        ("RedPaletteColorLUTData", 0x00281201),
        ("DeIdentificationMethod", 0x00120063),
        ("OverlayDescription", 0x60000022),
        ("patientid", 0),
        ("[0010,0020]", 0x00100020),
        ("(10,20)", 0x00100020),
        ("00100020", 0x00100020),
        ("FFFE0000", 0),
        ("", 0),
    ],
)
def test_names_are_those_of_ctp(name, tag):
    assert names.tag_of(name) == tag


def test_every_name_stands_for_one_attribute():
    assert names.spelling("PatientID") == "PatientID"
    assert names.spelling("ScheduledProcedureStepStartDate") == "SPSStartDate"
    assert names.spelling("NoSuchKeyword") == ""
