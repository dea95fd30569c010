"""CT: the skin of the head is peeled off, nose, eyelids, lips and ears with it, and all around the head becomes air.

Depth is counted from the outer air inwards, around bone and never through it, whichever way the head lies: an
orientation that the header has wrong does no harm. What always holds: no bone of the skull and nothing inside it is
chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cohortium.deidentify.faces.volume import Grid
from cohortium.deidentify.pixels import Hold

__all__ = ["AIR", "BONE", "DEPTH", "EDGE", "TISSUE", "Peel", "peel"]

Array = np.ndarray[Any, Any]

EDGE = 2.0  # mm, of the grid on which all of this is done
AIR, TISSUE, BONE = -1000.0, -300.0, 250.0  # Hounsfield units
DEPTH = 14.0  # mm of soft tissue that go
BRIDGE = 8.0  # mm; openings narrower than twice this (nostrils, lips, ears) belong to the head
SMALLEST_HEAD = 300.0  # ml
WIDEST_HEAD = 300.0  # mm, where no skull tells what is a head
BRAIN_SECTION = 40.0  # cm2, of what bone encloses in a level through the skull
BRAIN = (-50.0, 150.0)  # Hounsfield units, on average
REACH = 140.0  # mm from the skull's hollow, upwards and downwards, in which a face may be
BARRIER = 3  # voxels that thin bone is closed over


@dataclass(frozen=True, slots=True)
class Peel:
    """On the grid: the body, what is to become air, the skull's bone, which stays, and the brain."""

    body: Array
    chosen: Array
    bone: Array
    brain: Array


def peel(grid: Grid) -> Peel | Hold:
    """What to remove from a CT, in Hounsfield units on a grid of `EDGE`."""
    from scipy import ndimage

    body = _largest(ndimage.binary_opening(grid.known & (grid.values > TISSUE)))
    if body.sum() * grid.edge**3 / 1000 < SMALLEST_HEAD:
        return Hold(("too little of a body is in it",))
    bone = _largest(grid.known & (grid.values > BONE) & ndimage.binary_dilation(body, iterations=2))
    outside = _outside(grid, body)
    brain = _largest(_enclosed(grid, bone) & ~outside)
    levels = np.flatnonzero(brain.any(axis=(1, 2)))
    if not levels.size and _widest(body) * grid.edge > WIDEST_HEAD:
        return Hold(("there is no skull in it, and it is too wide for a head alone",))
    allowed = grid.known & ~bone & ~brain
    step = ndimage.generate_binary_structure(3, 2)  # over faces and edges: never less than DEPTH, at most 1.4 times it
    chosen = ndimage.binary_dilation(outside, step, round(DEPTH / grid.edge), mask=allowed | outside)
    if levels.size:
        reach = round(REACH / grid.edge)
        chosen[: max(0, levels[0] - reach)] = False
        chosen[levels[-1] + reach + 1 :] = False
    return Peel(body, chosen, bone, brain)


def _outside(grid: Grid, body: Array) -> Array:
    """The air around the body, without what only a narrow opening joins to it; never beyond the slices."""
    from scipy import ndimage

    wide = round(BRIDGE / grid.edge) + 2
    sides = ((0, 0), (wide, wide), (wide, wide))
    air = np.pad(~body, ((wide, wide), (0, 0), (0, 0)), mode="edge")
    core = ndimage.distance_transform_edt(np.pad(air, sides, constant_values=True), grid.edge) > BRIDGE
    labels, _ = ndimage.label(core)
    rim = np.unique(np.concatenate([labels[:, [0, -1]].ravel(), labels[:, :, [0, -1]].ravel()]))
    far = ndimage.distance_transform_edt(~np.isin(labels, rim[rim > 0]), grid.edge)
    found: Array = (far <= BRIDGE)[wide:-wide, wide:-wide, wide:-wide] & grid.known
    return found


def _enclosed(grid: Grid, bone: Array) -> Array:
    """What bone encloses in a level: the brain, in all levels where the section is large enough and soft."""
    from scipy import ndimage

    brain = np.zeros(bone.shape, bool)
    cross = ndimage.generate_binary_structure(2, 1)
    for level in range(len(bone)):
        ring = ndimage.binary_closing(np.pad(bone[level], BARRIER), cross, BARRIER)[BARRIER:-BARRIER, BARRIER:-BARRIER]
        hollow = ndimage.binary_fill_holes(ring) & ~bone[level]
        soft = hollow & (grid.values[level] > TISSUE)
        area = hollow.sum() * grid.edge**2 / 100
        if area >= BRAIN_SECTION and soft.sum() > hollow.sum() / 2:
            mean = grid.values[level][soft].mean()
            if BRAIN[0] <= mean <= BRAIN[1]:
                brain[level] = soft
    return brain


def _largest(mask: Array) -> Array:
    from scipy import ndimage

    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    largest: Array = labels == sizes.argmax()
    return largest


def _widest(body: Array) -> int:
    """The widest level, in voxels, from left to right or from front to back."""
    return max(int(body.any(axis=axis).sum(axis=1).max()) for axis in (1, 2))
