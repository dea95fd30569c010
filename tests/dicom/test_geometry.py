"""Positions against a plain projection and highdicom; totality for whatever stands in the attributes."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohortium.dicom import geometry
from cohortium.values import Instance

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
angles = st.floats(-math.pi, math.pi)
anything = st.recursive(
    st.none() | st.booleans() | st.text() | st.integers() | st.floats(), lambda inner: st.lists(inner, max_size=7)
)
hostile = anything | st.lists(st.floats() | st.just(10**400), min_size=3, max_size=6)


def orientation(a: float, b: float, c: float) -> tuple[float, ...]:
    """Row and column of a rotation about z, y and x."""
    turn_z = np.array([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]])
    turn_y = np.array([[math.cos(b), 0, math.sin(b)], [0, 1, 0], [-math.sin(b), 0, math.cos(b)]])
    turn_x = np.array([[1, 0, 0], [0, math.cos(c), -math.sin(c)], [0, math.sin(c), math.cos(c)]])
    rotation = turn_z @ turn_y @ turn_x
    return (*map(float, rotation[:, 0]), *map(float, rotation[:, 1]))


def slice_at(point: object, direction: object = list(AXIAL)) -> Instance:
    attributes = {"ImagePositionPatient": point, "ImageOrientationPatient": direction}
    return Instance("d", 0, "p", "1", "2", "3", "4", "5", "CT", attributes)


@given(angles, angles, angles, st.lists(st.floats(-500, 500), min_size=3, max_size=3))
def test_a_position_is_the_projection_on_the_normal(a, b, c, point):
    cosines = orientation(a, b, c)
    expected = float(np.dot(np.cross(cosines[:3], cosines[3:]), point))
    assert geometry.position(slice_at(point, list(cosines))) == pytest.approx(expected, abs=1e-9)


@given(angles, angles, angles)
def test_the_normal_is_that_of_highdicom(a, b, c):
    spatial = pytest.importorskip("highdicom").spatial
    cosines = orientation(a, b, c)
    expected = spatial.get_normal_vector(cosines)
    assert geometry.normal(cosines) == pytest.approx(tuple(expected), abs=1e-9)


@given(angles, angles, angles, st.integers(3, 20), st.floats(0.3, 10), st.randoms(use_true_random=False))
def test_order_and_spacing_are_those_of_highdicom(a, b, c, count, step, random):
    spatial = pytest.importorskip("highdicom").spatial
    cosines = orientation(a, b, c)
    normal = np.array(geometry.normal(cosines))
    points = [list(map(float, 17.0 + normal * step * k)) for k in range(count)]
    random.shuffle(points)
    positions = [geometry.along(point, tuple(normal)) for point in points]
    spacing, order = spatial.get_volume_positions(points, cosines)
    ours = [i for i, *_ in geometry.places(positions)]
    ranks = [ours.index(i) for i in range(count)]
    assert ranks == list(order) or ranks == [count - 1 - i for i in order]
    assert geometry.lower_median([each.distance for each in geometry.intervals(sorted(positions))]) == pytest.approx(
        spacing, rel=1e-3
    )


@given(hostile, hostile)
def test_no_value_whatever_raises_or_gives_nan(point, direction):
    for found in (geometry.position(slice_at(point, direction)), geometry.along(point, (0.0, 0.0, 1.0))):
        assert found is None or math.isfinite(found)
    normal = geometry.normal(direction)
    assert normal is None or math.hypot(*normal) == pytest.approx(1)


@pytest.mark.parametrize(
    "direction",
    [
        None,
        [1, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0],
        [1, 0, 0, 1, 0, 0],  # rows along columns
        [2, 0, 0, 0, 2, 0],  # no unit vectors
        [1, 0, 0, 0, 1, math.nan],
        [1e308, 1e308, 0, 0, 1, 0],
        ["1", "0", "0", "0", "1", "0"],
    ],
)
def test_an_orientation_that_is_none_has_no_normal(direction):
    assert geometry.normal(direction) is None


def test_a_position_beyond_a_kilometre_is_none():
    assert geometry.position(slice_at([0, 0, 999_999.0])) == 999_999.0
    assert geometry.position(slice_at([0, 0, 1_000_001.0])) is None


def test_places_hold_what_lies_closer_than_a_hundredth_of_a_millimetre():
    assert geometry.places([3.0, 1.0, 1.009, 1.011, 2.0]) == [[1, 2], [3], [4], [0]]


def test_gaps_say_how_many_slices_would_fit():
    intervals = geometry.intervals([0, 2.5, 5.0, 12.5, 15.0])
    assert [(each.below, each.above, each.missing) for each in intervals if each.missing] == [(5.0, 12.5, 2)]


def test_when_gaps_make_up_half_the_smaller_distance_is_usual():
    assert [each.missing for each in geometry.intervals([0, 1, 3])] == [0, 1]


def test_thicker_slices_stand_further_apart_and_leave_no_gap():
    positions, thick = [0, 4, 8, 15, 22], [4.0, 4.0, 4.0, 7.0, 7.0]
    assert [each.missing for each in geometry.intervals(positions)] == [0, 0, 1, 1]
    assert [each.missing for each in geometry.intervals(positions, thick)] == [0, 0, 0, 0]


def test_overlapping_slices_hide_no_gap():
    assert [each.missing for each in geometry.intervals([0, 1, 2, 4, 5], [2.0] * 5)] == [0, 0, 1, 0]


@given(st.lists(st.floats(-1e6, 1e6), max_size=30, unique=True), st.data())
def test_intervals_are_total(positions, data):
    ascending = sorted(positions)
    size = len(ascending)
    thick = data.draw(st.lists(st.none() | st.floats(allow_nan=False), min_size=size, max_size=size))
    spread = [ascending[i] for i, *_ in geometry.places(ascending)]
    for each, (below, above) in zip(geometry.intervals(spread, thick[: len(spread)]), pairwise(spread), strict=True):
        assert each.missing >= 0
        assert each.distance == above - below


def leaning(degrees: float, count: int = 21) -> list[tuple[float, tuple[float, ...]]]:
    return [(5.0 * n, (0.0, 5.0 * n * math.tan(math.radians(degrees)), 5.0 * n)) for n in range(count)]


@pytest.mark.parametrize("degrees", [0, 0.4, 18.5, 60])
@pytest.mark.parametrize("count", [2, 3, 21])
def test_a_sheared_stack_leans_by_its_angle(degrees, count):
    way = geometry.lean(leaning(degrees, count), (0.0, 0.0, 1.0))
    assert geometry.steepness(way) == pytest.approx(degrees, abs=1e-9)
    assert geometry.distances(leaning(degrees, count), way, (0.0, 0.0, 1.0)) == pytest.approx([0.0] * count, abs=1e-9)


@pytest.mark.parametrize("number", [0, 7, 20])
def test_a_slice_aside_of_the_others_is_told_and_does_not_tilt_them(number):
    placed = leaning(10.0)
    where, (x, y, z) = placed[number]
    placed[number] = where, (x + 3.0, y - 4.0, z)
    way = geometry.lean(placed, (0.0, 0.0, 1.0))
    assert geometry.steepness(way) == pytest.approx(10.0, abs=1e-9)
    found = geometry.distances(placed, way, (0.0, 0.0, 1.0))
    assert [n for n, each in enumerate(found) if each > 0.1] == [number]
    assert found[number] == pytest.approx(5.0)


def test_slices_in_one_place_do_not_lean():
    assert geometry.lean([(3.0, (1.0, 2.0, 3.0))] * 5, (0.0, 0.0, 1.0)) is None


def test_parallel_means_rows_and_columns_within_a_tenth_of_a_degree():
    assert geometry.parallel(AXIAL, orientation(math.radians(0.09), 0, 0))
    assert not geometry.parallel(AXIAL, orientation(math.radians(0.11), 0, 0))
    assert not geometry.parallel(AXIAL, (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0))
