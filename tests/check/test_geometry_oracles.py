"""Is a series one regular volume? Our verdict, highdicom's and dcm2niix's, side by side; where they differ, why.

A verdict is the distance between slices in mm, or None for what is no regular volume.
"""

from __future__ import annotations

import math
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pydicom
import pytest

import deliveries
from cohortium import check
from cohortium.check import registry, scan
from cohortium.check.rule import Scope
from cohortium.dicom import geometry

BASIC = check.load("basic")
DCM2NIIX = shutil.which("dcm2niix") or shutil.which("dcm2niix", path=str(Path(sys.executable).parent))
STEP = 1.25
SLICES = 12


def ours(paths: Sequence[Path]) -> float | None:
    seen = read(paths)
    for rule in BASIC.rules:
        known = registry.checks()[rule.id]
        if rule.id.startswith("geometry.") or rule.id == "completeness.missing":
            subject = seen.series if known.scope is Scope.SERIES else seen
            if any(known.look(subject, rule)):
                return None
    distances = [each.distance for each in seen.series.intervals()]
    return geometry.lower_median(distances)


def read(paths: Sequence[Path]) -> scan.Scan:
    (uid,) = {scan.series_of(path.read_bytes()) for path in paths}
    return scan.read(paths[0].parent, uid, [path.name for path in paths])


def highdicom(paths: Sequence[Path]) -> float | None:
    library = pytest.importorskip("highdicom")
    datasets = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
    if "NumberOfFrames" not in datasets[0]:
        spacing, _ = library.spatial.get_series_volume_positions(datasets)
        return spacing
    frames = [frame for each in datasets for frame in each.PerFrameFunctionalGroupsSequence]
    plane = frames[0] if "PlaneOrientationSequence" in frames[0] else datasets[0].SharedFunctionalGroupsSequence[0]
    positions = [frame.PlanePositionSequence[0].ImagePositionPatient for frame in frames]
    orientation = plane.PlaneOrientationSequence[0].ImageOrientationPatient
    spacing, _ = library.spatial.get_volume_positions(positions, orientation)
    return spacing


def dcm2niix(paths: Sequence[Path], folder: Path) -> float | None:
    """One file of three dimensions that it did not have to straighten or to space anew."""
    if DCM2NIIX is None:
        pytest.skip("dcm2niix is not installed (pip install dcm2niix)")
    (folder / "in").mkdir(parents=True)
    for path in paths:
        (folder / "in" / path.name).symlink_to(path)
    options = ["-b", "n", "-z", "n", "-f", "%s", "-o", str(folder), str(folder / "in")]
    subprocess.run([DCM2NIIX, *options], check=True, capture_output=True, timeout=120)
    made = sorted(folder.glob("*.nii"))
    if len(made) != 1:
        return None
    with made[0].open("rb") as file:
        head = file.read(348)
    sizes, steps = struct.unpack_from("<8h", head, 40), struct.unpack_from("<8f", head, 76)
    if sizes[4] > 1 or len(paths) not in (1, *sizes[1:4]):
        return None
    return next(step for size, step in zip(sizes[1:4], steps[1:4], strict=True) if len(paths) in (1, size))


def placed(where: Callable[[int], Sequence[float]], **attributes: object) -> Callable[[deliveries.Delivery], None]:
    def change(made: deliveries.Delivery) -> None:
        for number, path in enumerate(made.series(), 1):
            made.change([path], ImagePositionPatient=[f"{each:.7g}" for each in where(number)], **attributes)

    return change


def leaning(degrees: float) -> Callable[[deliveries.Delivery], None]:
    return placed(lambda n: (-12, -12 + STEP * n * math.tan(math.radians(degrees)), STEP * n))


def twice(**attributes: object) -> Callable[[deliveries.Delivery], None]:
    """All slices again, with other values."""

    def change(made: deliveries.Delivery) -> None:
        for number, path in enumerate(made.series(), 1):
            again = {"SOPInstanceUID": f"{deliveries.ROOT}.7.{number}", "InstanceNumber": str(100 + number)}
            made.objects[path.replace(".dcm", "9.dcm")] = made.objects[path] | again | attributes

    return change


def lost(made: deliveries.Delivery) -> None:
    del made.objects[made.series()[5]]


def one(**attributes: object) -> Callable[[deliveries.Delivery], None]:
    return lambda made: made.change(made.series()[:1], **attributes)


REVERSED = placed(lambda n: (-12, -12, -STEP * n))
SAGITTAL = placed(lambda n: (STEP * n, -12, 12), ImageOrientationPatient=["0", "1", "0", "0", "0", "-1"])
C, S = math.cos(0.3), math.sin(0.3)
OBLIQUE = placed(
    lambda n: (-12, -12 - S * STEP * n, C * STEP * n),
    ImageOrientationPatient=["1", "0", "0", "0", f"{C:.12g}", f"{S:.12g}"],
)
# What is made of a regular series of 12 slices: ours, highdicom's, dcm2niix's verdict.
MADE: dict[str, tuple[Callable[[deliveries.Delivery], None], float | None, float | None, float | None]] = {
    "nothing": (lambda made: None, STEP, STEP, STEP),
    "the other way": (REVERSED, STEP, STEP, STEP),
    "sagittal": (SAGITTAL, STEP, STEP, STEP),
    "oblique": (OBLIQUE, STEP, STEP, STEP),
    "a slice lost": (lost, None, None, None),
    "slices moved on by 0.3 mm": (placed(lambda n: (-12, -12, STEP * n + 0.3 * (n > 6))), None, None, None),
    # highdicom allows 1 per cent of the spacing, we 0.05 mm whatever the spacing: scanners round positions
    "slices moved on by 0.02 mm": (placed(lambda n: (-12, -12, STEP * n + 0.02 * (n > 6))), STEP, None, STEP),
    "a gantry at 18.5 degrees": (leaning(18.5), None, None, None),
    # highdicom allows 2.5 degrees, we and dcm2niix less: at 1 degree and 300 mm slices are 5 mm off
    "a gantry at 1 degree": (leaning(1), None, STEP, None),
    "one slice 1 mm aside": (placed(lambda n: (-12 + (n == 5), -12, STEP * n)), None, None, None),
    # dcm2niix lets 0.2 mm pass; our limit is 0.1 mm
    "one slice 0.2 mm aside": (placed(lambda n: (-12 + 0.2 * (n == 9), -12, STEP * n)), None, None, STEP),
    "two slices in one place": (one(ImagePositionPatient=["-12", "-12", "2.5"]), None, None, None),
    "two acquisitions": (twice(AcquisitionNumber="2"), None, None, None),
    "copies of all slices": (twice(), None, None, None),
    "a coronal slice": (one(ImageOrientationPatient=["1", "0", "0", "0", "0", "-1"]), None, None, None),
    # only we ask whether a slice is a localizer that happens to lie in line
    "a localizer in line": (one(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), None, STEP, STEP),
}


@pytest.fixture
def made(request: pytest.FixtureRequest, tmp_path: Path) -> list[Path]:
    delivery = deliveries.clean(patients=1, slices=SLICES)
    MADE[request.param][0](delivery)
    contents = [deliveries.encoded(each) for each in delivery.objects.values()]
    paths = [tmp_path / f"{number:03}.dcm" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


@pytest.mark.parametrize("made", MADE, indirect=True)
def test_verdicts_on_made_series(made, request, tmp_path):
    name = request.node.callspec.params["made"]
    found = ours(made), highdicom(made), dcm2niix(made, tmp_path / "nifti")
    for verdict, expected in zip(found, MADE[name][1:], strict=True):
        assert verdict == (expected if expected is None else pytest.approx(expected, rel=0.02)), found


@pytest.mark.parametrize("made", ["nothing", "the other way", "sagittal", "oblique"], indirect=True)
def test_slices_are_in_the_order_of_highdicom(made):
    library = pytest.importorskip("highdicom")
    datasets = [pydicom.dcmread(path, stop_before_pixels=True) for path in made]
    _, ranks = library.spatial.get_series_volume_positions(datasets)
    theirs = [datasets[rank].SOPInstanceUID for rank in sorted(range(len(ranks)), key=ranks.__getitem__)]
    own = [plane.instance.SOPInstanceUID for plane in read(made).series.planes]
    assert own in (theirs, theirs[::-1])


@pytest.mark.parametrize("made", ["nothing", "sagittal", "a slice lost", "a gantry at 18.5 degrees"], indirect=True)
@pytest.mark.filterwarnings("ignore:The string:UserWarning")
def test_as_a_multi_frame_object_of_highdicom_the_verdict_is_the_same(made, tmp_path):
    library = pytest.importorskip("highdicom")
    one_by_one = ours(made)
    datasets = [pydicom.dcmread(path) for path in made]
    UIDs = [pydicom.uid.generate_uid(entropy_srcs=[str(number)]) for number in range(2)]
    whole = library.legacy.LegacyConvertedEnhancedCTImage(datasets, UIDs[0], 1, UIDs[1], 1)
    path = tmp_path / "whole" / "1.dcm"
    path.parent.mkdir()
    whole.save_as(path)
    found = ours([path])
    assert found == (one_by_one if one_by_one is None else pytest.approx(one_by_one))
    theirs = library.Image.from_dataset(pydicom.dcmread(path)).get_volume_geometry(allow_duplicate_positions=False)
    assert (theirs and theirs.spacing_between_slices) == (found and pytest.approx(found))
    assert len(read([path]).series.planes) == len(made)


STS = "ibsi/ibsi_validation/dicom/STS_001"
# The verdicts on real series: ours, highdicom's, dcm2niix's.
REAL: dict[str, tuple[float | None, float | None, float | None]] = {
    "ct_ge_tilt/GE": (None, None, None),
    "d2n/failing/gantrytilting/001": (None, None, None),
    "d2n/failing/sliceincrement/001": (None, None, None),
    "d2n/failing/sliceorientation/001": (None, None, None),
    "d2n/siemens/dti_classic/001": (None, None, None),
    "d2n/generic/compressed_j2k/001": (1.0, 1.0, 1.0),
    "d2n/generic/compressed_jpegls/001": (1.0, 1.0, 1.0),
    "d2n/philips_enhanced/anatomical/001": (1.2, 1.2, 1.2),
    "enhanced_mf/In/Philips": (None, None, None),
    "enhanced_mf/In/Siemens/XA10": (None, None, None),
    f"{STS}/CT/image": (3.27, 3.27, 3.27),
    f"{STS}/MR_T1/image": (3.27, 3.27, 3.27),
    f"{STS}/PET/image": (3.27, 3.27, 3.27),
    "ibsi/ibsi_1_ct_radiomics_phantom/dicom/image": (3.0, 3.0, 3.0),
    "pet_seg/PET": (3.375, 3.375, 3.375),
}


@pytest.mark.shared_data
@pytest.mark.parametrize("folder", REAL)
def test_verdicts_on_real_series(shared_data, folder, tmp_path):
    paths = sorted(path for path in (shared_data / "dicom" / folder).iterdir() if path.is_file())
    found = ours(paths), highdicom(paths), dcm2niix(paths, tmp_path / "nifti")
    for verdict, expected in zip(found, REAL[folder], strict=True):
        assert verdict == (expected if expected is None else pytest.approx(expected, rel=0.001)), found
