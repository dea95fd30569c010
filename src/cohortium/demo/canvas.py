"""Painting soft-edged shapes into one axial slice, so that `phantom` can speak of anatomy alone.

Units are millimetres in a grid that is gently warped, so that no ellipse looks like one. Every shape is given by its
signed distance (negative inside) and laid over what is there with an edge as wide as a pixel: partial volume.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FIELD", "PIXEL", "SIZE", "Beads", "Canvas", "Plane", "Texture", "soft"]

Plane = NDArray[np.float32]
SIZE = 512
PIXEL = 0.7
FIELD = SIZE * PIXEL
EDGE = 0.9
AXIS = ((np.arange(SIZE) - (SIZE - 1) / 2) * PIXEL).astype(np.float32)
REACH = 8.0  # more than the warp ever moves a point


def soft(distance: Plane) -> Plane:
    """How much of a pixel lies inside a shape, from its centre's signed distance."""
    return np.asarray(np.clip(0.5 - distance / EDGE, 0.0, 1.0), dtype=np.float32)


class Texture:
    """Smooth unit-variance noise that changes gradually from slice to slice."""

    def __init__(self, random: np.random.Generator, grain: float, period: float) -> None:
        frequency = np.hypot(np.fft.fftfreq(SIZE, PIXEL)[:, None], np.fft.rfftfreq(SIZE, PIXEL)[None, :])
        spectrum = np.exp(-0.5 * (frequency * 2 * np.pi * grain) ** 2)
        self._waves = [_shaped(random, spectrum) for _ in range(4)]
        self._rates = (1 / period, 1.7 / period)

    def at(self, z: float) -> Plane:
        first, second = (2 * np.pi * rate * z for rate in self._rates)
        weights = np.array([np.cos(first), np.sin(first), np.cos(second), np.sin(second)], np.float32)
        mixed = sum(weight * wave for weight, wave in zip(weights / np.sqrt(2), self._waves, strict=True))
        return np.asarray(mixed, np.float32)


def _shaped(random: np.random.Generator, spectrum: NDArray[Any]) -> Plane:
    white = random.standard_normal((SIZE, SIZE), dtype=np.float32)
    noise = np.fft.irfft2(np.fft.rfft2(white) * spectrum, s=(SIZE, SIZE))
    return np.asarray(noise / noise.std(), np.float32)


@dataclass(frozen=True, slots=True)
class Beads:
    """Balls strung along branching tubes: positions in mm (x, y, z) and radii."""

    centre: NDArray[np.float32]
    radius: NDArray[np.float32]

    def coverage(self, z: float, thickness: float, grow: float = 0.0) -> Plane:
        """What the balls fill of the slice at z; `grow` adds to each radius."""
        filled = np.zeros((SIZE, SIZE), np.float32)
        radius = self.radius + grow
        near = np.abs(self.centre[:, 2] - z) < radius + thickness / 2
        centre, radius = self.centre[near], radius[near]
        reach = np.ceil((radius + EDGE) / PIXEL).astype(int)
        for half in np.unique(reach):
            chosen = reach == half
            _stamp(filled, centre[chosen], radius[chosen], z, int(half))
        return filled


def _stamp(filled: Plane, centre: NDArray[Any], radius: NDArray[Any], z: float, half: int) -> None:
    column, row = (np.rint(centre[:, axis] / PIXEL + (SIZE - 1) / 2).astype(int) for axis in (0, 1))
    inside = (np.minimum(column, row) > half) & (np.maximum(column, row) < SIZE - half - 1)
    centre, radius, column, row = centre[inside], radius[inside], column[inside], row[inside]
    steps = np.arange(-half, half + 1)
    columns, rows = column[:, None] + steps, row[:, None] + steps
    dx, dy = AXIS[columns] - centre[:, :1], AXIS[rows] - centre[:, 1:2]
    square = dx[:, None, :] ** 2 + dy[:, :, None] ** 2 + ((centre[:, 2] - z) ** 2)[:, None, None]
    share = soft(np.sqrt(square) - radius[:, None, None])
    np.maximum.at(filled, (rows[:, :, None], columns[:, None, :]), share)


@dataclass(slots=True)
class Canvas:
    """One slice being painted: `hu`, and `uptake`, what full contrast enhancement adds to it."""

    x: Plane
    y: Plane
    hu: Plane = field(default_factory=lambda: np.full((SIZE, SIZE), -1000, np.float32))
    uptake: Plane = field(default_factory=lambda: np.zeros((SIZE, SIZE), np.float32))

    @classmethod
    def warped(cls, z: float, phases: NDArray[Any], strength: float) -> Canvas:
        """A blank slice whose grid bends by at most twice `strength` mm; twelve phases fix how."""
        u, v = AXIS * (2 * np.pi / 150), AXIS * (2 * np.pi / 110)
        w = z * 2 * np.pi / 140
        p = phases
        dx = np.sin(u + w + p[0])[None, :] * np.sin(v + p[1])[:, None] + 0.5 * (
            np.sin(2.3 * u + p[2])[None, :] * np.sin(2.1 * v + w + p[3])[:, None]
        )
        dy = np.sin(u + p[4])[None, :] * np.sin(v + w + p[5])[:, None] + 0.5 * (
            np.sin(2.6 * u + w + p[6])[None, :] * np.sin(1.9 * v + p[7])[:, None]
        )
        return cls(
            (AXIS[None, :] + strength * dx).astype(np.float32), (AXIS[:, None] + strength * dy).astype(np.float32)
        )

    def lay(self, share: Plane, hu: Any, uptake: float = 0.0, where: Any = ...) -> None:
        """Cover `where` with a tissue to the degree `share` says."""
        self.hu[where] += share * (hu - self.hu[where])
        self.uptake[where] += share * (uptake - self.uptake[where])

    def ellipse(
        self,
        centre: tuple[float, float],
        half: tuple[float, float],
        hu: Any,
        uptake: float = 0.0,
        *,
        turn: float = 0.0,
        rim: Callable[[Plane], Plane] | None = None,
    ) -> None:
        """Lay an ellipse turned by `turn` radians; `rim` makes its HU from the signed distance."""
        if min(half) < 0.3:
            return
        where = self._box(centre, max(half))
        if where is None:
            return
        distance = self.distance(centre, half, turn, where)
        value = rim(distance) if rim else (hu[where] if isinstance(hu, np.ndarray) else hu)
        self.lay(soft(distance), value, uptake, where)

    def distance(
        self, centre: tuple[float, float], half: tuple[float, float], turn: float = 0.0, where: Any = ...
    ) -> Plane:
        """Signed distance (mm, good near the edge) to an ellipse."""
        dx, dy = self.x[where] - centre[0], self.y[where] - centre[1]
        if turn:
            cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
            dx, dy = cos * dx + sin * dy, cos * dy - sin * dx
        dx, dy = dx / half[0], dy / half[1]
        rho = np.sqrt(dx * dx + dy * dy)
        slope = np.sqrt((dx / half[0]) ** 2 + (dy / half[1]) ** 2)
        return np.asarray(rho * (rho - 1) / np.maximum(slope, 1e-6), np.float32)

    def ball(
        self,
        centre: tuple[float, float, float],
        half: tuple[float, float, float],
        z: float,
        hu: Any,
        uptake: float = 0.0,
        *,
        turn: float = 0.0,
    ) -> None:
        """Lay the cut at z through an ellipsoid."""
        left = 1 - ((z - centre[2]) / half[2]) ** 2
        if left > 0:
            self.ellipse(centre[:2], (half[0] * left**0.5, half[1] * left**0.5), hu, uptake, turn=turn)

    def _box(self, centre: tuple[float, float], reach: float) -> tuple[slice, slice] | None:
        column, row = (slice(*np.searchsorted(AXIS, (c - reach - REACH, c + reach + REACH))) for c in centre)
        return None if column.start >= column.stop or row.start >= row.stop else (row, column)
