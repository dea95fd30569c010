"""Decoding: every syntax that a decoder is there for, and refusal, not failure, of everything else."""

from __future__ import annotations

import os
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
)

from cohortium.dicom import codecs
from cohortium.errors import Malformed

FILES = Path(pydicom.__file__).parent / "data" / "test_files"  # by path: asking pydicom for one may download it
SHIPPED = sorted(FILES.glob("*.dcm"))


def content_of(name: str) -> bytes:
    return (FILES / name).read_bytes()


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("CT_small.dcm", None),
        ("MR_small_RLE.dcm", "MR_small.dcm"),
        ("MR_small_jp2klossless.dcm", "MR_small.dcm"),
        ("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm"),
        ("MR_small_bigendian.dcm", "MR_small.dcm"),
        ("SC_rgb_jpeg_dcmtk.dcm", None),
        ("SC_rgb_jpeg_gdcm.dcm", None),
        ("image_dfl.dcm", None),
    ],
)
def test_each_transfer_syntax_decodes_to_the_same_samples(name: str, twin: str | None) -> None:
    array, _ = codecs.decode(codecs.read(content_of(name)))
    if twin is not None:
        expected, _ = codecs.decode(codecs.read(content_of(twin)))
        assert np.array_equal(array, expected)
    assert array.size > 0


def test_a_decoder_that_was_made_ready_is_the_one_that_is_asked() -> None:
    codecs.be_ready()
    first = codecs.DECODERS.run(os.getpid)
    assert first != os.getpid()
    codecs.be_ready()
    assert codecs.DECODERS.run(os.getpid) == first


def test_no_file_that_pydicom_ships_ends_in_anything_but_an_array_or_malformed() -> None:
    outcomes = {"decoded": 0, "refused": 0, "no pixels": 0}
    for path in SHIPPED:
        try:
            dataset = codecs.read(path.read_bytes())
            if codecs.frames(dataset):
                codecs.decode(dataset)
                outcomes["decoded"] += 1
            else:
                outcomes["no pixels"] += 1
        except Malformed:
            outcomes["refused"] += 1
    assert outcomes["decoded"] > 40
    assert outcomes["refused"] > 0


@given(st.integers(0, 8000), st.binary(min_size=1, max_size=32))
def test_damage_anywhere_is_malformed_or_decodes(offset: int, damage: bytes) -> None:
    content = bytearray(content_of("MR_small_jp2klossless.dcm"))
    content[offset : offset + len(damage)] = damage
    try:
        dataset = codecs.read(bytes(content))
        codecs.decode(dataset)
    except Malformed:
        pass


def test_a_frame_larger_than_the_limit_is_refused_before_it_is_decoded() -> None:
    dataset = codecs.read(content_of("CT_small.dcm"))
    dataset.Rows = dataset.Columns = 40_000
    with pytest.raises(Malformed, match="samples"):
        codecs.decode(dataset)


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_jp2klossless.dcm",
        "SC_rgb_jpeg_gdcm.dcm",
        "SC_rgb_small_odd_jpeg.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
    ],
)
def test_a_compressed_frame_that_claims_another_size_is_a_bomb(name: str) -> None:
    dataset = codecs.read(content_of(name))
    stream = bytearray(get_frame(dataset.PixelData, 0, number_of_frames=1))
    _claim(stream, dataset.file_meta.TransferSyntaxUID)
    dataset.PixelData = encapsulate([bytes(stream)])
    with pytest.raises(Malformed, match="another size"):
        codecs.decode(dataset)


def _claim(stream: bytearray, syntax: UID) -> None:
    """Write 60,000 x 60,000 where the stream states its size."""
    if syntax == JPEG2000Lossless:
        start = stream.index(b"\xff\x4f\xff\x51")
        struct.pack_into(">2I", stream, start + 8, 60_000, 60_000)
        return
    marker = {JPEGBaseline8Bit: b"\xff\xc0", JPEGLosslessSV1: b"\xff\xc3", JPEGLSLossless: b"\xff\xf7"}[syntax]
    struct.pack_into(">2H", stream, stream.index(marker) + 5, 60_000, 60_000)


def test_a_deflated_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codecs, "MAX_INFLATED", 1 << 20)
    head = content_of("image_dfl.dcm")
    meta = dcmread(BytesIO(head)).file_meta
    assert meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian
    end = 132 + 12 + int(meta.FileMetaInformationGroupLength)
    bomb = zlib.compress(bytes(1 << 24), 9, -zlib.MAX_WBITS)
    with pytest.raises(Malformed, match="limit"):
        codecs.read(head[:end] + bomb)


@pytest.mark.parametrize("index", [-1, 1, 10**9])
def test_a_frame_that_is_not_there_is_refused(index: int) -> None:
    with pytest.raises(Malformed, match="does not exist"):
        codecs.decode(codecs.read(content_of("CT_small.dcm")), index)


def test_an_object_without_pixels_has_no_frames() -> None:
    assert codecs.frames(Dataset()) == 0
