"""Real series, with what is wrong with each written down after looking at its headers."""

from pathlib import Path

import pytest

from cohortium import check
from cohortium.dicom import meta
from cohortium.values import Finding

pytestmark = pytest.mark.shared_data

STS = "ibsi/ibsi_validation/dicom/STS_001"


def findings(folder: Path, specification: str) -> list[Finding]:
    files = sorted(path for path in folder.rglob("*.dcm") if path.is_file())
    series = [meta.describe(path.read_bytes(), f"{number:064x}") for number, path in enumerate(files)]
    assert len({each.SeriesInstanceUID for each in series}) == 1
    return check.check(series, check.load(specification))


def facts(found: list[Finding]) -> dict[str, list[str]]:
    known: dict[str, list[str]] = {}
    for each in found:
        known.setdefault(each.rule, []).append(each.message.split(";")[0])
    return known


GE = {  # head: 14 slices of 4 mm, then 14 of 7 mm, gantry at +18.5 degrees; no slice is missing
    "geometry.tilt": ["the stack is sheared by 18.5 degrees, 0.5 are allowed"],
    "geometry.uneven": [
        "spacing differs at 14 of 27 places: 1.08109 to 6.99863 mm where 4.00193 mm is usual and 0.05 mm of "
        "difference is allowed"
    ],
    "uniformity.value": ["SliceThickness has 2 values over the scan: 4 in 14, 7 in 14 objects"],
}
VOLUMES = "each of {} positions holds {} slices, which differ in {}"

BASIC = {
    "ct_ge_tilt/GE": GE,
    "d2n/failing/gantrytilting": {"geometry.tilt": ["the stack is sheared by 14.0 degrees, 0.5 are allowed"]},
    "d2n/failing/sliceincrement": {
        "completeness.missing": ["1 slice missing between positions 28.1075 and 38.1075 mm"]
    },
    "d2n/failing/sliceorientation": {
        "geometry.orientation": ["2 of 4 images lie in another orientation than the others"],
        "uniformity.value": [
            "SeriesNumber has 2 values over the scan: 202 in 2, 501 in 2 objects",
            r"PixelSpacing has 2 values over the scan: 0.32\0.32 in 2, 0.555556\0.555556 in 2 objects",
        ],
    },
    "d2n/siemens/dti_classic": {"geometry.volumes": [VOLUMES.format(4, 2, "AcquisitionNumber")]},
    "enhanced_mf/In/Philips": {"geometry.volumes": [VOLUMES.format(32, 2, "EffectiveEchoTime")]},
    "enhanced_mf/In/Siemens/XA10": {"geometry.volumes": [VOLUMES.format(6, 4, "TemporalPositionIndex")]},
    "d2n/philips_enhanced/anatomical": {},
    f"{STS}/CT/image": {},
    f"{STS}/MR_T1/image": {},
    f"{STS}/PET/image": {},
    f"{STS}/CT/mask": {},
    "ibsi/ibsi_1_ct_radiomics_phantom/dicom/image": {},
    "pet_seg/PET": {},
    "pet_seg/SEG": {},
}

DRAGON = {
    "ct_ge_tilt/GE": GE
    | {
        "accuracy.pixel-spacing": ["PixelSpacing is 0.488281 mm in all 28 images, 0.6 to 1.5 mm is allowed"],
        "accuracy.slice-thickness": ["SliceThickness is 4 to 7 mm in all 28 images, 0.5 to 1.5 mm is allowed"],
    },
    f"{STS}/CT/image": {
        "accuracy.slice-thickness": ["SliceThickness is 3.27 mm in all 59 images, 0.5 to 1.5 mm is allowed"]
    },
    f"{STS}/PET/image": {
        "accuracy.modality": ["Modality is not CT in all 59 objects"],
        "accuracy.pixel-spacing": ["PixelSpacing is 4.6875 mm in all 59 images, 0.6 to 1.5 mm is allowed"],
        "accuracy.slice-thickness": ["SliceThickness is 3.27 mm in all 59 images, 0.5 to 1.5 mm is allowed"],
    },
    f"{STS}/CT/mask": {"accuracy.modality": ["Modality is not CT in 1 of 1 objects"]},
    "d2n/failing/gantrytilting": {
        "accuracy.pixel-spacing": ["PixelSpacing is 0.417969 mm in all 4 images, 0.6 to 1.5 mm is allowed"],
        "accuracy.slice-thickness": ["SliceThickness is missing or no number in all 4 images"],
        "completeness.slices": ["4 slices, 25 to 1500 are expected"],
        "geometry.tilt": ["the stack is sheared by 14.0 degrees, 0.5 are allowed"],
    },
}


@pytest.mark.parametrize("folder", BASIC)
def test_under_basic(shared_data, folder):
    assert facts(findings(shared_data / "dicom" / folder, "basic")) == BASIC[folder]


@pytest.mark.parametrize("folder", DRAGON)
def test_under_dragon(shared_data, folder):
    assert facts(findings(shared_data / "dicom" / folder, "dragon")) == DRAGON[folder]
