"""Slices to a grid in the patient's axes and back, whatever their orientation, tilt and spacing."""

from __future__ import annotations

import numpy as np
import pytest

import phantom_head
from cohortium.deidentify.faces.volume import Stack
from phantom_head import AXIAL, SAGITTAL, TILTED

pytest.importorskip("scipy", reason="the extra `faces` is not installed")

COUNT, STEP, EDGE, SIZE = 20, 5.0, 2.0, 40


def stack(axes, origins) -> Stack:
    row, column, _ = (np.array(each, float) for each in axes)
    return Stack(origins, row, column, (EDGE, EDGE), (SIZE, SIZE))


@pytest.mark.parametrize("axes", [AXIAL, SAGITTAL, TILTED])
@pytest.mark.parametrize("even", [True, False])
def test_a_sample_is_found_where_it_lies_in_the_patient(axes, even):
    points, origins = phantom_head.places(COUNT, STEP, EDGE, SIZE, axes)
    if not even:  # the upper half lies twice as far apart
        extra = np.maximum(np.arange(COUNT) - COUNT // 2, 0)[:, None] * STEP * np.array(axes[2], float)
        origins, points = origins + extra, points + extra[:, None, None]
    field = points @ (1.0, 10.0, 100.0)  # another value at every point, and linear in between
    made = stack(axes, origins)
    grid = made.grid(list(field), EDGE, -1e9)
    index = np.argwhere(grid.known & (np.abs(grid.values) < 1e8))
    where = index[:, ::-1] * grid.edge + grid.origin
    inner = np.abs(grid.values[tuple(index.T)] - where @ (1.0, 10.0, 100.0))
    assert len(index) > 1000
    assert np.percentile(inner, 90) < 101 * EDGE  # edges are averaged with nothing; the inside is exact to a voxel


@pytest.mark.parametrize("axes", [AXIAL, SAGITTAL, TILTED])
def test_what_is_chosen_on_the_grid_comes_back_to_the_same_place(axes):
    points, origins = phantom_head.places(COUNT, STEP, EDGE, SIZE, axes)
    made = stack(axes, origins)
    grid = made.grid([np.zeros((SIZE, SIZE))] * COUNT, 1.0, 0.0)
    z, y, x = np.indices(grid.values.shape)
    centres = np.stack([x, y, z], axis=-1) * grid.edge + grid.origin
    chosen = np.linalg.norm(centres - phantom_head.MIDDLE, axis=-1) < 25
    back = np.stack(list(made.back(grid, chosen)))
    expected = np.linalg.norm(points - phantom_head.MIDDLE, axis=-1)
    assert back[expected < 24].all()
    assert not back[expected > 26].any()


def test_beyond_the_slices_nothing_is_known():
    _, origins = phantom_head.places(COUNT, STEP, EDGE, SIZE, TILTED)
    grid = stack(TILTED, origins).grid([np.ones((SIZE, SIZE))] * COUNT, EDGE, -7.0)
    assert 0.3 < grid.known.mean() < 0.95
    assert (grid.values[~grid.known] == -7).all()
