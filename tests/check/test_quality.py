"""Numbers of every series stand in the report; what cannot be measured is skipped, and no file stops the rest."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import RLELossless

import deliveries
from cohortium import check
from cohortium.check import quality, slices
from cohortium.check.examine import examine
from cohortium.check.report import Report, Status, as_dict
from factory import PET_IMAGE

DRAGON = check.load("dragon")
Made = deliveries.Delivery


def report_on(folder: Path) -> Report:
    return examine(folder, DRAGON, left_out=deliveries.SLOW)


def ours(report: Report) -> dict[str, str]:
    return {each.rule: each.fact for each in report.findings if each.rule.startswith("quality.")}


def compress(folder: Path) -> None:
    """All of the first patient's images as RLE."""
    for path in sorted((folder / "P001").rglob("*.dcm")):
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless, generate_instance_uid=False)
        stream = io.BytesIO()
        dataset.save_as(stream, enforce_file_format=True)
        path.write_bytes(stream.getvalue())


def test_numbers_stand_in_the_report(tmp_path):
    said = as_dict(report_on(deliveries.clean().write(tmp_path)))
    first, second = json.loads(json.dumps(said["series"]))
    assert (first["patient"], second["patient"]) == ("P001", "P002")
    assert first["measured"] == first["slices"] == deliveries.SLICES
    assert first["noise"] == pytest.approx(8, rel=0.1)
    assert first["signal_to_noise"] == pytest.approx(1040 / 8, rel=0.1)
    assert {"saturated", "ring", "lung", "step", "edge", "bone_in_front"} <= first.keys()


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("folder", "cut", "most"),
    [
        # Looked at: one of eight axial slices of chest and abdomen is cut by the rim all around, and arms by some.
        ("contrast", 1, {"ring": 10, "noise": 8, "edge": 0.45, "bone_in_front": -0.25}),
        ("ct_ge_tilt", 0, {"ring": 7, "noise": 1, "edge": 0.05, "step": 2}),  # a head with a tilted gantry
        ("ibsi/ibsi_1_ct_radiomics_phantom", 1, {"ring": 6, "noise": 12, "step": 1.5}),  # cropped to the lungs
    ],
)
def test_real_series_are_as_they_look(shared_data, folder, cut, most):
    report = report_on(shared_data / "dicom" / folder)
    told = [each.rule for each in report.findings if each.rule.startswith("quality.")]
    assert told == ["quality.field"] * cut
    measured = [each.numbers for each in report.delivery.outlines if "noise" in each.numbers]
    for name, limit in most.items():
        numbers = [each[name] for each in measured if name in each]
        assert numbers
        assert max(numbers) <= limit, name


def of_modality(modality: str, change: Callable[[np.ndarray, int], np.ndarray] = lambda values, _: values) -> Made:
    """A body of 900 in a background of noise around 20, in arbitrary units, or Bq/ml with a scale for each slice."""
    made = deliveries.clean(patients=1)
    made.change(made.series(), Modality=modality, Units="BQML", RescaleIntercept="0", RescaleType=None)
    for number, path in enumerate(made.series()):
        random = np.random.default_rng(number)
        body = np.where(deliveries.body(lungs=False) > -500, 900.0, 0.0)
        values = np.hypot(body + random.normal(0, 12, body.shape), random.normal(0, 12, body.shape))
        pixels = change(values, number).clip(0, 4095).astype("<u2").tobytes()
        made.change([path], PixelData=pixels, RescaleSlope=f"{1 + number / 9:.4g}" if modality == "PT" else None)
    return made


@pytest.mark.parametrize("modality", ["MR", "PT"])
def test_numbers_of_mr_and_pet(tmp_path, modality):
    (series,) = as_dict(report_on(of_modality(modality).write(tmp_path)))["series"]
    assert series["measured"] == deliveries.SLICES
    assert series["signal_to_noise"] == pytest.approx(880 / 12, rel=0.3)
    assert series["edge"] == 0
    assert not {"noise", "lung", "ring", "step", "bone_in_front"} & series.keys()


OTHERS: dict[str, tuple[Callable[[np.ndarray, int], np.ndarray], dict[str, str]]] = {
    "as it should be": (lambda values, _: values, {}),
    "a constant slice": (
        lambda values, n: 0 * values if n == 5 else values,
        {"quality.constant": "one value fills 1 of 28 slices"},
    ),
    "a slice of background": (
        lambda values, n: values % 60 if n == 5 else values,
        {"quality.empty": "there is nothing but background in 1 of 28 slices"},
    ),
    "a clipped slice": (
        lambda values, n: np.where(values > 800, 4095, values) if n == 5 else values,
        {"quality.clipped": "the largest value that can be stored fills up to"},
    ),
    "noise": (
        lambda values, n: values + (values > 500) * np.random.default_rng(n).normal(0, 400, values.shape),
        {"quality.noise": "the body stands out of the noise by"},
    ),
    "a body that is cut": (
        lambda values, _: np.roll(values, 16, axis=1),
        {"quality.field": "the body reaches"},
    ),
}


@pytest.mark.parametrize("modality", ["MR", "PT"])
@pytest.mark.parametrize("name", OTHERS)
def test_verdicts_of_mr_and_pet(tmp_path, modality, name):
    change, expected = OTHERS[name]
    found = ours(report_on(of_modality(modality, change).write(tmp_path)))
    assert found.keys() == expected.keys(), found
    assert all(found[rule].startswith(begin) for rule, begin in expected.items()), found


def test_what_makes_no_sense_of_a_modality_is_skipped_and_not_passed(tmp_path):
    why = {each.rule.id: each.why for each in report_on(of_modality("MR").write(tmp_path)).outcomes}
    told = {id for id, reason in why.items() if quality.CT_ALONE in reason}
    assert told == {f"quality.{name}" for name in ("dose", "motion", "orientation", "region", "rings")}


def test_what_has_no_slices_is_skipped_and_not_passed(tmp_path):
    made = deliveries.clean(patients=1)
    made.change(made.series(), Modality="OT")
    outcomes = [each for each in report_on(made.write(tmp_path)).outcomes if each.rule.id.startswith("quality.")]
    assert {each.status for each in outcomes} == {Status.SKIPPED}


def test_what_has_no_scale_is_skipped_and_not_passed(tmp_path):
    made = deliveries.clean(patients=1)
    made.change(made.series()[:2], RescaleSlope=None)
    (noise,) = (each for each in report_on(made.write(tmp_path)).outcomes if each.rule.id == "quality.noise")
    assert noise.skipped == {quality.UNREAD: 1}


def whole(made: Made, folder: Path, number: int) -> None:
    """The first series as one enhanced object, its frames in another order, each with a scale of its own."""
    library = pytest.importorskip("highdicom")
    datasets = [pydicom.dcmread(io.BytesIO(deliveries.encoded(made.objects[path]))) for path in made.series()]
    kind = library.legacy.LegacyConvertedEnhancedCTImage
    if datasets[0].Modality == "PT":
        kind = library.legacy.LegacyConvertedEnhancedPETImage
        for each in datasets:
            each.SOPClassUID = PET_IMAGE
    UIDs = [f"{deliveries.ROOT}.{number}.{part}" for part in (1, 2)]
    folder.mkdir(parents=True)
    kind(datasets[::-1], UIDs[0], 1, UIDs[1], 1).save_as(folder / "1.dcm")


@pytest.mark.filterwarnings("ignore:The string:UserWarning")
def test_frames_are_measured_as_slices_are(tmp_path):
    made = deliveries.clean(patients=1)
    (single,) = report_on(made.write(tmp_path / "single")).delivery.outlines
    whole(made, tmp_path / "whole", 1)
    (frames,) = report_on(tmp_path / "whole").delivery.outlines
    assert frames.numbers == pytest.approx(single.numbers, rel=1e-3)


@pytest.mark.filterwarnings("ignore:The string:UserWarning")
def test_each_frame_has_its_own_scale_and_blank_ones_are_found(tmp_path):
    made = of_modality("PT", lambda values, n: 0 * values if n == 5 else values)
    (single,) = report_on(made.write(tmp_path / "single")).delivery.outlines
    whole(made, tmp_path / "whole", 1)
    report = report_on(tmp_path / "whole")
    assert ours(report) == {"quality.constant": "one value fills 1 of 28 slices"}
    assert report.delivery.outlines[0].numbers == pytest.approx(single.numbers, rel=1e-3)


def test_memory_does_not_grow_with_the_number_of_slices(tmp_path, monkeypatch):
    monkeypatch.setattr(slices, "MOST", 10)
    made = deliveries.clean(patients=1)
    made.change(made.series()[1:2], PixelData=bytes(2 * deliveries.ROWS * deliveries.COLUMNS))
    report = report_on(made.write(tmp_path))
    assert ours(report) == {"quality.constant": "one value fills 1 of 10 slices looked at"}
    (motion,) = (each for each in report.outcomes if each.rule.id == "quality.motion")
    assert motion.skipped == {quality.SAMPLED: 1}


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("folder", "told", "least"),
    [
        # Looked at: a thigh, cropped to the tumour, so that the rim shows body; both in one place.
        ("ibsi/ibsi_validation/dicom/STS_001/MR_T1", {"quality.field"}, 10),
        ("ibsi/ibsi_validation/dicom/STS_001/PET", {"quality.field"}, 8),
        ("pet_seg/PET", set(), 100),  # a whole body
        ("enhanced_mf/In/Siemens", set(), 20),  # a phantom at four points in time
        ("enhanced_mf/In/Philips", set(), 100),  # a phantom, and its field map
        # Samples were replaced by noise before it was published: the body stands out of nothing.
        ("d2n/siemens/dti_classic", {"quality.field", "quality.noise"}, 1),
    ],
)
def test_real_series_of_mr_and_pet_are_as_they_look(shared_data, folder, told, least):
    report = report_on(shared_data / "dicom" / folder)
    assert set(ours(report)) == told
    (numbers,) = (each.numbers for each in report.delivery.outlines if each.numbers)
    assert numbers["signal_to_noise"] >= least


def test_a_blank_slice_is_found_among_compressed_ones(tmp_path):
    made = deliveries.clean()
    made.change(made.series()[6:7], PixelData=bytes(2 * deliveries.ROWS * deliveries.COLUMNS))
    made.write(tmp_path)
    compress(tmp_path)
    report = report_on(tmp_path)
    assert ours(report) == {"quality.constant": "one value fills 1 of 13 slices looked at"}
    (motion,) = (each for each in report.outcomes if each.rule.id == "quality.motion")
    assert motion.skipped == {quality.SAMPLED: 1}


@pytest.mark.parametrize(
    "damage",
    [
        {"PixelData": bytes(100)},
        {"BitsAllocated": 12},
        {"SamplesPerPixel": 3},
    ],
)
def test_what_cannot_be_decoded_is_skipped_and_the_rest_measured(tmp_path, damage):
    made = deliveries.clean(patients=1)
    made.change(made.series()[3:4], **damage)
    report = report_on(made.write(tmp_path))
    assert ours(report) == {}
    assert report.delivery.outlines[0].numbers["measured"] == deliveries.SLICES - 1
    (noise,) = (each for each in report.outcomes if each.rule.id == "quality.noise")
    assert noise.skipped == {quality.UNREAD: 1}


@pytest.mark.parametrize(
    "odd",
    [
        {"RescaleSlope": "0"},
        {"RescaleSlope": "1e30", "RescaleIntercept": "-1e30"},
        {"Rows": 1, "Columns": 1, "PixelData": b"\1\1"},
        {"Rows": 0, "Columns": 0},
        {"BitsStored": 0},
        {"NumberOfFrames": str(2**31 - 1)},
        {"BitsStored": 60000},
        {"PixelRepresentation": 1},
        {"ImageOrientationPatient": ["1", "0", "0", "0", "0", "1"]},
        {"ImageOrientationPatient": None},
        {"PixelData": b"\xff\xff" * deliveries.ROWS * deliveries.COLUMNS},
    ],
)
def test_whatever_headers_say_there_is_a_report(tmp_path, odd):
    made = deliveries.clean(patients=1, slices=6)
    made.change(made.series(), **odd)
    json.dumps(as_dict(report_on(made.write(tmp_path))), allow_nan=False)
