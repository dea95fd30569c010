"""Where slices lie in the patient: positions along the normal, spacing, gaps, duplicates, tilt.

Pure functions of numbers, in millimetres and degrees, in the patient's coordinate system (PS3.3 C.7.6.2.1.1). They
are total: text, NaN, infinities and absurd figures give None, never an exception or a NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from cohortium.values import LARGEST, Instance

__all__ = [
    "FARTHEST",
    "GAP",
    "PARALLEL",
    "SAME_PLACE",
    "Interval",
    "along",
    "angle",
    "distances",
    "intervals",
    "lean",
    "lower_median",
    "normal",
    "own_normal",
    "parallel",
    "places",
    "position",
    "steepness",
]

Vector = tuple[float, ...]

FARTHEST = 1e6  # mm; a position beyond a kilometre is no position
SQUARE = 1e-3  # how far direction cosines may be from unit length and from a right angle
SAME_PLACE = 0.01  # mm; slices closer than this lie in one place
PARALLEL = 0.1  # degrees; orientations closer than this are one
THINNEST, THICKEST = 0.01, 1000.0  # mm; a slice thickness beyond these is no thickness
GAP = 1.5  # times the usual spacing: from here on, a slice is missing


@dataclass(frozen=True, slots=True)
class Interval:
    """From a slice at `below` to its neighbour at `above`; `usual` is the distance expected there (all mm)."""

    below: float
    above: float
    usual: float

    @property
    def distance(self) -> float:
        return self.above - self.below

    @property
    def missing(self) -> int:
        """How many slices would fit in between."""
        return max(1, round(self.distance / self.usual) - 1) if self.distance >= GAP * self.usual else 0


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
    return along(instance.numbers("ImagePositionPatient"), own_normal(instance))


def own_normal(instance: Instance) -> Vector | None:
    """The unit normal of the slice; None without usable orientation."""
    return normal(instance.numbers("ImageOrientationPatient"))


def angle(one: Sequence[float], other: Sequence[float]) -> float:
    """Degrees between two orientations (six cosines each): the larger of their rows' and their columns' angle."""
    return max(_between(one[:3], other[:3]), _between(one[3:], other[3:]))


def parallel(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two orientations are one, rows and columns alike."""
    return one == other or angle(one, other) <= PARALLEL


def lean(placed: Sequence[tuple[float, Sequence[float]]], direction: Vector) -> Vector | None:
    """How far points move across a direction for each mm along it; each comes with its distance along it, ascending.

    The median over pairs half the stack apart (Theil 1950, Sen 1968), so that one slice aside of the others does not
    tilt them all. None where all lie in one place.
    """
    half = max(1, len(placed) // 2)
    slopes = []
    for (low, first), (high, last) in zip(placed, placed[half:], strict=False):
        if high - low >= SAME_PLACE:
            slopes.append([(b - a) / (high - low) - along for a, b, along in zip(first, last, direction, strict=True)])
    return tuple(median(each) for each in zip(*slopes, strict=True)) if slopes else None


def steepness(way: Sequence[float]) -> float:
    """Degrees between a direction and a way that leads so far across it for each mm along it."""
    return math.degrees(math.atan(_length(way)))


def distances(placed: Sequence[tuple[float, Sequence[float]]], way: Vector, direction: Vector) -> list[float]:
    """How far each point lies from the line along which most of them lie, in mm."""
    rests = [
        [each - where * (along + across) for each, along, across in zip(point, direction, way, strict=True)]
        for where, point in placed
    ]
    middle = [median(each) for each in zip(*rests, strict=True)]
    return [math.dist(rest, middle) for rest in rests]


def places(positions: Sequence[float]) -> list[list[int]]:
    """Indices of positions that share a place, place by place in ascending order."""
    found: list[list[int]] = []
    for index in sorted(range(len(positions)), key=lambda i: positions[i]):
        if found and positions[index] - positions[found[-1][0]] < SAME_PLACE:
            found[-1].append(index)
        else:
            found.append([index])
    return found


def intervals(ascending: Sequence[float], thicknesses: Sequence[float | None] = ()) -> list[Interval]:
    """Neighbour to neighbour. Where slices are thicker than most, they are expected to be as much further apart."""
    distances = [above - below for below, above in pairwise(ascending)]
    step = lower_median(distances)
    known = [each if each is not None and THINNEST <= each <= THICKEST else None for each in thicknesses]
    common = lower_median([each for each in known if each is not None])
    if step is None:
        return []
    factors = [1.0 if each is None or common is None else each / common for each in known or [None] * len(ascending)]
    return [
        Interval(below, above, step * (one + other) / 2)
        for (below, above), (one, other) in zip(pairwise(ascending), pairwise(factors), strict=True)
    ]


def lower_median(numbers: Sequence[float]) -> float | None:
    """The median that is one of the numbers: of distances the smaller, when gaps make up half."""
    return sorted(numbers)[(len(numbers) - 1) // 2] if numbers else None


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
