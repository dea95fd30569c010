"""Each rule broken once gives one finding; a clean series none; nothing at all raises."""

import dataclasses
import hashlib
import math
import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cohortium import check
from cohortium.check.rule import Scope
from cohortium.dicom import meta
from cohortium.values import Instance, Severity
from waiting import least_cost

DRAGON, BASIC = check.load("dragon"), check.load("basic")
AXIAL = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
CLEAN = {
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "SliceThickness": 1.25,
    "PixelSpacing": [0.75, 0.75],
    "ImageOrientationPatient": AXIAL,
    "KVP": 120.0,
    "ConvolutionKernel": "B30f",
    "FrameOfReferenceUID": "1.9",
    "NumberOfFrames": 1,
    "Rows": 512,
}
Series = list[Instance]


def instance(number: int, *, Modality: str = "CT", **attributes: object) -> Instance:
    own = {"InstanceNumber": number, "ImagePositionPatient": [-190.0, -190.0, 100 + 1.25 * number]}
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    known = {**CLEAN, **own, **attributes}
    return Instance(digest, 500_000, "P-1", "1.1", "1.2", f"1.3.{number}", "1.4", "1.5", Modality, known)


def stack(count: int = 40, **attributes: object) -> Series:
    return [instance(number, **attributes) for number in range(count)]


def changed(series: Series, number: int, **attributes: object) -> Series:
    """The series with other attributes (None: without them) in one slice."""
    known = {**series[number].attributes, **attributes}
    kept = {keyword: value for keyword, value in known.items() if value is not None}
    return [*series[:number], dataclasses.replace(series[number], attributes=kept), *series[number + 1 :]]


def sheared(degrees: float) -> Series:
    slope = math.tan(math.radians(degrees))
    return [instance(n, ImagePositionPatient=[-190.0, 1.25 * n * slope, 1.25 * n]) for n in range(40)]


def localizer() -> Instance:
    return instance(
        900,
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
        ImageOrientationPatient=[0.0, 1.0, 0.0, 0.0, 0.0, -1.0],
        ConvolutionKernel="T20s",
        PixelSpacing=[3.0, 3.0],
    )


def frames(positions: list[float], **attributes: object) -> Series:
    return [instance(1, NumberOfFrames=len(positions), SliceLocationVector=positions, **attributes)]


MEND = {rule.id: rule.mend for rule in DRAGON.rules}
ONE_VIOLATION: dict[str, tuple[Series, str, str]] = {  # name: series, rule, fact
    "another modality": (
        stack(Modality="MR", KVP=None),
        "accuracy.modality",
        "Modality is not CT in all 40 objects",
    ),
    "pixels too small": (
        stack(PixelSpacing=[0.59, 0.75]),
        "accuracy.pixel-spacing",
        "PixelSpacing is 0.59 to 0.75 mm in all 40 images, 0.6 to 1.5 mm is allowed",
    ),
    "no pixel spacing": (
        stack(PixelSpacing="unknown"),
        "accuracy.pixel-spacing",
        "PixelSpacing is missing or no number in all 40 images",
    ),
    "slices too thick": (
        stack(SliceThickness=3.0),
        "accuracy.slice-thickness",
        "SliceThickness is 3 mm in all 40 images, 0.5 to 1.5 mm is allowed",
    ),
    "slice lost": (
        [each for n, each in enumerate(stack()) if n != 17],
        "completeness.missing",
        "1 slice missing between positions 120 and 122.5 mm",
    ),
    "slices lost in two places": (
        [each for n, each in enumerate(stack()) if n not in (17, 18, 30)],
        "completeness.missing",
        "3 slices missing in 2 gaps, the first between positions 120 and 123.75 mm",
    ),
    "frame lost": (
        frames([1.0 * n for n in range(40) if n != 5]),
        "completeness.missing",
        "1 slice missing between positions 4 and 6 mm",
    ),
    "too few": (stack(24), "completeness.slices", "24 slices, 25 to 1500 are expected"),
    "too many": (stack(1501), "completeness.slices", "1501 slices, 25 to 1500 are expected"),
    "too few frames": (
        frames([1.0, 2.0]),
        "completeness.slices",
        "2 slices, 25 to 1500 are expected",
    ),
    "slice twice": (
        [*stack(), instance(99, ImagePositionPatient=[-190.0, -190.0, 112.5])],
        "geometry.duplicate",
        "1 of 40 positions hold more than one slice, the first at 112.5 mm",
    ),
    "two acquisitions": (
        [*stack(), *(instance(100 + n, ImagePositionPatient=[0, 0, 100 + 1.25 * n]) for n in range(40))],
        "geometry.duplicate",
        "each of 40 positions holds 2 slices that no echo, time, phase or acquisition tells apart",
    ),
    "two echoes": (
        [
            *stack(EchoNumbers=1),
            *(
                dataclasses.replace(
                    each,
                    digest=each.digest[::-1],
                    SOPInstanceUID=f"{each.SOPInstanceUID}.2",
                    attributes={**each.attributes, "EchoNumbers": 2},
                )
                for each in stack()
            ),
        ],
        "geometry.volumes",
        "each of 40 positions holds 2 slices, which differ in EchoNumbers",
    ),
    "localizer": (
        [*stack(), localizer()],
        "geometry.localizer",
        "1 localizer lies among 40 slices (ImageType)",
    ),
    "slice turned": (
        changed(stack(), 39, ImageOrientationPatient=[0.0, 1.0, 0.0, 0.0, 0.0, -1.0]),
        "geometry.orientation",
        "1 of 40 images lie in another orientation than the others",
    ),
    "no position": (
        changed(stack(), 39, ImagePositionPatient=None),
        "geometry.position",
        "ImagePositionPatient or ImageOrientationPatient is missing or not usable in 1 of 40 images, so gaps cannot "
        "be told",
    ),
    "frames without positions": (
        [instance(1, NumberOfFrames=40)],
        "geometry.position",
        "ImagePositionPatient or ImageOrientationPatient is missing or not usable in 1 of 1 images, so gaps cannot "
        "be told",
    ),
    "gantry tilted": (
        sheared(14),
        "geometry.tilt",
        "the stack is sheared by 14.0 degrees, 0.5 are allowed",
    ),
    "slice shifted": (
        changed(stack(), 39, ImagePositionPatient=[-190.0, -190.0, 149.0]),
        "geometry.uneven",
        "spacing differs at 1 of 39 places: 1.5 mm where 1.25 mm is usual and 0.05 mm of difference is allowed",
    ),
    "other voltage": (
        changed(stack(), 3, KVP=100.0),
        "uniformity.value",
        "KVP has 2 values over the scan: 120 in 39, 100 in 1 objects",
    ),
    "other kernel": (
        changed(stack(), 3, ConvolutionKernel="B70f"),
        "uniformity.value",
        "ConvolutionKernel has 2 values over the scan: one in 39, one in 1 objects",
    ),
    "kernel absent": (
        changed(stack(), 3, ConvolutionKernel=None),
        "uniformity.value",
        "ConvolutionKernel has 2 values over the scan: one in 39, none in 1 objects",
    ),
}


def test_a_clean_series_has_no_finding():
    assert check.check(stack(), DRAGON) == []
    assert check.check(frames([1.0 * n for n in range(40)]), DRAGON) == []


@pytest.mark.parametrize("name", ONE_VIOLATION)
def test_one_violation_gives_exactly_one_finding(name):
    series, rule, fact = ONE_VIOLATION[name]
    (finding,) = check.check(series, DRAGON)
    assert (finding.rule, finding.message) == (rule, f"{fact}; {MEND[rule]}")
    assert finding.SeriesInstanceUID == "1.2"


def test_every_rule_has_its_violation():
    assert {rule for _, rule, _ in ONE_VIOLATION.values()} == {
        id for id, each in check.checks().items() if each.scope is Scope.SERIES
    }


@pytest.mark.parametrize(
    ("name", "blamed"),
    [("slice turned", "1.3.39"), ("other voltage", "1.3.3"), ("localizer", "1.3.900"), ("slice lost", "")],
)
def test_one_object_to_blame_is_named(name, blamed):
    (finding,) = check.check(ONE_VIOLATION[name][0], DRAGON)
    assert finding.SOPInstanceUID == blamed


@pytest.mark.parametrize("name", ONE_VIOLATION)
def test_under_basic_nothing_stops_a_series_and_no_limit_of_dragon_holds(name):
    series, rule, _ = ONE_VIOLATION[name]
    found = check.check(series, BASIC)
    assert [each.rule for each in found] == [rule] * (not rule.startswith("accuracy") and rule != "completeness.slices")
    assert all(each.severity in (Severity.WARNING, Severity.INFO) for each in found)


def test_numbers_that_differ_in_writing_only_are_one_value():
    assert check.check(changed(stack(), 3, KVP=120), DRAGON) == []


def test_an_attribute_of_another_modality_may_vary():
    series = changed(stack(Modality="PT"), 3, RescaleSlope=1.7)
    assert check.check(series, BASIC) == []


def test_a_series_of_two_patients_is_told():
    series = stack()
    series[0] = dataclasses.replace(series[0], PatientID="P-2")
    (finding,) = check.check(series, BASIC)
    assert finding.message.startswith("PatientID has 2 values over the scan: one in 39, one in 1 objects")
    assert "P-2" not in finding.message


def test_a_structure_set_has_no_slices_to_count():
    attributes = {"StructureSetLabel": "GTV", "NumberOfFrames": 0}
    structures = dataclasses.replace(instance(1, Modality="RTSTRUCT"), attributes=attributes)
    assert [each.rule for each in check.check([structures], DRAGON)] == ["accuracy.modality"]
    assert check.check([structures], BASIC) == []


@pytest.mark.parametrize("modality", ["US", "CR", "SEG", "RTDOSE"])
def test_images_that_are_no_slices_of_one_volume_have_no_gaps(modality):
    series = [instance(1, Modality=modality, ImagePositionPatient=None), instance(7, Modality=modality)]
    assert check.check(series, BASIC) == []


def test_localizers_alone_lie_as_they_like():
    other = dataclasses.replace(localizer(), attributes={**localizer().attributes, "ImageOrientationPatient": AXIAL})
    assert check.check([localizer(), other], BASIC) == []
    assert "completeness.slices" in {each.rule for each in check.check([localizer(), other], DRAGON)}


def test_a_single_image_has_neither_gaps_nor_tilt():
    assert check.check(stack(1), BASIC) == []
    assert [each.rule for each in check.check(stack(1), DRAGON)] == ["completeness.slices"]


def test_no_instances_no_findings():
    assert check.check([], DRAGON) == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, 1e308, "", "text", [], [None], {}])
def test_a_hostile_figure_gives_a_finding(value):
    for keyword, rule in [
        ("PixelSpacing", "accuracy.pixel-spacing"),
        ("SliceThickness", "accuracy.slice-thickness"),
        ("ImagePositionPatient", "geometry.position"),
        ("ImageOrientationPatient", "geometry.position"),
    ]:
        figures = value if keyword == "SliceThickness" else [value] * 3
        assert rule in {each.rule for each in check.check(stack(**{keyword: figures}), DRAGON)}, keyword


scalars = st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=8)
hostile = scalars | st.lists(scalars, max_size=6) | st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=6)
OF_FRAMES = {"SliceLocationVector", "ImagePositionVector", "ImageOrientationVector", "StackIDVector", "EchoTimeVector"}
used = st.sampled_from(sorted({each.keyword for each in meta.attributes()} - meta.FIELDS | OF_FRAMES))
hostile_attributes = st.dictionaries(used, hostile, max_size=8)


@st.composite
def hostile_series(draw: Callable[..., object]) -> Series:
    """Slices with some attributes spoilt, each with a digest of its own as content has."""
    modality = st.sampled_from(["CT", "MR", "PT", "US", ""])
    kinds = st.lists(st.tuples(modality, hostile_attributes), max_size=8)
    return [instance(number, Modality=kind, **spoilt) for number, (kind, spoilt) in enumerate(draw(kinds))]


@given(hostile_series(), st.randoms(use_true_random=False))
def test_whatever_stands_in_the_attributes_the_answer_is_a_list_of_findings_in_one_order(series, shuffle):
    for specification in (DRAGON, BASIC):
        found = check.check(series, specification)
        assert all(len(each.message) < 600 for each in found)
        shuffled = series[:]
        shuffle.shuffle(shuffled)
        assert check.check(shuffled, specification) == found


@given(st.sampled_from(sorted(ONE_VIOLATION)), st.randoms(use_true_random=False))
def test_shuffling_a_broken_series_changes_nothing(name, shuffle):
    series = ONE_VIOLATION[name][0][:]
    found = check.check(series, DRAGON)
    shuffle.shuffle(series)
    assert check.check(series, DRAGON) == found


@given(st.sets(st.integers(0, 59), max_size=25).map(lambda lost: set(range(60)) - lost))
def test_missing_slices_are_counted_as_by_hand(kept):
    """Wherever neighbours are the commonest pair, the count is that of the numbers skipped."""
    kept = sorted(kept)
    steps = [b - a for a, b in pairwise(kept)]
    assume(sorted(steps)[(len(steps) - 1) // 2] == 1)
    series = [instance(n) for n in random.sample(kept, len(kept))]
    found = [each.message for each in check.check(series, BASIC) if each.rule == "completeness.missing"]
    skipped = sum(step - 1 for step in steps)
    assert [int(message.split()[0]) for message in found] == ([skipped] if skipped else [])


def test_five_hundred_slices_take_well_under_a_second():
    series = stack(500)
    assert check.check(series, DRAGON) == []
    assert least_cost(lambda: check.check(series, DRAGON)) < 0.5
