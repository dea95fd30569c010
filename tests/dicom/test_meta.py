"""What is taken from an object, and that broken objects give `Malformed` without a value in it."""

import dataclasses
import json
from collections.abc import Callable
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

import factory
from cohortium.dicom import geometry, meta
from cohortium.errors import Malformed
from cohortium.values import Instance
from waiting import least_cost

DIGEST = "0f" * 32
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pytest shows what the package hides of pydicom
SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]


def ct(**changes: object) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID, dataset.SeriesInstanceUID, dataset.StudyInstanceUID = "1.2.3", "1.2", "1.1"
    dataset.PatientID, dataset.Modality = "P-1", "CT"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.Rows, dataset.Columns = 4, 2
    dataset.PixelSpacing, dataset.SliceThickness = ["0.75", "0.5"], "1.25"
    dataset.ImagePositionPatient = ["-10", "-20", "30.5"]
    dataset.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    dataset.InstanceNumber, dataset.KVP = "7", "120"
    dataset.BitsAllocated, dataset.PixelRepresentation, dataset.PixelPaddingValue = 16, 1, -2000
    dataset.PixelData = bytes(16)
    for keyword, value in changes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def written(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID, dataset.file_meta.MediaStorageSOPInstanceUID = CTImageStorage, "1.2.3"
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def replaced(keyword: str, text: bytes) -> bytes:
    """A CT whose DS or IS holds `text`, which pydicom would not write."""
    marker = b"31415926"
    assert len(text) <= len(marker)
    return written(ct(**{keyword: marker.decode()})).replace(marker, text.ljust(len(marker)))


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("view", [bytes, memoryview])
def test_fields_and_attributes_are_taken_in_every_syntax(syntax, view):
    content = written(ct(), syntax)
    found = meta.describe(view(content), DIGEST)
    assert (found.digest, found.size) == (DIGEST, len(content))
    assert (found.PatientID, found.Modality, found.TransferSyntaxUID) == ("P-1", "CT", syntax)
    assert (found.StudyInstanceUID, found.SeriesInstanceUID, found.SOPInstanceUID) == ("1.1", "1.2", "1.2.3")
    assert found.attributes == {
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "SliceThickness": 1.25,
        "KVP": 120.0,
        "InstanceNumber": 7,
        "ImagePositionPatient": [-10.0, -20.0, 30.5],
        "ImageOrientationPatient": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        "NumberOfFrames": 1,
        "Rows": 4,
        "Columns": 2,
        "PixelSpacing": [0.75, 0.5],
        "BitsAllocated": 16,
        "PixelRepresentation": 1,
        "PixelPaddingValue": -2000,
    }


def test_the_table_names_attributes_of_the_standard_in_the_order_of_their_tags():
    tags = [each.tag for each in meta.attributes()]
    assert tags == sorted(set(tags))
    assert {each.keyword for each in meta.attributes()} >= meta.FIELDS - {"TransferSyntaxUID"}
    assert not {"PatientName", "OtherPatientIDs", "AccessionNumber"} & {each.keyword for each in meta.attributes()}


def test_only_attributes_of_the_table_are_taken():
    found = meta.describe(written(ct(PatientName="Doe^Jane", InstitutionName="St. Elsewhere")), DIGEST)
    assert "Doe" not in str(found)
    assert "Elsewhere" not in str(found)


@pytest.mark.parametrize("text", [b"nan", b"inf", b"1_0", b"1e999", b"twelve", b"0x10", b"1,5"])
def test_a_decimal_string_that_is_no_number_stays_text(text):
    value = meta.describe(replaced("KVP", text), DIGEST).attributes["KVP"]
    assert value == ("inf" if text == b"1e999" else text.decode())


@pytest.mark.parametrize("text", [b"7.5", b"1e3", b"_1"])
def test_an_integer_string_that_is_no_integer_stays_text(text):
    assert meta.describe(replaced("InstanceNumber", text), DIGEST).attributes["InstanceNumber"] == text.decode()


def test_binary_nan_becomes_text_so_that_json_survives():
    found = meta.describe(written(ct(DiffusionBValue=float("nan"))), DIGEST)
    assert json.loads(json.dumps(dict(found.attributes), allow_nan=False))["DiffusionBValue"] == "nan"


def test_text_is_decoded_by_its_character_set_and_backslash_divides_it():
    content = written(ct(SpecificCharacterSet="ISO_IR 192", SeriesDescription="Schädel"))
    assert meta.describe(content, DIGEST).attributes["SeriesDescription"] == "Schädel"
    content = written(ct(SpecificCharacterSet=["", "ISO 2022 IR 87"], ManufacturerModelName="東芝"))
    assert meta.describe(content, DIGEST).attributes["ManufacturerModelName"] == "東芝"


def test_empty_attributes_are_left_out():
    found = meta.describe(written(ct(KVP="", StudyDate="", ImageType="", PatientID="")), DIGEST)
    assert {"KVP", "StudyDate", "ImageType"}.isdisjoint(found.attributes)
    assert found.PatientID == ""


def test_a_value_longer_than_any_of_use_is_left_out():
    assert "ImageType" not in meta.describe(written(ct(ImageType=["A" * 15] * 500)), DIGEST).attributes


@pytest.mark.parametrize(("changes", "frames"), [({}, 1), ({"NumberOfFrames": 2}, 2), ({"PixelData": None}, 0)])
def test_frames_are_counted_where_there_are_pixels(changes, frames):
    found = meta.describe(written(ct(**changes)), DIGEST)
    assert found.attributes["NumberOfFrames"] == meta.frames(found) == frames


@pytest.mark.parametrize(("number", "frames"), [(0, 0), (12, 12), (-3, 0), ("many", 1), (float("nan"), 1), (None, 1)])
def test_frames_are_counted_whatever_stands_there(number, frames):
    found = meta.describe(written(ct()), DIGEST)
    assert meta.frames(dataclasses.replace(found, attributes={"NumberOfFrames": number})) == frames


def test_an_icon_is_not_the_pixels():
    icon = Dataset()
    icon.Rows, icon.BitsAllocated, icon.PixelData = 64, 8, bytes(8)
    found = meta.describe(written(ct(IconImageSequence=Sequence([icon]), PixelData=None)), DIGEST)
    assert (meta.frames(found), found.attributes["Rows"]) == (0, 4)


def enhanced(positions: list[float], turned: int | None = None) -> Dataset:
    """Three functional groups shared, the position in each frame; frame `turned` is sagittal."""
    dataset = ct(SOPClassUID=EnhancedCTImageStorage, NumberOfFrames=len(positions), PixelSpacing=None, KVP=None)
    del dataset.SliceThickness, dataset.ImagePositionPatient, dataset.ImageOrientationPatient
    measures, plane, rescale, shared = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = ["0.8", "0.8"], "2"
    plane.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    rescale.RescaleSlope, rescale.RescaleIntercept = "1", "-1024"
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = Sequence([measures]), Sequence([plane])
    shared.PixelValueTransformationSequence = Sequence([rescale])
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    dataset.PerFrameFunctionalGroupsSequence = Sequence()
    for number, position in enumerate(positions):
        place, frame = Dataset(), Dataset()
        place.ImagePositionPatient = ["-10", "-20", str(position)]
        frame.PlanePositionSequence = Sequence([place])
        if number == turned:
            sagittal = Dataset()
            sagittal.ImageOrientationPatient = ["0", "1", "0", "0", "0", "-1"]
            frame.PlaneOrientationSequence = Sequence([sagittal])
        dataset.PerFrameFunctionalGroupsSequence.append(frame)
    return dataset


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("undefined", [False, True])
def test_geometry_of_multi_frame_objects_comes_from_the_functional_groups(syntax, undefined):
    dataset = enhanced([5.0, 1.0, 3.0])
    dataset["PerFrameFunctionalGroupsSequence"].is_undefined_length = undefined
    found = meta.describe(written(dataset, syntax), DIGEST)
    assert found.attributes["PixelSpacing"] == [0.8, 0.8]
    assert found.attributes["SliceThickness"] == 2.0
    assert found.attributes["RescaleIntercept"] == -1024.0
    assert found.attributes["ImagePositionPatient"] == [-10.0, -20.0, 5.0]
    assert found.attributes["SliceLocationVector"] == [5.0, 1.0, 3.0]
    assert geometry.position(found) == 5.0


@pytest.mark.parametrize("broken", ["turned", "count", "position"])
def test_frames_have_no_positions_where_not_all_of_them_can_be_told(broken):
    dataset = enhanced([1.0, 2.0, 3.0], turned=1 if broken == "turned" else None)
    if broken == "count":
        dataset.NumberOfFrames = 4
    if broken == "position":
        del dataset.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence[0].ImagePositionPatient
    found = meta.describe(written(dataset), DIGEST)
    assert "SliceLocationVector" not in found.attributes
    assert geometry.position(found) == 1.0


@pytest.mark.parametrize("keyword", ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_an_object_without_an_identifier_is_malformed(keyword):
    content = written(ct(**{keyword: None}))
    with pytest.raises(Malformed, match=f"{keyword} is missing"):
        meta.describe(content, DIGEST)


def test_an_identifier_with_two_values_or_a_novel_is_malformed():
    with pytest.raises(Malformed, match="SeriesInstanceUID"):
        meta.describe(written(ct(SeriesInstanceUID=["1.2", "1.3"])), DIGEST)
    with pytest.raises(Malformed, match="PatientID") as caught:
        meta.describe(written(ct(PatientID="Jane" * 20)), DIGEST)
    assert "Jane" not in str(caught.value)


def test_a_length_that_the_type_cannot_have_names_attribute_and_offset():
    content = written(ct())
    where = content.index(b"\x28\x00\x10\x00US") + 8
    broken = content[: where - 2] + b"\x01\x00" + content[where : where + 1] + content[where + 2 :]
    with pytest.raises(Malformed, match=rf"Rows .*\(byte {where}\)"):
        meta.describe(broken, DIGEST)


@pytest.mark.parametrize("content", [b"", b"no DICOM at all", bytes(200), b"\0" * 128 + b"DICM"])
def test_what_is_no_dicom_is_malformed(content):
    with pytest.raises(Malformed):
        meta.describe(content, DIGEST)


def test_an_object_cut_anywhere_in_its_header_is_malformed_or_lacks_what_follows():
    content = written(ct(PatientName="Secret^Name"))
    whole, said = meta.describe(content, DIGEST), []
    for end in range(0, len(content) - 16):
        try:
            found = meta.describe(content[:end], DIGEST)
        except Malformed as error:
            said.append(str(error))
        else:
            assert all(whole.attributes.get(k) == v for k, v in found.attributes.items() if k != "NumberOfFrames")
    assert len(said) > len(content) / 2
    assert "Secret" not in "".join(said)


PIECES = [written(ct(), syntax) for syntax in SYNTAXES] + [written(enhanced([1.0, 2.0])), written(enhanced([1.0], 0))]


@given(st.sampled_from(PIECES), st.lists(st.tuples(st.integers(0, 5000), st.binary(max_size=4)), max_size=6))
def test_flipped_bytes_give_an_instance_or_malformed_and_nothing_else(content, flips):
    changed = bytearray(content)
    for at, replacement in flips:
        at %= len(changed)
        changed[at : at + len(replacement)] = replacement
    try:
        found = meta.describe(bytes(changed), DIGEST)
    except Malformed:
        return
    json.dumps(dict(found.attributes), allow_nan=False)


def by(describe: Callable[[bytes, str], Instance], content: bytes) -> Instance | None:
    try:
        return describe(content, DIGEST)
    except Malformed:
        return None


@given(st.sampled_from(PIECES), st.lists(st.tuples(st.integers(132, 5000), st.binary(max_size=4)), max_size=3))
def test_what_is_plain_is_described_as_pydicom_reads_it(content, flips):
    changed = bytearray(content)
    for at, replacement in flips:
        at = min(at, len(changed))
        changed[at : at + len(replacement)] = replacement
    assert by(meta.describe, bytes(changed)) == by(meta._described_by_pydicom, bytes(changed))


@pytest.mark.parametrize("keyword", ["SpecificCharacterSet", "Rows", "SharedFunctionalGroupsSequence", "KVP"])
@pytest.mark.parametrize("vr", ["LO", "SQ", "FD", "OB", "UN", "IS"])
@pytest.mark.parametrize("value", [b"", b"8 ", bytes(8)])
def test_an_element_of_a_wrong_type_is_described_as_pydicom_reads_it(keyword, vr, value):
    tag = tag_for_keyword(keyword)
    content = factory.ct(raw={tag: factory.element(tag, value, vr)})
    assert by(meta.describe, content) == by(meta._described_by_pydicom, content)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_give_malformed(tail):
    with pytest.raises(Malformed):
        meta.describe(bytes(128) + b"DICM" + tail, DIGEST)


def test_pixels_are_not_read():
    content = written(ct(NumberOfFrames=400, Rows=512, Columns=512, PixelData=bytes(200 << 20)))
    assert meta.frames(meta.describe(memoryview(content), DIGEST)) == 400
    assert least_cost(lambda: meta.describe(memoryview(content), DIGEST)) < 0.05


@pytest.mark.shared_data
def test_real_objects_of_every_kind_are_described(shared_data):
    frames = {
        "enhanced_mf/In/Philips/IM_0027_fMAP.dcm": (64, 64),
        "d2n/philips_enhanced/anatomical/001/IM-0001-0170-0001.dcm": (8, 8),
        "odd/eCT_Supplemental.dcm": (2, 2),
        "odd/explicit_VR-UN.dcm": (1, 0),
        "odd/bad_sequence.dcm": (1, 0),
        "odd/GH1146.dcm": (0, 0),
    }
    for name, (count, positions) in frames.items():
        (path,) = shared_data.glob(f"dicom/{name}")
        found = meta.describe(path.read_bytes(), DIGEST)
        assert (meta.frames(found), len(found.attributes.get("SliceLocationVector", []))) == (count, positions), name
        assert geometry.position(found) is not None, name


def test_a_number_where_a_sequence_belongs_is_malformed() -> None:
    raw = {0x00189325: factory.element(0x00189325, bytes(8), "FD")}
    with pytest.raises(Malformed, match="not a sequence"):
        meta.describe(factory.ct(KVP=None, raw=raw), "0" * 64)
