"""Where slices lie in the patient: positions along the normal, spacing, gaps, duplicates, tilt.

Pure functions of numbers, in millimetres and degrees, in the patient's coordinate system (PS3.3 C.7.6.2.1.1). They
are total: text, NaN, infinities and absurd figures give None, never an exception or a NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from cohortium.values import LARGEST, Instance

__all__ = ["SAME_PLACE", "Gap", "along", "angle", "gaps", "normal", "places", "position", "spacings", "tilt", "usual"]

Vector = tuple[float, ...]

FARTHEST = 1e6  # mm; a position beyond a kilometre is no position
SQUARE = 1e-3  # how far direction cosines may be from unit length and from a right angle
SAME_PLACE = 0.01  # mm; slices closer than this lie in one place


@dataclass(frozen=True, slots=True)
class Gap:
    """Neighbouring slices at `below` and `above` (mm) with room for `missing` more between them."""

    below: float
    above: float
    missing: int


def normal(orientation: Any) -> Vector | None:
    """The unit normal of a slice from ImageOrientationPatient: row direction x column direction."""
    cosines = _numbers(orientation, 6)
    if cosines is None or max(map(abs, cosines)) > 1 + SQUARE:
        return None
    row, column = cosines[:3], cosines[3:]
    if abs(_length(row) - 1) > SQUARE or abs(_length(column) - 1) > SQUARE or abs(_dot(row, column)) > SQUARE:
        return None
    cross = (
        row[1] * column[2] - row[2] * column[1],
        row[2] * column[0] - row[0] * column[2],
        row[0] * column[1] - row[1] * column[0],
    )
    length = _length(cross)
    return tuple(v / length for v in cross)


def along(point: Any, direction: Vector | None) -> float | None:
    """The point's (ImagePositionPatient's) distance from the origin along a direction, in mm."""
    coordinates = _numbers(point, 3)
    if coordinates is None or direction is None or max(map(abs, coordinates)) > FARTHEST:
        return None
    return _dot(coordinates, direction)


def position(instance: Instance) -> float | None:
    """Where the slice lies along its own normal, in mm; None without usable geometry."""
    return along(
        instance.numbers("ImagePositionPatient"),
        normal(instance.numbers("ImageOrientationPatient")),
    )


def angle(one: Sequence[float], other: Sequence[float]) -> float:
    """Degrees between two orientations (six cosines each): the larger of their rows' and their columns' angle."""
    return max(_between(one[:3], other[:3]), _between(one[3:], other[3:]))


def tilt(first: Sequence[float], last: Sequence[float], direction: Sequence[float]) -> float:
    """Degrees between the slices' normal and the way from the first to the last; 0 where they lie in one place."""
    way = [b - a for a, b in zip(first, last, strict=True)]
    if _length(way) < SAME_PLACE:
        return 0.0
    degrees = _between(way, direction)
    return min(degrees, 180 - degrees)


def places(positions: Sequence[float]) -> list[list[int]]:
    """Indices of positions that share a place, place by place in ascending order."""
    found: list[list[int]] = []
    for index in sorted(range(len(positions)), key=lambda i: positions[i]):
        if found and positions[index] - positions[found[-1][0]] < SAME_PLACE:
            found[-1].append(index)
        else:
            found.append([index])
    return found


def spacings(ascending: Sequence[float]) -> list[float]:
    """Distances between neighbours."""
    return [above - below for below, above in pairwise(ascending)]


def usual(distances: Sequence[float]) -> float | None:
    """The lower median: a real distance, and the smaller of two when gaps make up half."""
    return sorted(distances)[(len(distances) - 1) // 2] if distances else None


def gaps(ascending: Sequence[float]) -> Iterator[Gap]:
    """Where at least one slice of the usual spacing would fit."""
    distances = spacings(ascending)
    step = usual(distances)
    if step is None:
        return
    for below, distance in zip(ascending, distances, strict=False):
        if distance >= 1.5 * step:
            yield Gap(below, below + distance, max(1, round(distance / step) - 1))


def _between(one: Sequence[float], other: Sequence[float]) -> float:
    """Degrees, by the arc tangent: the arc cosine loses small angles."""
    cross = math.hypot(
        one[1] * other[2] - one[2] * other[1],
        one[2] * other[0] - one[0] * other[2],
        one[0] * other[1] - one[1] * other[0],
    )
    return math.degrees(math.atan2(cross, _dot(one, other)))


def _numbers(value: Any, count: int) -> Vector | None:
    if not isinstance(value, list | tuple) or len(value) != count:
        return None
    if not all(isinstance(v, int | float) and abs(v) <= LARGEST for v in value):
        return None
    return tuple(map(float, value))


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


def _length(vector: Sequence[float]) -> float:
    return math.hypot(*vector)
