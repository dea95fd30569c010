"""The proof itself: it finds everything that was left in, wherever and however, and cries no wolf."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from cohortium.demo import hospital
from cohortium.verify import search


def ct(**elements: Any) -> bytes:
    """A small CT image with these elements."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, "2.25.1"
    dataset.Modality, dataset.Manufacturer = "CT", "Philips Medical Systems"
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.Rows = dataset.Columns = 16
    dataset.SamplesPerPixel, dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 1, 16, 16, 15
    dataset.PixelRepresentation, dataset.PhotometricInterpretation = 0, "MONOCHROME2"
    dataset.add_new(0x7FE00010, "OW", bytes(512))
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stream = BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


@pytest.fixture
def original(tmp_path: Path) -> Path:
    path = tmp_path / "in.dcm"
    path.write_bytes(
        ct(
            SOPInstanceUID="1.2.276.0.99.4711.1",
            PatientName="Kowalewski^Ada",
            PatientID="4711-0815",
            PatientBirthDate="19570312",
            AccessionNumber="55021",
            StationName="NECKARCT2",
            OperatorsName="Philips^Test",
            StudyDate="20210406",
        )
    )
    return path


def found(original: Path, content: bytes, name: str = "out") -> set[tuple[str, str]]:
    return {(hit.at, hit.kind) for hit in search([original], [(name, content)]).hits}


@pytest.fixture(scope="module")
def hospital_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], tuple[str, ...]]:
    folder = tmp_path_factory.mktemp("verify") / "hospital"
    planted = hospital.make(folder, slices=4)
    return sorted(path for path in folder.rglob("*") if path.is_file()), planted


def test_every_planted_value_is_found_where_nothing_was_removed(
    hospital_files: tuple[list[Path], tuple[str, ...]],
) -> None:
    inputs, planted = hospital_files
    root = inputs[0].parents[1]
    report = search(inputs, ((str(path.relative_to(root)), path.read_bytes()) for path in inputs), planted)
    numbers = {hit.number for hit in report.hits}
    assert [value for number, value in enumerate(planted) if number not in numbers] == []
    kinds = {
        "UID",
        "address",
        "comment",
        "device",
        "identifier",
        "institution",
        "name",
        "person",
        "phone",
        "private text",
    }
    assert kinds <= {hit.kind for hit in report.hits}
    assert report.outputs == len(inputs)
    assert report.bytes == sum(path.stat().st_size for path in inputs)


def test_no_report_shows_a_value(hospital_files: tuple[list[Path], tuple[str, ...]]) -> None:
    inputs, planted = hospital_files
    root = inputs[0].parents[1]
    shown = repr(search(inputs[:40], ((str(p.relative_to(root)), p.read_bytes()) for p in inputs[:40]), planted))
    assert len(shown) > 1000
    assert [value for value in planted if value in shown] == []


def test_a_clean_output_gives_no_hit(original: Path) -> None:
    clean = ct(PatientName="K3JQ2", PatientID="K3JQ2", StudyDate="20210406", StudyDescription="CT Thorax test")
    report = search([original], [("a" * 64, clean)])
    assert report.hits == ()
    assert report.values > 8


@pytest.mark.parametrize(
    "text",
    ["Kowalewski", "KOWALEWSKI", "xxkowalewskixx", "Ada", "4711-0815", "id0815", "19570312", "NECKARCT2"],
)
def test_left_in_a_text_element(original: Path, text: str) -> None:
    assert {at for at, _ in found(original, ct(StudyDescription=text))} == {"StudyDescription"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "latin-1"])
@pytest.mark.parametrize("place", ["preamble", "end", "private"])
def test_left_anywhere_in_any_encoding(original: Path, encoding: str, place: str) -> None:
    secret = "Kowalewski".encode(encoding)
    clean = ct()
    if place == "preamble":
        content = secret.ljust(128, b"\0") + clean[128:]
    elif place == "end":
        content = clean + secret
    else:
        dataset = pydicom.dcmread(BytesIO(clean))
        dataset.private_block(0x0011, "ACME", create=True).add_new(1, "OB", secret)
        stream = BytesIO()
        dataset.save_as(stream)
        content = stream.getvalue()
    expected = {"preamble": "preamble", "end": "PixelData", "private": "(0011,1001)"}[place]
    assert (expected, "name") in found(original, content)


def test_left_among_samples_from_six_bytes_on(original: Path) -> None:
    assert found(original, ct(PixelData=b"Kowalewski".ljust(512, b"\0"))) == {("PixelData", "name")}
    assert found(original, ct(PixelData=b" Ada ".ljust(512, b"\0"))) == set()


def test_left_behind_the_samples(original: Path) -> None:
    assert found(original, ct(PixelData=bytes(512) + b" Ada ")) == {("PixelData", "name")}


def test_left_in_a_file_name_which_is_then_not_told(original: Path) -> None:
    (hit,) = search([original], [("scan of kowalewski.dcm", ct())]).hits
    assert (hit.at, hit.where) == ("file name", "output 1")


def test_an_original_uid_survives(original: Path) -> None:
    assert found(original, ct(FrameOfReferenceUID="1.2.276.0.99.4711.1")) == {("FrameOfReferenceUID", "UID")}
    assert found(original, ct(FrameOfReferenceUID="1.2.276.0.99.4711.12")) == set()


def test_short_names_count_only_as_words(original: Path) -> None:
    assert found(original, ct(StudyDescription="CT Canada")) == set()
    assert found(original, ct(StudyDescription="CT_Ada")) == {("StudyDescription", "name")}


def test_digits_in_numbers_dates_and_uids_are_chance_and_counted(original: Path) -> None:
    output = ct(SliceLocation="55021", StudyDate="20210406", FrameOfReferenceUID="2.25.55021")
    report = search([original], [("out", output)])
    assert report.hits == ()
    assert report.coincidences == 3  # and the maker that an operator is named after
    assert found(original, ct(AccessionNumber="55021")) == {("AccessionNumber", "identifier")}


def test_a_date_of_birth_counts_where_it_is_one_and_in_any_text(original: Path) -> None:
    assert found(original, ct(PatientBirthDate="19570312")) == {("PatientBirthDate", "date of birth")}
    assert found(original, ct(ImageComments="born 19570312")) == {("ImageComments", "date of birth")}


def test_a_makers_name_is_the_makers_only_where_the_maker_is_told(original: Path) -> None:
    assert found(original, ct(Manufacturer="Philips Medical Systems")) == set()
    assert found(original, ct(StudyDescription="Philips")) == {("StudyDescription", "name")}


def test_words_of_the_stop_list_are_counted_and_shown(original: Path) -> None:
    report = search([original], [("out", ct(StudyDescription="Test, test"))])
    assert report.hits == ()
    assert report.stopped == {"test": 2}


@given(
    name=st.text(st.characters(categories=["L"], max_codepoint=0x24F), min_size=3, max_size=20),
    before=st.binary(max_size=40),
    encoding=st.sampled_from(["utf-8", "utf-16-le", "latin-1"]),
    change=st.sampled_from([str, str.lower, str.upper]),
)
def test_any_name_left_in_any_bytes_is_found(
    tmp_path_factory: pytest.TempPathFactory, name: str, before: bytes, encoding: str, change: Any
) -> None:
    path = tmp_path_factory.mktemp("any") / "in.dcm"
    path.write_bytes(ct(PatientName=name))
    secret = change(name).encode(encoding, "ignore")
    report = search([path], [("out", before + b"\0\0" + secret + b"\0\0")])
    if change(name).encode(encoding, "ignore").decode(encoding) == change(name) and not report.stopped:
        assert report.hits


def test_outputs_are_streamed(original: Path) -> None:
    size = 8 << 20

    def outputs() -> Iterator[tuple[str, bytes]]:
        for number in range(12):
            yield f"{number}", bytes(size)

    tracemalloc.start()
    report = search([original], outputs())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert report.bytes == 12 * size
    assert peak < 5 * size


def test_the_next_elements_tag_is_no_part_of_a_short_word(original: Path) -> None:
    content = ct(RequestedProcedureDescription="for  Ada", CurrentPatientLocation="ward")  # 0038 begins with an 8
    assert b"Ada8\0" in content
    assert found(original, content) == {("RequestedProcedureDescription", "name")}
