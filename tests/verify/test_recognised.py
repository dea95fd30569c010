"""Names in pictures: read with the real reader where there is one, matched as readers misread, never passed unread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from pydicom import dcmread

import factory
from cohortium.dicom import reading
from cohortium.verify.checks import Checked, Tally
from cohortium.verify.pairs import Opened, Pair
from cohortium.verify.policy import Matching
from cohortium.verify.recognised import Recognised, kinds_in
from cohortium.verify.record import Record

ROWS, COLUMNS = 240, 320
ULTRASOUND = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.1", "Modality": "US"}
with_reader = pytest.mark.skipif(not reading.available(), reason="the extra ocr is not installed")


def picture(*lines: str, frames: int = 1, on: int = 0) -> bytes:
    """8 bits; the lines are written on one frame."""
    samples = np.random.default_rng(1).integers(10, 60, (frames, ROWS, COLUMNS)).astype(np.uint8)
    image = Image.fromarray(samples[on])
    for number, line in enumerate(lines):
        ImageDraw.Draw(image).text((12, 12 + 40 * number), line, fill=255, font=ImageFont.load_default(24))
    samples[on] = np.asarray(image)
    return samples.tobytes()


def pair(folder: Path, pixels: bytes, frames: int = 1, **attributes: Any) -> Opened:
    """An input full of identity, and an output with nothing of it but what its pixels show."""
    eight = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "Rows": ROWS, "Columns": COLUMNS}
    shape = {**eight, "NumberOfFrames": str(frames), "PixelData": pixels}
    source, output = folder / "in.dcm", folder / "out.dcm"
    source.write_bytes(factory.ct(**ULTRASOUND | shape | attributes))
    gone = dict.fromkeys(("PatientName", "PatientID", "PatientBirthDate", "ReferringPhysicianName"))
    output.write_bytes(factory.ct(**ULTRASOUND | shape | attributes | gone))
    return Opened(Pair(source, output, "out.dcm"), dcmread(source), dcmread(output))


def checked(opened: Opened, drawn: tuple[str, ...] = ()) -> Checked:
    actions = {"PatientName": "D", "PatientID": "D", "PatientBirthDate": "Z"}
    record = Record("test", "basic", "", "0", (), actions)
    matching = Matching(record, {"out.dcm": (opened.pair.source, opened.pair.output)})
    tally = Tally(Recognised(matching, drawn))
    tally.see(opened, "out.dcm")
    return tally.result()


@with_reader
@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("MUELLER, HANS", "name"),
        ("Name: Mueller", "name"),
        ("ID PAT-4711-X", "identifier"),
        ("03.02.1961", "date of birth"),
        ("* 02/03/1961", "date of birth"),
    ],
)
def test_what_is_burnt_into_a_picture_is_found(tmp_path: Path, line: str, kind: str) -> None:
    result = checked(pair(tmp_path, picture("FR 22Hz", line)))
    assert f"a {kind} of its input can be read in the picture" in {each.what for each in result.problems}
    assert "mueller" not in repr(result).lower()


@with_reader
def test_a_name_on_one_of_many_frames_is_found(tmp_path: Path) -> None:
    result = checked(pair(tmp_path, picture("MUELLER HANS", frames=9, on=6), frames=9))
    assert result.status == "failed"


@with_reader
def test_text_that_names_nobody_is_told_but_no_leak(tmp_path: Path) -> None:
    result = checked(pair(tmp_path, picture("GAIN 55", "DEPTH 12 cm")))
    assert (result.status, result.problems) == ("passed", ())
    assert result.note == "1 pictures hold text that names nobody; look at them."


@with_reader
def test_of_plain_kinds_those_are_read_that_were_drawn(tmp_path: Path) -> None:
    plain = {"SOPClassUID": factory.CT_IMAGE, "Modality": "CT"}
    opened = pair(tmp_path, picture("MUELLER HANS"), **plain)
    assert checked(opened).status == "not checked"
    found = checked(opened, ("out.dcm",))
    assert found.status == "failed"
    assert found.looked_at.startswith("1 pictures were read: 1 of 1 of CT, MR, PT")
    captured = pair(tmp_path, picture("MUELLER HANS"), **plain, ImageType=["DERIVED", "SECONDARY"])
    assert checked(captured).status == "failed"


def test_without_the_reader_nothing_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "available", lambda: False)
    result = checked(pair(tmp_path, picture("MUELLER HANS")))
    assert (result.status, result.note) == ("not checked", "Not read: the extra `ocr` is not installed.")


@pytest.mark.parametrize(
    ("read", "value", "kind", "found"),
    [
        ("MUELLER", "Mueller", "name", True),
        ("M UE LLER", "Mueller", "name", True),
        ("MUEI1ER", "Mueller", "name", True),
        ("MUFLLER", "Mueller", "name", True),  # one letter misread
        ("MUFLIKR", "Mueller", "name", False),
        ("PAT-O8I5", "PAT-0815", "identifier", True),
        ("Müller", "Muller", "name", True),
        ("Canada", "Ada", "name", False),
        ("for Ada.", "Ada", "name", True),
        ("born 3.2.1961", "19610302", "date of birth", False),
        ("born 03.02.61", "19610203", "date of birth", True),
        ("1.2.276.0.4711", "1.2.276.0.4711", "UID", False),
    ],
)
def test_readers_mistakes(read: str, value: str, kind: str, found: bool) -> None:
    assert list(kinds_in(read, {value: kind})) == [kind] * found
