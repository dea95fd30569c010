"""Slices become a volume in the patient's own axes, and what is decided there goes back to every slice.

A grid is an array (z, y, x) whose axes point to the head, the back and the left (PS3.3 C.7.6.2.1.1), with one edge
length in mm, so that nobody who looks for a face has to think of orientation, tilt, gaps between slices or pixel size.
What always holds: a point goes to the grid and back by the same geometry.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Grid", "Stack"]

Array = np.ndarray[Any, Any]
AXES = (2, 1, 0)  # of a grid, for x, y and z


@dataclass(frozen=True, slots=True)
class Grid:
    """`values` on the grid; `known`: where the slices reach; `origin`: the first voxel's centre (x, y, z, mm)."""

    values: Array
    known: Array
    origin: Array
    edge: float


@dataclass(frozen=True, slots=True)
class Stack:
    """Parallel slices of one size, ascending along their normal.

    `origins` (n, 3): centres of the first pixels, mm; `row` and `column`: unit vectors along a row and down a column;
    `spacing`: mm between rows and between columns; `shape`: rows and columns.
    """

    origins: Array
    row: Array
    column: Array
    spacing: tuple[float, float]
    shape: tuple[int, int]

    @property
    def normal(self) -> Array:
        return np.cross(self.row, self.column)

    def grid(self, slices: Sequence[Array], edge: float, outside: float) -> Grid:
        """The slices' samples in cubes of `edge` mm, linearly between samples; `outside` beyond a slice's edges."""
        from scipy import ndimage

        size = [max(1, round(edge / step)) for step in self.spacing]
        volume = np.stack([ndimage.uniform_filter(each.astype(np.float32), size) for each in slices])
        low, high = self._corners()
        counts = np.ceil((high - low) / edge).astype(int) + 1
        values = np.full(counts[::-1], outside, np.float32)
        known = np.zeros(values.shape, bool)
        x, y, z = (low[axis] + edge * np.arange(counts[axis]) for axis in range(3))
        for level, height in enumerate(z):
            points = np.stack(np.broadcast_arrays(x[None, :], y[:, None], height), axis=-1)
            where, within = self._indices(points)
            known[level] = within
            values[level] = np.where(within, ndimage.map_coordinates(volume, where, order=1, cval=outside), outside)
        return Grid(values, known, low, edge)

    def back(self, grid: Grid, chosen: Array) -> Iterator[Array]:
        """For each slice, (rows, columns): the value of `chosen`, an array on the grid, at every pixel."""
        rows, columns = (np.arange(count) * step for count, step in zip(self.shape, self.spacing, strict=True))
        last = np.array(chosen.shape) - 1
        for origin in self.origins:
            axes = [
                np.rint(
                    (origin[a] - grid.origin[a] + columns[None] * self.row[a] + rows[:, None] * self.column[a])
                    / grid.edge
                ).astype(np.int32)
                for a in AXES
            ]
            yield chosen[tuple(index.clip(0, end) for index, end in zip(axes, last, strict=True))]

    def _corners(self) -> tuple[Array, Array]:
        rows, columns = ((count - 1) * step for count, step in zip(self.shape, self.spacing, strict=True))
        away = [down * self.column + across * self.row for down in (0, rows) for across in (0, columns)]
        corners = np.concatenate([self.origins + each for each in away])
        return corners.min(axis=0), corners.max(axis=0)

    def _indices(self, points: Array) -> tuple[list[Array], Array]:
        """(slice, row, column) of points, and whether they lie between the slices, half a step beyond included."""
        heights = self.origins @ self.normal
        step = np.diff(heights).mean() / 2
        height = points @ self.normal
        within = (height >= heights[0] - step) & (height <= heights[-1] + step)
        first = np.stack([np.interp(height, heights, self.origins[:, axis]) for axis in range(3)], axis=-1)
        offset = points - first
        where = np.interp(height, heights, np.arange(len(heights)))
        return [where, offset @ self.column / self.spacing[0], offset @ self.row / self.spacing[1]], within
