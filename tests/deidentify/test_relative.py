"""PET without dates: uptake values computed before and after de-identification are the same, to the last bit."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import factory
from cohortium.deidentify import Deidentified, Deidentifier, load_protocol, subjects
from cohortium.deidentify.subjects import Patient, Subjects
from cohortium.deidentify.table import Table
from cohortium.keys import SiteKey

KEY = SiteKey(bytes(32))
HALF_LIFE = "6586.2"
By = Callable[[bytes], pydicom.Dataset]

PET: dict[str, Any] = {
    **{"SOPClassUID": factory.PET_IMAGE, "Modality": "PT", "ImageType": ["ORIGINAL", "PRIMARY"]},
    **{"KVP": None, "ConvolutionKernel": None, "StudyDate": "20200304", "StudyTime": "101112"},
    **{"SeriesDate": "20200304", "SeriesTime": "112011.00", "AcquisitionDate": "20200304", "AcquisitionTime": "112011"},
    **{"PatientWeight": "71.5", "PatientSize": "1.63", "PatientSex": "F", "PatientAge": "059Y"},
    **{"Units": "BQML", "DecayCorrection": "START", "FrameReferenceTime": "0", "ActualFrameDuration": "240000"},
    **{"RescaleSlope": "0.25", "RescaleIntercept": "0", "CorrectedImage": ["DECY", "ATTN", "SCAT", "NORM"]},
}
INJECTED = {
    "RadiopharmaceuticalStartTime": "103500.00",
    "RadionuclideTotalDose": "388777472",
    "RadionuclideHalfLife": HALF_LIFE,
}


def pet(
    injected: dict[str, Any] | None = None, syntax: str = factory.EXPLICIT, raw: Any = None, **changes: Any
) -> bytes:
    items = [INJECTED | (injected or {})]
    changed = PET | changes | {"RadiopharmaceuticalInformationSequence": items}
    return factory.ct(syntax=syntax, raw=raw, **changed)


@pytest.fixture
def by(tmp_path: Path) -> By:
    protocol = load_protocol("eurobioimaging-pet")
    table = Table(tmp_path / "subjects.sqlite", KEY, "project", protocol.subject, "site")
    table.take([(Patient(factory.ID), "EBI-17")])
    deidentifier = Deidentifier(protocol, KEY, "project", Subjects(protocol, KEY, "project", None, table))

    def run(content: bytes) -> pydicom.Dataset:
        made = deidentifier(content)
        assert isinstance(made, Deidentified), made
        run.findings = {finding.rule for finding in made.findings}  # type: ignore[attr-defined]
        output = factory.joined(made.slices)
        assert factory.planted_in(output) == []
        return factory.read(output)

    return run


def uptake(dataset: pydicom.Dataset) -> np.ndarray:
    """Body-weight SUV as readers compute it (QIBA's recipe): by times of day, and by dates where both have them."""
    values = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    if dataset.Units == "GML":
        return values
    if dataset.Units == "CNTS":
        suv, activity = (dataset.get((0x7053, tag)) for tag in (0x1000, 0x1009))
        if suv is not None and float(suv.value):
            return values * float(suv.value)
        values = values * float(activity.value)
    injected = dataset.RadiopharmaceuticalInformationSequence[0]
    dose = float(injected.RadionuclideTotalDose)
    if dataset.DecayCorrection == "START":
        dose *= 2 ** (-_elapsed(dataset, injected) / float(injected.RadionuclideHalfLife))
    return values * float(dataset.PatientWeight) * 1000 / dose


def _elapsed(dataset: pydicom.Dataset, injected: pydicom.Dataset) -> float:
    scanned = min(_time(dataset.SeriesTime), _time(dataset.AcquisitionTime))
    if start := injected.get("RadiopharmaceuticalStartDateTime"):
        day = datetime.strptime(dataset.SeriesDate, "%Y%m%d")
        return (day + scanned - datetime.strptime(start[:8], "%Y%m%d") - _time(start[8:])).total_seconds()
    elapsed = (scanned - _time(injected.RadiopharmaceuticalStartTime)).total_seconds()
    return elapsed + 86400 if elapsed < 0 else elapsed


def _time(text: str) -> timedelta:
    whole, _, fraction = text.partition("+")[0].partition(".")
    hours, minutes, seconds = (int(whole[at : at + 2] or 0) for at in (0, 2, 4))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds, microseconds=int(fraction.ljust(6, "0") or 0))


def philips(suv: bytes, activity: bytes = b"2.5 ") -> dict[int, bytes]:
    """The private block as Philips writes it, with an attribute beside the two that nobody knows to be safe."""
    values = {
        0x70530010: (b"Philips PET Private Group ", "LO"),
        0x70531000: (suv, "DS"),
        0x70531003: (b"MUELLER ", "ST"),
    }
    values |= {0x70531009: (activity, "DS")}
    return {tag: factory.element(tag, value + b" " * (len(value) % 2), vr) for tag, (value, vr) in values.items()}


SITUATIONS: dict[str, bytes] = {
    "Siemens, decay corrected to the start of the series": pet(
        AcquisitionTime="112411.647000", FrameReferenceTime="240000"
    ),
    "GE, decay corrected to the injection": pet(DecayCorrection="ADMIN"),
    "GE, uptake values already": pet(Units="GML", DecayCorrection="ADMIN"),
    "Philips, counts and a factor to SUV": pet(Units="CNTS", raw=philips(suv=b"0.000345")),
    "Philips, counts and a factor to activity": pet(Units="CNTS", raw=philips(suv=b"0.0 ", activity=b"1.75")),
    "injected before midnight, scanned after, times alone": pet(
        {"RadiopharmaceuticalStartTime": "233000"}, SeriesTime="003015.5", AcquisitionTime="003015.5"
    ),
    "injected before midnight, scanned after, with dates": pet(
        {"RadiopharmaceuticalStartDateTime": "20200303233000.00"}, SeriesTime="003015.5", AcquisitionTime="003015.5"
    ),
    "a time zone, and fractions": pet(
        {"RadiopharmaceuticalStartDateTime": "20200304103500.250000+0100"}, TimezoneOffsetFromUTC="+0100"
    ),
    "hours and minutes alone": pet({"RadiopharmaceuticalStartTime": "1035"}, SeriesTime="1120", AcquisitionTime="1121"),
    "implicit VR": pet(syntax=factory.IMPLICIT),
    "big endian": pet(syntax=factory.BIG_ENDIAN),
    "deflated": pet(syntax=factory.DEFLATED),
}


@pytest.mark.parametrize("content", SITUATIONS.values(), ids=SITUATIONS.keys())
def test_uptake_is_the_same_before_and_after(by: By, content: bytes) -> None:
    before, after = factory.read(content), by(content)
    np.testing.assert_array_equal(uptake(after), uptake(before))
    assert (after.PatientWeight, after.PatientSize) == (71.5, 1.63)
    text = after.to_json()
    assert not [day for day in ("20200303", "20200304") if day in text]
    injected = after.RadiopharmaceuticalInformationSequence[0]
    starts = [
        str(injected.get(f"RadiopharmaceuticalStart{kind}", ""))[at:][:6] for kind, at in (("Time", 0), ("DateTime", 8))
    ]
    assert "060000" in starts


def test_nothing_but_what_uptake_needs(by: By) -> None:
    """The literal table of the preset on a PET slice."""
    made = by(pet(ContentDate="20200304", ContentTime="112500", AcquisitionDateTime="20200304112011"))
    found = {each.keyword: str(each.value) for each in made if each.keyword.endswith(("Date", "Time", "DateTime"))}
    assert found == {
        "StudyDate": "",
        "StudyTime": "",
        "SeriesDate": "19000101",
        "SeriesTime": "064511",
        "AcquisitionDate": "19000101",
        "AcquisitionTime": "064511",
        "AcquisitionDateTime": "19000101064511",
        "ContentDate": "",
        "ContentTime": "",
        "PatientBirthDate": "",
        "FrameReferenceTime": "0",
    }
    assert made.PatientSex == ""
    assert "PatientAge" not in made
    assert made.LongitudinalTemporalInformationModified == "MODIFIED"
    assert {item.CodeValue for item in made.DeidentificationMethodCodeSequence} == {"113100", "113107", "113111"}


def test_of_what_is_private_two_factors_stay(by: By) -> None:
    made = by(pet(raw=philips(suv=b"0.000345")))
    private = {f"{each.tag:08X}": str(each.value) for each in made.iterall() if each.tag.is_private}
    assert private == {"70530010": "Philips PET Private Group", "70531000": "0.000345", "70531009": "2.5"}
    other = philips(suv=b"0.000345") | {0x70530010: factory.element(0x70530010, b"SOMEBODY", "LO")}
    assert not [each for each in by(pet(raw=other)).iterall() if each.tag.is_private]


def test_without_an_injection_no_time_stays(by: By) -> None:
    made = by(pet({"RadiopharmaceuticalStartTime": ""}))
    assert (made.SeriesTime, made.AcquisitionTime) == ("000000", "")
    unreadable = by(pet({"RadiopharmaceuticalStartTime": "soon"}))
    assert (unreadable.SeriesTime, unreadable.AcquisitionTime) == ("000000", "")
    ct = by(factory.ct(SeriesTime="112011", AcquisitionTime="112011"))
    assert ct.StudyTime == ""
    assert "SeriesTime" not in ct
    assert "AcquisitionTime" not in ct


def test_a_scan_days_later_cannot_be_told_by_times(by: By) -> None:
    far = by(pet({"RadiopharmaceuticalStartDateTime": "20200301103500"}))
    assert (far.SeriesTime, far.AcquisitionTime) == ("000000", "")
    assert far.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartDateTime == ""
    assert "dates.far-from-injection" in by.findings  # type: ignore[attr-defined]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 86_399), st.integers(-6 * 3600, 18 * 3600 - 1), st.integers(0, 999_999))
def test_any_interval_of_a_day_stays(injected: int, elapsed: int, fraction: int) -> None:
    """Wherever midnight lies, the scan comes as long after six o'clock as it came after the injection."""
    from cohortium.deidentify.relative import INJECTION, _moved

    start = timedelta(seconds=injected)
    clock = INJECTION - start
    scan = (datetime(2020, 3, 4) + start + timedelta(seconds=elapsed, microseconds=fraction)).strftime("%H%M%S.%f")
    assert _time(_moved("TM", scan, clock)) == INJECTION + timedelta(seconds=elapsed, microseconds=fraction)
    assert _moved("DT", f"20200304{scan}+0100", clock)[8:] == _moved("TM", scan, clock)


# --- real files ---------------------------------------------------------------------------------------------------


@pytest.mark.shared_data
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("folder", ["ibsi/ibsi_validation/dicom/STS_001/PET/image", "pet_seg/PET"])
def test_uptake_of_real_pet_is_the_same(
    shared_data: Path, tmp_path: Path, folder: str, sample: Callable[[int, int], int]
) -> None:
    paths = sorted((shared_data / "dicom" / folder).iterdir())
    protocol = load_protocol("eurobioimaging-pet")
    table = Table(tmp_path / "subjects.sqlite", KEY, "project", protocol.subject, "site")
    table.take([(subjects.read(io.BytesIO(paths[0].read_bytes())), "EBI-1")])
    by = Deidentifier(protocol, KEY, "project", Subjects(protocol, KEY, "project", None, table))
    for path in paths[:: len(paths) // sample(6, len(paths))]:
        content = path.read_bytes()
        made = by(content)
        assert isinstance(made, Deidentified)
        before, after = factory.read(content), factory.read(factory.joined(made.slices))
        np.testing.assert_array_equal(uptake(after), uptake(before))
        assert before.StudyDate not in after.to_json()
