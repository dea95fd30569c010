"""Files read to the last byte: pydicom finds the same in them, and what is not wholly understood is refused."""

from __future__ import annotations

import contextlib
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.dataelem import RawDataElement
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

import portal_site
from cohortium.dicom import elements, meta
from cohortium.dicom.elements import Elements
from cohortium.errors import Malformed

TEXT = st.text("ABC ^=é\\", max_size=9)
VALUES = {
    "PatientComments": TEXT,
    "ImageType": st.lists(st.sampled_from(["ORIGINAL", "A", ""]), max_size=3),
    "SliceThickness": st.decimals(-100, 100, places=2).map(str),
    "Rows": st.integers(0, 65535),
    "PixelAspectRatio": st.lists(st.integers(1, 9).map(str), max_size=2),
    "FrameIncrementPointer": st.just(0x00181063),
    "EncapsulatedDocument": st.binary(max_size=40),
    "SmallestImagePixelValue": st.integers(0, 9),
    "LongCodeValue": TEXT,
}
SEQUENCES = ("ReferencedImageSequence", "RequestAttributesSequence")


@st.composite
def datasets(draw: st.DrawFn, depth: int = 0) -> Dataset:
    dataset = Dataset()
    for keyword in draw(st.sets(st.sampled_from(sorted(VALUES)), max_size=5)):
        setattr(dataset, keyword, draw(VALUES[keyword]))
    if draw(st.booleans()):
        dataset.private_block(0x0009, "ACME", create=True).add_new(1, "LO", "x")
    for keyword in SEQUENCES if depth < 3 else ():
        if draw(st.booleans()):
            setattr(dataset, keyword, draw(st.lists(datasets(depth + 1), max_size=2)))
            dataset[keyword].is_undefined_length = draw(st.booleans())
            for item in dataset[keyword].value:
                item.is_undefined_length_sequence_item = draw(st.booleans())
    return dataset


def file(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "2.25.1"
    return portal_site.encode(dataset, syntax)


def same(ours: Elements, theirs: Dataset) -> None:
    assert list(ours) == [int(tag) for tag in sorted(theirs.keys())]
    for tag, (vr, value) in ours.items():
        raw = theirs.get_item(tag, keep_deferred=True)
        if isinstance(value, list):
            assert vr == theirs[tag].VR == "SQ"
            assert len(value) == len(theirs[tag].value)
            for item, their_item in zip(value, theirs[tag].value, strict=True):
                same(item, their_item)
        elif isinstance(raw, RawDataElement):
            assert bytes(value) == (raw.value or b"")


@given(datasets(), st.sampled_from([ExplicitVRLittleEndian, ImplicitVRLittleEndian]))
def test_pydicom_finds_the_same(dataset: Dataset, syntax: str) -> None:
    content = file(dataset, syntax)
    found = elements.read(content)
    same(found.elements, dcmread(BytesIO(content)))
    assert found.size == len(content)


@given(datasets(), st.data())
def test_a_file_that_is_cut_or_goes_on_is_refused(dataset: Dataset, data: st.DataObject) -> None:
    content = file(dataset)
    whole = elements.read(content)
    end = data.draw(st.integers(0, len(content) - 1))
    try:
        shorter = elements.read(content[:end])
    except Malformed:
        pass
    else:  # cut between two elements, it is a shorter file
        assert list(shorter.elements.items()) == list(whole.elements.items())[: len(shorter.elements)]
    for tail in (b"\0", b"Doe^Jane", bytes(8)):
        with pytest.raises(Malformed):
            elements.read(content + tail)


@given(datasets(), st.data())
def test_flipped_bytes_are_refused_or_read(dataset: Dataset, data: st.DataObject) -> None:
    content = bytearray(file(dataset, data.draw(st.sampled_from([ExplicitVRLittleEndian, ImplicitVRLittleEndian]))))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(128, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Malformed):  # and nothing else is raised
        elements.read(bytes(content))


def element(group: int, number: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    size = len(value) if length is None else length
    head = struct.pack("<HH2s", group, number, vr)
    return head + (struct.pack("<HI", 0, size) if vr in elements.LONG else struct.pack("<H", size)) + value


def after(*more: bytes) -> bytes:
    return file(Dataset()) + b"".join(more)


UNDEFINED = 0xFFFFFFFF
ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED)
ITEM_END, SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE00D, 0), struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
NAME = element(0x10, 0x10, b"PN", b"A^")


@pytest.mark.parametrize(
    "content",
    [
        after(NAME, NAME),  # the second would hide the first
        after(element(0x10, 0x20, b"LO", b"A "), NAME),
        after(element(0x10, 0x20, b"XX", b"A ")),
        after(element(0x10, 0x20, b"LO", b"A ", 40)),
        after(element(0x10, 0x4000, b"LT", b"", 1)),
        after(element(0x10, 0x4000, b"UT", b"A ", UNDEFINED) + SEQUENCE_END),
        after(element(0x8, 0x1140, b"SQ", ITEM, UNDEFINED)),
        after(element(0x8, 0x1140, b"SQ", ITEM + ITEM_END, UNDEFINED)),
        after(element(0x8, 0x1140, b"SQ", NAME)),
        after(element(0x8, 0x1140, b"SQ", ITEM + NAME + ITEM_END + b"\\0" * 8)),
        after(element(0x7FE0, 0x10, b"OB", ITEM + ITEM_END, UNDEFINED)),
        after(struct.pack("<HH2sHI", 0x10, 0x4000, b"UT", 0x446F, 0)),  # letters where nothing may be
        after(ITEM_END),
        after(SEQUENCE_END),
        after(*[element(0x8, 0x1140, b"SQ", ITEM, UNDEFINED)] * 100),
        b"",
        bytes(132),
        bytes(128) + b"DICM",
        bytes(128) + b"DICM" + element(2, 0, b"UL", struct.pack("<I", 10**9)),
        file(Dataset(), DeflatedExplicitVRLittleEndian),
        file(Dataset(), ExplicitVRBigEndian),
    ],
)
def test_what_is_no_plain_data_set_is_refused(content: bytes) -> None:
    with pytest.raises(Malformed):
        elements.read(content)


def test_a_sequence_may_be_written_as_unknown() -> None:
    name = struct.pack("<HHI", 0x10, 0x10, 2) + b"A^"
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(name)) + name
    for value in (element(0x8, 0x1140, b"UN", item), element(0x8, 0x1140, b"UN", item + SEQUENCE_END, UNDEFINED)):
        found = elements.read(after(value)).elements
        assert found[0x00081140] == ("SQ", [{0x00100010: ("PN", b"A^")}])
    assert elements.read(after(element(0x10, 0x10, b"UN", b"A^"))).elements[0x00100010] == ("PN", b"A^")


@pytest.mark.parametrize("syntax", [RLELossless])
def test_fragments_stay_as_they_lie(syntax: str) -> None:
    dataset = Dataset()
    dataset.PixelData = encapsulate([bytes(20_000), b"ab"])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.add_new(0xFFFCFFFC, "OB", b"ab")
    content = file(dataset, syntax)
    value: Any = elements.read(content).elements[0x7FE00010][1]
    assert bytes(value) == dcmread(BytesIO(content)).PixelData


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "reportsi.dcm", "liver_1frame.dcm", "JPEG2000.dcm"])
def test_what_was_read_is_described_as_what_is_to_be_read(name: str) -> None:
    content = Path(str(get_testdata_file(name, download=False))).read_bytes()
    assert meta.described(elements.read(content), "ab") == meta.describe(content, "ab")
