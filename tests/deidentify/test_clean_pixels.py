"""The option Clean Pixel Data: pictures that carry text go on, blanked and stamped, where a rule knows them."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw, ImageFont
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import UID

from cohortium.deidentify import Deidentified, Deidentifier, load_protocol
from cohortium.dicom import codecs, reading
from cohortium.errors import ConfigError
from cohortium.keys import SiteKey
from cohortium.values import Reason, SetAside
from factory import NAME, ct, joined, planted_in, read

ROWS, COLUMNS, TOP = 240, 320, 36
US, SC = "1.2.840.10008.5.1.4.1.1.3.1", "1.2.840.10008.5.1.4.1.1.7"
PROTOCOL = """
name = "ultrasound"
version = "1"
title = "Ultrasound, cleaned"
edition = "2026c"
base = "basic"
options = ["Clean Pixel Data"]
"""

needs_reader = pytest.mark.skipif(not reading.available(), reason="the extra `ocr` is not installed")


@pytest.fixture
def deidentify(tmp_path):
    path = tmp_path / "ultrasound.toml"
    path.write_text(PROTOCOL, encoding="utf-8")
    return Deidentifier(load_protocol(path), SiteKey(bytes(range(32))), "p")


def scan(frames: int) -> np.ndarray:
    """The patient's name in the band above the scan, and once more where only the scan should be."""
    image = Image.new("L", (COLUMNS, ROWS), 30)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(18)
    draw.text((10, 8), "MUELLER HANS PAT-4711-X", fill=255, font=font)
    draw.text((40, 120), "MUELLER", fill=255, font=font)
    return np.repeat(np.asarray(image)[None], frames, axis=0)


def ultrasound(pixels: np.ndarray, *, syntax: str = "1.2.840.10008.1.2.1", **changes: object) -> bytes:
    region = {
        "RegionLocationMinX0": 0,
        "RegionLocationMinY0": TOP,
        "RegionLocationMaxX1": COLUMNS - 1,
        "RegionLocationMaxY1": ROWS - 1,
    }
    picture = {
        "SOPClassUID": US,
        "Modality": "US",
        "SequenceOfUltrasoundRegions": [region],
        "NumberOfFrames": str(len(pixels)),
        "Rows": ROWS,
        "Columns": COLUMNS,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "BurnedInAnnotation": "YES",
        "PixelData": pixels.tobytes(),
    }
    content = ct(**picture | changes)
    if syntax == "1.2.840.10008.1.2.1":
        return content
    dataset = read(content)
    encoder = get_encoder(UID(syntax))
    dataset.PixelData = encapsulate([bytes(encoder.encode(dataset, index=number)) for number in range(len(pixels))])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    out = BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def codes(dataset: pydicom.Dataset) -> list[str]:
    return [item.CodeValue for item in dataset.DeidentificationMethodCodeSequence]


@needs_reader
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.5"])
def test_a_name_in_the_picture_is_gone_and_the_header_says_so(deidentify, syntax):
    result = deidentify(ultrasound(scan(3), syntax=syntax))
    assert isinstance(result, Deidentified)
    content = joined(result.slices)
    dataset = read(content)
    assert dataset.BurnedInAnnotation == "NO"
    assert codes(dataset) == ["113100", "113101"]
    assert dataset.file_meta.TransferSyntaxUID == syntax
    assert not planted_in(content)
    assert {"pixels.redacted", "pixels.text", "pixels.own-words"} <= {finding.rule for finding in result.findings}
    for index in range(3):
        frame, _ = codecs.decode(dataset, index)
        assert not frame[:TOP].any()
        assert frame.max() == 30
        assert (frame[TOP:] == 30).mean() > 0.7
    assert len(result.digest()) == 64
    assert result.size() == len(content)


@needs_reader
def test_what_was_not_cleaned_is_not_stamped(deidentify):
    result = deidentify(ct())
    assert isinstance(result, Deidentified)
    dataset = read(joined(result.slices))
    assert "BurnedInAnnotation" not in dataset
    assert codes(dataset) == ["113100"]


@needs_reader
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"SequenceOfUltrasoundRegions": None}, "no rule knows"),
        ({"SOPClassUID": SC}, "secondary captures"),
        ({"Modality": "CT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, "BurnedInAnnotation is YES"),
    ],
)
def test_what_no_rule_knows_stays_in_quarantine(deidentify, changes, words):
    result = deidentify(ultrasound(scan(1), **changes))
    assert isinstance(result, SetAside)
    assert result.reason is Reason.PIXELS_NOT_REVIEWED
    assert words in result.detail
    assert NAME not in result.detail


@needs_reader
def test_a_doubtful_picture_stays_with_all_its_reasons(deidentify):
    """A page of text where the scan should be."""
    image = Image.new("L", (COLUMNS, ROWS), 30)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(16)
    for top in range(TOP, ROWS, 20):
        draw.text((2, top), "MUELLER HANS LINDENWEG 12 WESTSTADT", fill=255, font=font)
    result = deidentify(ultrasound(np.asarray(image)[None]))
    assert isinstance(result, SetAside)
    assert "more than a quarter" in result.detail


@needs_reader
def test_a_truncated_file_is_set_aside(deidentify):
    assert isinstance(deidentify(ultrasound(scan(1))[:-1000]), SetAside)


def test_without_the_option_nothing_is_cleaned():
    plain = Deidentifier(load_protocol("basic"), SiteKey(bytes(range(32))), "p")
    assert isinstance(plain(ultrasound(scan(1))), SetAside)


def test_without_the_extra_it_does_not_start(tmp_path, monkeypatch):
    path = tmp_path / "ultrasound.toml"
    path.write_text(PROTOCOL, encoding="utf-8")
    monkeypatch.setattr(reading, "available", lambda: False)
    with pytest.raises(ConfigError, match=r"cohortium\[ocr\]"):
        Deidentifier(load_protocol(path), SiteKey(bytes(range(32))), "p")


@needs_reader
@pytest.mark.shared_data
def test_real_ultrasound_keeps_its_scan_and_loses_its_text(deidentify, shared_data):
    content = (shared_data / "dicom" / "odd" / "JPGLosslessP14SV1_1s_1f_8b.dcm").read_bytes()
    result = deidentify(content)
    assert isinstance(result, Deidentified)
    before, _ = codecs.decode(codecs.read(content))
    after, _ = codecs.decode(codecs.read(joined(result.slices)))
    blanked = (before != after).mean()
    assert 0.001 < blanked < 0.1
    assert not any(len(text.text) > 1 and text.score > 0.9 for text in reading.Reader()(after))
