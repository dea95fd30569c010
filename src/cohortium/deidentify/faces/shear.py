"""MR: a plane in front of the brain cuts off nose, eyes and mouth (Quickshear), the brain found by a network (deepbet).

The plane touches the brain's profile from below, behind its front, and is moved away by a margin (after Schimke and
Hale, Quickshear Defacing for Neuroimages, 2011). Ears and forehead stay. What always holds: no voxel of the brain is
chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from cohortium.deidentify.faces.volume import Grid
from cohortium.deidentify.pixels import Hold

__all__ = ["EDGE", "Shear", "below", "plausible", "shear"]

Array = np.ndarray[Any, Any]

EDGE = 1.0  # mm, of the grid that the network sees
MARGIN = 10.0  # mm between brain and plane, upwards
TANGENT = 10.0  # mm behind the brain's foremost point: the plane touches its profile there, or not far from there
VOLUME = (600.0, 2200.0)  # ml, of a brain with its ventricles
EXTENT = ((80.0, 190.0), (110.0, 220.0), (90.0, 190.0))  # mm: height, length, width
SYMMETRY = 0.35  # of the brain in the smaller half, left and right of its middle
CAUGHT = (AssertionError, IndexError, RuntimeError, ValueError)  # what deepbet raises where it finds no brain


@dataclass(frozen=True, slots=True)
class Shear:
    """On the grid: what is cut off, and the brain."""

    chosen: Array
    brain: Array


def shear(grid: Grid) -> Shear | Hold:
    """What to remove from an MR on a grid of `EDGE`."""
    try:
        brain = _brain(grid.values) & grid.known
    except CAUGHT:
        return Hold(("no brain was found in it",))
    if reason := plausible(brain, grid.edge):
        return Hold((reason,))
    chosen = below(brain, grid.edge)
    if chosen is None:
        return Hold(("the brain that was found in it gives no plane in front of it",))
    return Shear(chosen, brain)


def plausible(brain: Array, edge: float) -> str:
    """Why a mask is no brain; empty where it may be one."""
    volume = brain.sum() * edge**3 / 1000
    if not VOLUME[0] <= volume <= VOLUME[1]:
        return "what was found in it is not as large as a whole brain"
    spans = [np.flatnonzero(brain.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    sizes = [(span[-1] - span[0] + 1) * edge for span in spans]
    if not all(low <= size <= high for size, (low, high) in zip(sizes, EXTENT, strict=True)):
        return "what was found in it has not the shape of a whole brain"
    middle = (spans[2][0] + spans[2][-1] + 1) // 2
    half = brain[:, :, :middle].sum() / brain.sum()
    return "" if SYMMETRY <= half <= 1 - SYMMETRY else "what was found in it has no two halves"


def below(brain: Array, edge: float) -> Array | None:
    """All voxels under the plane; None where the brain's profile gives none."""
    profile: Array = np.asarray(brain.any(axis=2))  # (z, y), y from the front
    columns = np.flatnonzero(profile.any(axis=0))
    points = [(int(y), int(profile[:, y].argmax())) for y in columns]
    behind = points[0][0] + TANGENT / edge
    edges = ((one, other) for one, other in pairwise(_lower_hull(points)) if other[0] >= behind)
    (y0, z0), (y1, z1) = next(edges, (points[0], points[0]))
    if z1 >= z0:
        return None
    heights = z0 + (np.arange(brain.shape[1]) - y0) * (z1 - z0) / (y1 - y0) - MARGIN / edge
    under = np.arange(brain.shape[0])[:, None] < heights
    return np.broadcast_to(under[:, :, None], brain.shape)


def _lower_hull(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The lower half of the convex hull, front to back (Andrew's monotone chain)."""
    hull: list[tuple[int, int]] = []
    for point in points:
        while len(hull) > 1 and _turn(hull[-2], hull[-1], point) <= 0:
            hull.pop()
        hull.append(point)
    return hull


def _turn(one: tuple[int, int], two: tuple[int, int], three: tuple[int, int]) -> int:
    return (two[0] - one[0]) * (three[1] - one[1]) - (two[1] - one[1]) * (three[0] - one[0])


def _brain(values: Array) -> Array:
    """The brain, as deepbet finds it in a head whose axes point right, front and up."""
    import nibabel

    turned = values.transpose(2, 1, 0)[::-1, ::-1]
    image: Any = nibabel.Nifti1Image
    _, mask, _ = _network().run(image(np.ascontiguousarray(turned), np.eye(4)))
    found: Array = np.asarray(mask.dataobj)[::-1, ::-1].transpose(2, 1, 0) > 0
    return found


@cache
def _network() -> Any:
    """The network with the weights that lie in deepbet's wheel, on the processor: a graphics card rounds otherwise."""
    from deepbet import BrainExtraction

    return BrainExtraction(no_gpu=True)
