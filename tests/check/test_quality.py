"""Numbers of every series stand in the report; what cannot be measured is skipped, and no file stops the rest."""

import io
import json
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import RLELossless

import deliveries
from cohortium import check
from cohortium.check import quality
from cohortium.check.examine import examine
from cohortium.check.report import Report, as_dict

DRAGON = check.load("dragon")


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


def test_other_modalities_are_not_measured(tmp_path):
    made = deliveries.clean(patients=1)
    made.change(made.series(), Modality="MR")
    (series,) = as_dict(report_on(made.write(tmp_path)))["series"]
    assert "noise" not in series


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
