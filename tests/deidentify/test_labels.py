"""Names of structures, segments, beams: what they show stays, whose they are goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

import factory
from cohortium.deidentify import Deidentified, Deidentifier

RT_PLAN = "1.2.840.10008.5.1.4.1.1.481.5"
NAMES = {
    "GTV-1": "GTV-1",
    "Lung_L": "Lung_L",
    "SpinalCord": "SpinalCord",
    f"GTV {factory.NAME}": "GTV",
    "Huber": "",
    "Huber Kidney_R 1950": "Kidney_R",
}


def structures(*names: str) -> bytes:
    """A structure set with these names of regions."""
    return factory.ct(
        SOPClassUID=factory.RT_STRUCTURE_SET,
        Modality="RTSTRUCT",
        PixelData=None,
        StructureSetLabel=factory.SECRET,
        StructureSetROISequence=[
            {"ROINumber": str(number), "ROIName": name, "ROIDescription": f"Tumor {factory.NAME}"}
            for number, name in enumerate(names)
        ],
        RTROIObservationsSequence=[
            {"ObservationNumber": "1", "ROIObservationLabel": f"Tumor {factory.NAME}", "ROIInterpreter": factory.NAME}
        ],
    )


def test_clean_descriptors_keeps_what_a_region_is(clean: Callable[..., bytes], dragon: Deidentifier) -> None:
    after = factory.read(clean(structures(*NAMES), dragon))
    assert [each.ROIName for each in after.StructureSetROISequence] == list(NAMES.values())
    assert {each.ROIDescription for each in after.StructureSetROISequence} == {"Tumor"}
    assert after.StructureSetLabel == "REMOVED"
    (observed,) = after.RTROIObservationsSequence
    assert (observed.ROIObservationLabel, observed.ROIInterpreter) == ("Tumor", "")


def test_the_basic_profile_keeps_no_name_of_a_region(clean: Callable[..., bytes]) -> None:
    after = factory.read(clean(structures(*NAMES)))
    assert {each.ROIName for each in after.StructureSetROISequence} == {""}


@pytest.mark.parametrize("protocol", ["basic", "dragon"])
@pytest.mark.parametrize(
    ("label", "kept"),
    [("Neoplasm, Primary", "Neoplasm, Primary"), (f"Liver {factory.NAME}", "Liver"), (factory.NAME, "REMOVED")],
)
def test_labels_that_the_table_forgets_are_cleaned_and_never_empty(
    request: pytest.FixtureRequest, clean: Callable[..., bytes], protocol: str, label: str, kept: str
) -> None:
    by = request.getfixturevalue(protocol)
    segment: dict[str, Any] = {"SegmentNumber": 1, "SegmentLabel": label, "TrackingID": label}
    changes = {"SOPClassUID": factory.SEGMENTATION, "Modality": "SEG"}
    (found,) = factory.read(clean(factory.ct(SegmentSequence=[segment], **changes), by)).SegmentSequence
    assert found.SegmentLabel == found.TrackingID == kept
    plan = factory.ct(SOPClassUID=RT_PLAN, Modality="RTPLAN", PixelData=None, BeamSequence=[{"BeamName": label}])
    assert factory.read(clean(plan, by)).BeamSequence[0].BeamName == kept


def _labels(dataset: Dataset) -> Iterator[str]:
    for each in dataset.iterall():
        if each.keyword in ("ROIName", "ROIObservationLabel", "SegmentLabel"):
            yield str(each.value)


@pytest.mark.shared_data
def test_real_structure_sets_and_segmentations_keep_theirs(shared_data: Path, dragon: Deidentifier) -> None:
    files = [
        *(shared_data / "dicom" / "ibsi").rglob("mask/*.dcm"),
        *(shared_data / "dicom" / "pet_seg").rglob("SEG/**/*.dcm"),
    ]
    found: dict[str, str] = {}
    for path in files:
        result = dragon(content := path.read_bytes())
        assert isinstance(result, Deidentified), path.name
        after = factory.read(factory.joined(result.slices))
        found |= zip(_labels(factory.read(content)), _labels(after), strict=True)
    assert found["GTV-1"] == "GTV-1"
    assert found["GTV_Mass"] == "GTV_Mass"
    assert found["Neoplasm, Primary"] == "Neoplasm, Primary"
    assert {name for name, kept in found.items() if kept != name} == set()


@pytest.mark.parametrize(("vr", "value"), [("PN", b"MUELLER^HANS"), ("UI", b"1.2.276.0.4711.7")])
def test_a_name_or_a_uid_by_its_writers_word_goes(clean: Callable[..., bytes], vr: str, value: bytes) -> None:
    """A kept label (SequenceName, SH) whose writer says that it is something else."""
    raw = {0x00180024: factory.element(0x00180024, value, vr)}
    assert "SequenceName" not in factory.read(clean(factory.ct(raw=raw)))
