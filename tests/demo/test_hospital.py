"""The made-up hospital: the same every time, whole or not there, and with every oddity that it promises."""

from __future__ import annotations

import hashlib
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.errors import InvalidDicomError

import dying
from cohortium.demo import hospital
from cohortium.demo.people import planted, site

MAKE = """
from pathlib import Path
from cohortium.demo import hospital
def act(folder):
    hospital.make(Path(folder), slices=4)
"""
SLICES = "DISK_01/DICOM/*/*/*"


def slices(folder: Path) -> list[Path]:
    return sorted(folder.glob(SLICES + "/IM*"))


def one(folder: Path, patient: str, study: int, index: int) -> Path:
    (path,) = folder.glob(f"DISK_01/DICOM/{patient}*/ST{study:06d}/*/IM{index + 1:06d}")
    return path


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_same_bytes_every_time(small_hospital: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    hospital.make(again, slices=4)
    assert digests(again) == digests(small_hospital)


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("kept")
    assert hospital.make(tmp_path) == planted()
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_killed_half_way_it_is_not_there_and_the_next_run_makes_it(tmp_path: Path) -> None:
    folder, part = tmp_path / "hospital", tmp_path / ".hospital.part"
    with dying.at_work(MAKE) as at_work:
        touches = at_work(tmp_path / "undisturbed") or 0
        assert at_work(folder, at=dying.Moment(touches // 2)) is None
    assert part.exists()
    assert not folder.exists()
    hospital.make(folder, slices=1)
    assert folder.exists()
    assert not part.exists()


def test_every_file_of_the_disk_is_what_it_is_meant_to_be(small_hospital: Path) -> None:
    lost = small_hospital / "DISK_01" / "LOST"
    assert (lost / "IM000001").read_bytes() == b""
    assert (small_hospital / "DISK_01" / f"{site()['letter']}.txt").read_text("utf-8") == site()["letter_text"]
    assert pydicom.dcmread(lost / "IM000002").PatientName == site()["cyrillic_name"]
    assert pydicom.dcmread(lost / "IM000003").PatientName == site()["greek_name"]
    with pytest.raises(ValueError, match="less than"):
        _ = pydicom.dcmread(lost / "IM000004").pixel_array
    assert b"UT\0\0\xf0\xff\xff\xff" in (lost / "IM000005").read_bytes()
    jpeg = (lost / "IM000006").read_bytes()
    comment = jpeg.index(b"\xff\xfe" + (len(site()["jpeg_comment"]) + 2).to_bytes(2, "big"))
    assert site()["jpeg_comment"].encode() in jpeg[comment:]
    assert pydicom.dcmread(BytesIO(jpeg)).pixel_array.shape == (128, 128)
    with pytest.raises(InvalidDicomError):
        pydicom.dcmread(small_hospital / "DISK_01" / "README")


def test_one_file_stands_there_twice(small_hospital: Path) -> None:
    count = Counter(digests(small_hospital).values())
    first = hashlib.sha256(one(small_hospital, "Mueller", 0, 0).read_bytes()).hexdigest()
    assert count[first] == 2


def test_four_series_of_which_one_lacks_a_slice_in_the_middle(small_hospital: Path) -> None:
    count = Counter(str(path.parent.relative_to(small_hospital)).split("/", 2)[2] for path in slices(small_hospital))
    assert sorted(count.values()) == [3, 4, 4, 4]
    with pytest.raises(ValueError, match="unpack"):
        one(small_hospital, "YAMADA", 1, 2)


@pytest.mark.parametrize(
    ("patient", "study", "name"),
    [("Mueller", 0, "Müller^Hans-Jürgen^^Dr."), ("Mueller", 1, "Müller^Hans-Jürgen^^Dr."), ("YAMADA", 0, "山田^太郎")],
)
def test_names_are_right_in_their_character_set(small_hospital: Path, patient: str, study: int, name: str) -> None:
    assert name in str(pydicom.dcmread(one(small_hospital, patient, study, 1)).PatientName)


def test_slices_look_like_a_scanners(small_hospital: Path) -> None:
    for path in slices(small_hospital):
        dataset = pydicom.dcmread(path)
        assert 110 <= len(dataset) <= 190
        assert 524_288 < path.stat().st_size < 570_000
        assert dataset.pixel_array.shape == (512, 512)
        assert dataset.BitsStored == (12 if dataset.PixelRepresentation == 0 else 16)
    positions = [
        pydicom.dcmread(one(small_hospital, "Mueller", 1, index)).ImagePositionPatient[2] for index in range(4)
    ]
    assert np.allclose(np.diff(positions), -1.25)


def test_places_where_identity_hides(small_hospital: Path) -> None:
    first, second, third, fourth = (one(small_hospital, "Mueller", 0, index).read_bytes() for index in range(4))
    assert first[:128].rstrip(b"\0")
    assert b"\x08\0\0\0UL\x04\0" in first  # group length
    assert b"\x10\0\x50\0UN" in first  # a sequence as UN, of defined length
    dataset = pydicom.dcmread(BytesIO(first))
    assert dataset.IconImageSequence[0].PixelData
    assert dataset[0x50000022].value
    assert dataset[0x00131003].is_undefined_length
    stored = np.frombuffer(pydicom.dcmread(BytesIO(second)).PixelData, "<u2")
    assert (stored >> 12).any()  # a name drawn in the unused bits
    assert pydicom.dcmread(BytesIO(third))[0xFFFCFFFC].value
    assert len(pydicom.dcmread(BytesIO(fourth)).PixelData) > 524_288


def test_pydicoms_own_files_are_there(small_hospital: Path) -> None:
    names = {path.name for path in (small_hospital / "DISK_02").rglob("*")}
    assert {"CT_small.dcm", "MR_truncated.dcm", "DICOMDIR", "chrH31.dcm", "rtplan.dcm"} <= names
    assert len(names) > 150
