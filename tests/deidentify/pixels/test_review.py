"""Rules and reader together. Most tests bring a reader that says what it is told, for the law is what is tested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from cohortium.deidentify.pixels import Hold
from cohortium.deidentify.pixels.review import Review, review
from cohortium.dicom import codecs, reading
from cohortium.dicom.reading import Reader, Text
from cohortium.dicom.redact import Rectangle, redact
from cohortium.errors import Malformed

ROWS, COLUMNS = 300, 400
BAND = Rectangle(0, 0, COLUMNS, 30)


def ultrasound(pixels: np.ndarray | None = None, **more: object) -> bytes:
    """An ultrasound picture whose declared region leaves a band of 30 rows above."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.3.1", "1.2.3"
    dataset.Modality, dataset.PatientName, dataset.PatientID = "US", "Müller^Jörg", "PAT-4711"
    pixels = np.full((1, ROWS, COLUMNS), 90, np.uint8) if pixels is None else pixels
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    region = Dataset()
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 0, BAND.height
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = COLUMNS - 1, ROWS - 1
    dataset.SequenceOfUltrasoundRegions = [region]
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OB"
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    out = BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def reader(*texts: Text) -> Callable[[np.ndarray], Sequence[Text]]:
    """Sees these texts where their place is not black."""

    def read(shade: np.ndarray) -> Sequence[Text]:
        return [text for text in texts if shade[text.rectangle.within(*shade.shape[:2])].any()]

    return read


def test_rule_and_texts_are_blanked_in_every_frame():
    box = Rectangle(50, 100, 60, 12)
    content = ultrasound(np.full((5, ROWS, COLUMNS), 90, np.uint8))
    found = review(content, reader(Text(box, "2D", 0.9)))
    assert isinstance(found, Review)
    assert found.areas == dict.fromkeys(range(5), (BAND, box))
    assert [finding.rule for finding in found.findings] == ["pixels.text"]


def test_the_reader_does_not_see_what_the_rule_blanks():
    found = review(ultrasound(), reader(Text(Rectangle(5, 5, 80, 12), "MULLER", 0.9)))
    assert found == Review({0: (BAND,)})


def test_around_the_patients_own_words_more_is_blanked():
    found = review(ultrasound(), reader(Text(Rectangle(50, 100, 60, 12), "MULLER", 0.9)))
    assert isinstance(found, Review)
    assert found.areas[0] == (BAND, Rectangle(38, 88, 84, 36))
    assert [finding.rule for finding in found.findings] == ["pixels.text", "pixels.own-words"]
    assert not any("MULLER" in finding.message for finding in found.findings)


def test_text_that_only_one_of_many_frames_shows_in_the_extremes():
    """Frame 3 of 7 is none of those looked at, but its text is brighter than anything there."""
    pixels = np.full((7, ROWS, COLUMNS), 90, np.uint8)
    box = Rectangle(50, 100, 60, 12)
    pixels[2][box.within(ROWS, COLUMNS)] = 255

    def read(shade: np.ndarray) -> Sequence[Text]:
        return [Text(box, "X", 0.9)] if shade.max() == 255 else []

    found = review(ultrasound(pixels), read)
    assert isinstance(found, Review)
    assert box in found.areas[0]


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (reader(Text(Rectangle(0, 40, COLUMNS, 100), "a letter", 0.9)), "quarter"),
        (lambda shade: [Text(Rectangle(5, 50, 9, 9), "NAME", 0.9)], "left"),
    ],
)
def test_doubtful(read, words):
    found = review(ultrasound(), read)
    assert isinstance(found, Hold)
    assert words in str(found)
    assert "NAME" not in str(found)


def test_what_is_left_but_cannot_be_read_is_no_text():
    assert isinstance(review(ultrasound(), lambda shade: [Text(Rectangle(5, 50, 9, 9), "'", 0.2)]), Review)


def test_no_reader_lets_a_picture_go_on_that_no_rule_knows():
    content = ultrasound(SequenceOfUltrasoundRegions=[])
    assert isinstance(review(content, reader()), Hold)


@pytest.mark.parametrize("content", [b"", b"\0" * 200])
def test_what_is_no_dicom_is_malformed(content):
    with pytest.raises(Malformed):
        review(content, reader())


def test_a_picture_that_cannot_be_decoded_is_held():
    found = review(ultrasound()[:-100], reader())
    assert isinstance(found, Hold)
    assert "cannot be decoded" in str(found)


WHOLE = ultrasound(np.full((4, ROWS, COLUMNS), 90, np.uint8))
HEADER = WHOLE.index(b"\xe0\x7f\x10\x00") + 12


@given(changes=st.lists(st.tuples(st.integers(132, HEADER - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_mutated_header_is_reviewed_held_or_malformed(changes):
    content = bytearray(WHOLE)
    for at, byte in changes:
        content[at] = byte
    with suppress(Malformed):  # anything else fails
        found = review(bytes(content), reader(Text(Rectangle(50, 100, 60, 12), "2D", 0.9)))
        if isinstance(found, Review):
            redact(bytes(content), found.areas)


@pytest.mark.skipif(not reading.available(), reason="the extra `ocr` is not installed")
def test_a_name_within_the_scan_is_gone_afterwards():
    """The whole way, with the real reader: the name stands where the device says that only the scan is."""
    image = Image.new("L", (COLUMNS, ROWS), 20)
    ImageDraw.Draw(image).text((60, 150), "MUELLER JOERG 4711", fill=255, font=ImageFont.load_default(20))
    content, read = ultrasound(np.asarray(image)[None]), Reader()
    found = review(content, read)
    assert isinstance(found, Review)
    after, _ = codecs.decode(codecs.read(b"".join(redact(content, found.areas).slices)))
    assert not any("MUE" in text.text for text in read(after))
    assert after.max() <= 20
    assert (after == 20).mean() > 0.7
