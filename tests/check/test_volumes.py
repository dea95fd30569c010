"""Frames in one place that differ in echo, time, b-value, phase or stack are several volumes; copies are copies."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian

from cohortium import check
from cohortium.check import registry, scan
from cohortium.check.series import Series
from cohortium.dicom import meta
from cohortium.values import Instance

BASIC = check.load("basic")
RULES = {rule.id: rule for rule in BASIC.rules}
AXIAL, CORONAL = ["1", "0", "0", "0", "1", "0"], ["1", "0", "0", "0", "0", "-1"]
Frame = dict[str, object]  # `at`: mm; `way`: an orientation; else keywords of functional groups
GROUP = {
    "EffectiveEchoTime": "MREchoSequence",
    "TemporalPositionIndex": "FrameContentSequence",
    "StackID": "FrameContentSequence",
    "DiffusionBValue": "MRDiffusionSequence",
    "NominalPercentageOfCardiacPhase": "CardiacSynchronizationSequence",
    "FrameType": "MRImageFrameTypeSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "FrameAcquisitionNumber": "FrameContentSequence",
}


def item(**attributes: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def enhanced(frames: Sequence[Frame], number: int = 1) -> Instance:
    """An enhanced MR object of these frames, as it is described."""
    known = FileMetaDataset()
    known.MediaStorageSOPClassUID, known.MediaStorageSOPInstanceUID = EnhancedMRImageStorage, f"1.2.3.4.5.{number}"
    known.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset("", {}, file_meta=known, preamble=bytes(128))
    file.SOPClassUID, file.SOPInstanceUID, file.Modality = EnhancedMRImageStorage, f"1.2.3.4.5.{number}", "MR"
    file.StudyInstanceUID, file.SeriesInstanceUID, file.PatientID = "1.2.3.4", "1.2.3.4.9", "P001"
    file.NumberOfFrames, file.Rows, file.Columns, file.BitsAllocated = len(frames), 2, 2, 16
    measures = item(PixelSpacing=["1", "1"], SliceThickness="2")
    file.SharedFunctionalGroupsSequence = [item(PixelMeasuresSequence=[measures])]
    file.PerFrameFunctionalGroupsSequence = [group(**frame) for frame in frames]
    file.PixelData = bytes(8 * len(frames))
    file["PixelData"].VR = "OW"
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, file, enforce_file_format=True)
    return meta.describe(stream.getvalue(), f"{number:064x}")


def group(at: float, way: Sequence[str] = AXIAL, **said: object) -> Dataset:
    along = ["-10", "-10", f"{at:g}"] if way == AXIAL else ["-10", f"{at:g}", "10"]
    made = item(
        PlanePositionSequence=[item(ImagePositionPatient=along)],
        PlaneOrientationSequence=[item(ImageOrientationPatient=list(way))],
    )
    for keyword, value in said.items():
        sequence = GROUP[keyword]
        setattr(made, sequence, getattr(made, sequence, None) or [Dataset()])
        setattr(getattr(made, sequence)[0], keyword, value)
    return made


def facts(*instances: Instance) -> dict[str, str]:
    return {each.rule: each.fact for each in check.check(list(instances), BASIC)}


PLACES = [2.0 * n for n in range(6)]
VALUES = [
    ("EffectiveEchoTime", (4.6, 6.9)),
    ("TemporalPositionIndex", (1, 2, 3)),
    ("DiffusionBValue", (0.0, 1000.0)),
    ("NominalPercentageOfCardiacPhase", (0.0, 50.0)),
    ("FrameType", (["ORIGINAL", "PRIMARY", "M", "NONE"], ["ORIGINAL", "PRIMARY", "P", "NONE"])),
    ("FrameAcquisitionNumber", (1, 2)),
]


@pytest.mark.parametrize(("keyword", "values"), VALUES)
def test_frames_in_one_place_that_differ_are_volumes(keyword, values):
    frames = [{"at": at, keyword: value} for value in values for at in PLACES]
    told = f"each of 6 positions holds {len(values)} slices, which differ in {keyword}"
    assert facts(enhanced(frames)) == {"geometry.volumes": told}


@pytest.mark.parametrize(("keyword", "values"), VALUES)
def test_objects_of_one_volume_each_are_volumes_of_a_series(keyword, values):
    objects = [enhanced([{"at": at, keyword: value} for at in PLACES], n) for n, value in enumerate(values)]
    told = f"each of 6 positions holds {len(values)} slices, which differ in {keyword}"
    assert facts(*objects) == {"geometry.volumes": told}


def test_two_attributes_tell_apart_what_neither_does_alone():
    frames = [
        {"at": at, "EffectiveEchoTime": echo, "TemporalPositionIndex": time}
        for echo in (4.6, 6.9)
        for time in (1, 2)
        for at in PLACES
    ]
    told = "each of 6 positions holds 4 slices, which differ in EffectiveEchoTime and TemporalPositionIndex"
    assert facts(enhanced(frames)) == {"geometry.volumes": told}


def test_frames_in_one_place_that_differ_in_nothing_are_copies():
    frames = [{"at": at, "EffectiveEchoTime": 4.6} for _ in range(2) for at in PLACES]
    told = "each of 6 positions holds 2 slices that no echo, time, phase or acquisition tells apart"
    assert facts(enhanced(frames)) == {"geometry.duplicate": told}


def test_a_frame_again_at_another_time_is_no_volume():
    frames = [{"at": at, "TemporalPositionIndex": 1} for at in PLACES] + [{"at": 4.0, "TemporalPositionIndex": 2}]
    told = "1 of 6 positions hold more than one slice, the first at 4 mm (they differ in TemporalPositionIndex)"
    assert facts(enhanced(frames)) == {"geometry.duplicate": told}


def test_a_slice_that_one_of_several_volumes_lacks_is_missing():
    frames = [{"at": at, "EffectiveEchoTime": echo} for echo in (4.6, 6.9) for at in PLACES]
    assert facts(enhanced(frames[:-1])) == {
        "completeness.missing": "1 slice missing in 1 position, where others hold 2",
        "geometry.volumes": "most of 6 positions hold 2 slices, which differ in EffectiveEchoTime",
    }


def test_stacks_are_measured_by_themselves():
    """Two slabs with a gap between them, and two that lie in one place, are told by their StackID."""
    apart = [{"at": at + shift, "StackID": stack} for stack, shift in (("1", 0), ("2", 50)) for at in PLACES]
    assert facts(enhanced(apart)) == {}
    nothing_said = [{"at": frame["at"]} for frame in apart]
    assert list(facts(enhanced(nothing_said))) == ["completeness.missing"]


def test_frames_of_two_thicknesses():
    thick = [{"at": at, "SliceThickness": "2"} for at in PLACES[:3]] + [
        {"at": 4.0 + 4 * n - 1, "SliceThickness": "4"} for n in range(1, 4)
    ]
    assert facts(enhanced(thick))["uniformity.value"] == (
        "SliceThickness has 2 values over the scan: one in 1, one in 1 objects"
    )
    assert "completeness.missing" not in facts(enhanced(thick)), "thicker slices are further apart"


def test_frames_of_two_orientations():
    """The three planes of a localizer, say: every frame says where it lies, and they are not parallel."""
    frames = [{"at": at} for at in PLACES] + [{"at": at, "way": CORONAL} for at in PLACES[:4]]
    assert facts(enhanced(frames)) == {
        "geometry.orientation": "4 of 10 frames lie in another orientation than the others"
    }
    series = Series.of([enhanced(frames)])
    assert [plane.position for plane in series.planes] == PLACES


def test_every_frame_says_where_it_lies():
    described = enhanced([{"at": at} for at in PLACES])
    content = {key: value for key, value in described.attributes.items() if key != "NumberOfFrames"}
    assert {"ImagePositionVector", "SliceLocationVector"} <= content.keys()
    assert content["ImagePositionVector"][:6] == [-10.0, -10.0, 0.0, -10.0, -10.0, 2.0]


def test_a_tilt_of_frames_is_seen():
    leaning = [group(at) for at in PLACES]
    for frame in leaning:
        place = frame.PlanePositionSequence[0]
        place.ImagePositionPatient = [
            "-10",
            f"{-10 + float(place.ImagePositionPatient[2]):g}",
            place.ImagePositionPatient[2],
        ]
    described = enhanced([{"at": at} for at in PLACES])
    points = [float(each) for frame in leaning for each in frame.PlanePositionSequence[0].ImagePositionPatient]
    described.attributes["ImagePositionVector"][:] = points
    assert facts(described) == {"geometry.tilt": "the stack is sheared by 45.0 degrees, 0.5 are allowed"}


@pytest.mark.parametrize("hostile", [[], [float("nan")] * 18, ["x"] * 18, [1e30] * 18, [1] * 17, None, "x", 5])
@pytest.mark.parametrize(
    "keyword", ["ImagePositionVector", "ImageOrientationVector", "EffectiveEchoTimeVector", "StackIDVector"]
)
def test_whatever_a_vector_says_there_is_an_answer(keyword, hostile):
    described = enhanced([{"at": at} for at in PLACES])
    described.attributes[keyword] = hostile
    described.attributes.pop("SliceLocationVector", None)
    assert isinstance(facts(described), dict)
    seen = scan.Scan("1.2.3.4.9", Series.of([described]), (), ())
    assert isinstance(list(registry.checks()["geometry.aside"].look(seen, RULES["geometry.aside"])), list)
