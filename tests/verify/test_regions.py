"""Where samples lie: only what the header accounts for, so that text behind them is searched as text."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from cohortium.verify.regions import Place, pixels, places, where

SAMPLES = bytes(range(8)) * 4
BEYOND = b"Mueller "


def written(
    syntax: str = ExplicitVRLittleEndian,
    pixel_data: bytes = SAMPLES,
    sequence: DataElement | None = None,
    **elements: Any,
) -> bytes:
    dataset = Dataset()
    if sequence is not None:
        dataset.add(sequence)
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, "1.2.3"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, dataset.BitsAllocated = 4, 4, 1, 16
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 15, 0
    dataset.PhotometricInterpretation = "MONOCHROME2"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.add_new(0x7FE00010, "OB" if syntax == JPEGBaseline8Bit else "OW", pixel_data)
    dataset["PixelData"].is_undefined_length = syntax == JPEGBaseline8Bit
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax  # type: ignore[assignment]
    stream = BytesIO()
    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    dcmwrite(stream, dataset, enforce_file_format=True, implicit_vr=implicit, little_endian=little)
    return stream.getvalue()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_samples_end_where_the_header_says(syntax: str) -> None:
    content = written(syntax, SAMPLES + BEYOND)
    begin, end = pixels(content)
    assert content[begin:end] == SAMPLES
    assert content[end:] == BEYOND


def test_big_endian() -> None:
    content = written(ExplicitVRBigEndian)
    begin, end = pixels(content)
    assert end - begin == len(SAMPLES)
    assert end == len(content)


def test_frames_colours_and_subsampling() -> None:
    more = {"NumberOfFrames": 2, "SamplesPerPixel": 3, "BitsAllocated": 8, "PhotometricInterpretation": "YBR_FULL_422"}
    begin, end = pixels(written(pixel_data=bytes(100), **more))
    assert end - begin == 2 * 4 * 4 * 2


def test_fragments_end_at_their_delimiter() -> None:
    fragments = encapsulate([b"\xff\xd8" + bytes(20) + b"\xff\xd9"])
    content = written(JPEGBaseline8Bit, fragments)
    begin, end = pixels(content)
    assert content[begin:end] == fragments
    assert content[end:].startswith(b"\xfe\xff\xdd\xe0")


@pytest.mark.parametrize("content", [b"", b"Mueller", bytes(132) + b"DICM", b"\2\0" * 300])
def test_what_is_no_image_has_no_samples(content: bytes) -> None:
    assert pixels(content) == (0, 0)
    assert where(places(content), 200).name == "byte 200"


def test_a_broken_header_leaves_everything_to_be_searched_as_text() -> None:
    content = written()
    assert pixels(content.replace(b"\x28\0\x10\0US\2\0", b"\x28\0\x12\0US\2\0")) == (0, 0)


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("nested_undefined", [False, True])
def test_places_name_attributes_by_path(undefined: bool, nested_undefined: bool) -> None:
    code = Dataset()
    code.CodeMeaning = "Steinhoefel"
    outer = Dataset()
    outer.PersonIdentificationCodeSequence = [code]
    outer.is_undefined_length_sequence_item = undefined
    outer["PersonIdentificationCodeSequence"].is_undefined_length = nested_undefined
    dataset = Dataset()
    dataset.OperatorIdentificationSequence = [outer]
    dataset["OperatorIdentificationSequence"].is_undefined_length = undefined
    content = written(sequence=dataset["OperatorIdentificationSequence"], PatientName="Doe^Jane")
    known = places(content)
    path = "OperatorIdentificationSequence/PersonIdentificationCodeSequence/CodeMeaning"
    assert where(known, content.index(b"Steinhoefel")).name == path
    assert where(known, content.index(b"Jane")) == Place(content.index(b"Doe^Jane"), "PatientName", "PN")
    assert where(known, 5).name == "preamble"
