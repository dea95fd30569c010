"""What is asked of PET alone: all slices that the objects promise, one unit, a scale for each slice."""

from __future__ import annotations

from pathlib import Path

import pytest

import deliveries
from cohortium import check
from cohortium.check.examine import examine
from factory import PET_IMAGE

BASIC = check.load("basic")
PROMISED = {"SeriesType": ["STATIC", "IMAGE"], "NumberOfSlices": 12, "Units": "BQML", "RescaleIntercept": "0"}


def pet(**attributes: object) -> deliveries.Delivery:
    made = deliveries.clean(patients=1, slices=12)
    made.change(made.series(), SOPClassUID=PET_IMAGE, Modality="PT", **(PROMISED | attributes))
    for number, path in enumerate(made.series(), 1):
        made.change([path], RescaleSlope=f"{0.5 + number / 7:.6g}")
    made.tables.clear()
    return made


def found(made: deliveries.Delivery, folder: Path) -> dict[str, str]:
    return {each.rule: each.fact for each in examine(made.write(folder), BASIC).findings}


def dynamic(lost: int = 0) -> deliveries.Delivery:
    """The same slices at a second point in time, but for the last few."""
    made = pet(SeriesType=["DYNAMIC", "IMAGE"], NumberOfTimeSlices=2, FrameReferenceTime="500")
    for number, path in enumerate(made.series()[: 12 - lost], 1):
        later = {"SOPInstanceUID": f"{deliveries.ROOT}.7.{number}", "FrameReferenceTime": "1500"}
        made.objects[path.replace(".dcm", "9.dcm")] = made.objects[path] | later
    return made


def test_every_slice_has_its_own_scale(tmp_path):
    assert found(pet(), tmp_path) == {}


TWICE = "each of 12 positions holds 2 slices, which differ in FrameReferenceTime"


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (pet(Units=None), {"accuracy.units": "Units is missing or none of PET in all 12 images"}),
        (pet(Units="HU"), {"accuracy.units": "Units is missing or none of PET in all 12 images"}),
        (pet(RescaleIntercept="-1024"), {"accuracy.units": "RescaleIntercept is not 0 in all 12 images"}),
        (
            pet(NumberOfSlices=14),
            {"completeness.missing": "12 slices, and the images say 14 (NumberOfSlices, NumberOfTimeSlices)"},
        ),
        (pet(SeriesType=["GATED", "IMAGE"], NumberOfSlices=14), {}),
        (dynamic(), {"geometry.volumes": TWICE}),
        (
            dynamic(lost=1),
            {
                "completeness.missing": "1 slice missing in 1 position, where others hold 2",
                "geometry.volumes": TWICE.replace("each", "most").replace("holds", "hold"),
            },
        ),
    ],
)
def test_what_is_wrong_with_pet(tmp_path, made, expected):
    assert found(made, tmp_path) == expected


def test_units_are_the_same_in_all_slices(tmp_path):
    made = pet()
    made.change(made.series()[:3], Units="CNTS")
    assert found(made, tmp_path) == {"uniformity.value": "Units has 2 values over the scan: one in 9, one in 3 objects"}
