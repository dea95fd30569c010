"""A whole series without its face: which pixels of which frame become blank, or why the series cannot be cleaned.

The volume is put together by geometry, the face found in it and removed, and the result looked at again. What always
holds: either every picture of the series lies in a volume whose face was removed and checked, or the series is held.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from pydicom import Dataset

from cohortium.deidentify.faces import check, head, shear, skin
from cohortium.deidentify.faces.slices import Slice, alike, slices, stacked
from cohortium.deidentify.faces.volume import Stack
from cohortium.deidentify.pixels import Hold
from cohortium.dicom import codecs, geometry
from cohortium.dicom.redact import Outline
from cohortium.errors import Malformed

__all__ = ["available", "deface"]

Array = np.ndarray[Any, Any]
Outlines = Mapping[int, Outline]
"""What to blank of an object, by frame."""

NEEDED = ("deepbet", "nibabel", "scipy", "torch")
FEWEST = 12  # slices in which a head can be recognised
LOWEST = 60.0  # mm that they must span
LARGEST = 1 << 30  # samples of a series
GONE = 0.99  # share of the lines of sight that must show no face any more
MIDDLE, DOWN, BEHIND = 35.0, 110.0, 25.0  # mm to both sides, below and behind the front of the brain: a face in MR
TOLERATED = 100.0  # Hounsfield units that blanks may lie above air
VIEWS: tuple[Callable[[Array], Array], ...] = (  # from the front, and from both sides
    lambda grid: grid,
    lambda grid: grid.swapaxes(1, 2),
    lambda grid: grid.swapaxes(1, 2)[:, ::-1],
)
FAINT = 0.1  # of an MR's brightest samples: darker is air


def available() -> bool:
    """Whether the extra `faces` is installed."""
    return all(importlib.util.find_spec(name) is not None for name in NEEDED)


def deface(contents: Sequence[bytes]) -> tuple[Outlines, ...] | Hold:
    """What to blank in each object of a series, which is given whole, as Part 10 files."""
    try:
        objects = [codecs.read(each) for each in contents]
        methods = {head.method(str(each.get("SOPClassUID", ""))) for each in objects}
        if methods not in ({"skin"}, {"shear"}):
            return Hold(("it may show a face, and no way is known to remove one from objects of its kind",))
        pictures = [each for source, found in enumerate(objects) for each in slices(found, source)]
        pictures.sort(key=lambda each: (_number(objects[each.source]), each.source, each.frame))
        return _outlines(objects, pictures, methods.pop())
    except Malformed as error:
        return Hold((str(error),))


def _outlines(objects: Sequence[Dataset], pictures: Sequence[Slice], method: str) -> tuple[Outlines, ...] | Hold:
    if sum(rows * columns for rows, columns in (each.shape for each in pictures)) > LARGEST:
        return Hold(("it is too large to be looked at whole",))
    outlines: list[dict[int, Outline]] = [{} for _ in objects]
    for group in alike(pictures):
        places = [[group[index] for index in place] for place in geometry.places([each.height for each in group])]
        if reason := _unfit([place[0] for place in places]):
            return Hold((reason,))
        stack = stacked([place[0] for place in places])
        values = [_values(objects, place[0]) for place in places]
        masks = (_peeled if method == "skin" else _sheared)(stack, values)
        if isinstance(masks, Hold):
            return masks
        for place, mask in zip(places, masks, strict=True):
            for each in place if mask.any() else ():
                blank = _stored(objects[each.source], each, skin.AIR if method == "skin" else 0.0)
                outlines[each.source][each.frame] = Outline(mask, blank)
    return tuple(outlines)


def _unfit(ascending: Sequence[Slice]) -> str:
    """Why slices, one to a place, make no volume in which a head can be found; empty where they do."""
    heights = [each.height for each in ascending]
    if len(ascending) < FEWEST:
        return f"fewer than {FEWEST} slices lie in one orientation (a localizer, or single sections)"
    if heights[-1] - heights[0] < LOWEST:
        return f"its slices span less than {LOWEST:.0f} mm"
    if any(each.missing for each in geometry.intervals(heights, [each.thickness for each in ascending])):
        return "slices are missing between the others"
    return ""


def _peeled(stack: Stack, values: Sequence[Array]) -> list[Array] | Hold:
    """CT: by slice, what becomes air."""
    from scipy import ndimage

    grid = stack.grid(values, skin.EDGE, skin.AIR)
    found = skin.peel(grid)
    if isinstance(found, Hold):
        return found
    near = ndimage.binary_dilation(found.bone)
    masks = [
        chosen & ~(spared & (each > skin.BONE))
        for each, chosen, spared in zip(values, stack.back(grid, found.chosen), stack.back(grid, near), strict=True)
    ]
    new = [np.where(mask, skin.AIR, each) for each, mask in zip(values, masks, strict=True)]
    if _touched(values, new, stack.back(grid, found.brain)):
        return Hold(("the brain would have been touched",))
    after = stack.grid(new, skin.EDGE, skin.AIR).values > skin.TISSUE
    levels = np.asarray(found.chosen.any(axis=(1, 2)))
    before = found.body & levels[:, None, None]
    for turned in VIEWS:
        if check.set_back(turned(before), turned(after), turned(grid.known), grid.edge, turned(near)) < GONE:
            return Hold(("its surface still shows after the skin was removed",))
    return masks


def _sheared(stack: Stack, values: Sequence[Array]) -> list[Array] | Hold:
    """MR: by slice, what is cut off."""
    grid = stack.grid(values, shear.EDGE, 0.0)
    found = shear.shear(grid)
    if isinstance(found, Hold):
        return found
    masks = list(stack.back(grid, found.chosen))
    new = [np.where(mask, 0.0, each) for each, mask in zip(values, masks, strict=True)]
    if _touched(values, new, stack.back(grid, found.brain)):
        return Hold(("the brain would have been touched",))
    faint = FAINT * float(np.percentile(grid.values[grid.known], 99))
    after = stack.grid(new, shear.EDGE, 0.0).values
    face = _face(found.brain, grid.edge)
    if check.set_back(grid.values[face] > faint, after[face] > faint, grid.known[face], grid.edge) < GONE:
        return Hold(("its surface still shows in front of the brain after the face was cut off",))
    return masks


def _face(brain: Array, edge: float) -> tuple[slice, slice, slice]:
    """Where the face is seen from the front: below the floor of the brain's front, around the middle."""
    front = int(brain.any(axis=(0, 2)).argmax())
    top = int(np.flatnonzero(brain[:, : front + round(BEHIND / edge)].any(axis=(1, 2)))[0])
    across = np.flatnonzero(brain.any(axis=(0, 1)))
    middle, half = (across[0] + across[-1]) // 2, round(MIDDLE / edge)
    depth = slice(front + round(BEHIND / edge))
    return slice(max(0, top - round(DOWN / edge)), top), depth, slice(max(0, middle - half), middle + half)


def _touched(old: Sequence[Array], new: Sequence[Array], brain: Any) -> bool:
    return any((one != other)[inside].any() for one, other, inside in zip(old, new, brain, strict=True))


def _values(objects: Sequence[Dataset], picture: Slice) -> Array:
    samples, _ = codecs.decode(objects[picture.source], picture.frame)
    if samples.shape != picture.shape:
        raise Malformed("a picture has colours, and no way is known to remove a face from it")
    return samples.astype(np.float32) * np.float32(picture.slope) + np.float32(picture.intercept)


def _stored(found: Dataset, picture: Slice, value: float) -> int:
    """The sample that means `value`, or the nearest that its bits can hold."""
    stored, signed = int(found.BitsStored), bool(found.PixelRepresentation)
    low, high = (-(1 << stored - 1), (1 << stored - 1) - 1) if signed else (0, (1 << stored) - 1)
    sample = min(high, max(low, round((value - picture.intercept) / picture.slope)))
    if sample * picture.slope + picture.intercept > value + TOLERATED:
        raise Malformed("its samples cannot hold the value of air")
    return sample


def _number(found: Dataset) -> int:
    """InstanceNumber, so that of slices in one place the same acquisition is looked at everywhere."""
    try:
        return int(found.get("InstanceNumber") or 0)
    except (TypeError, ValueError):
        return 0
