"""A made-up head of known anatomy, in slices of any orientation: skin with a nose, lips, ears, eyes, a skull, a brain.

Coordinates are the patient's (left, back, up), in mm from the middle of the head.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from factory import MR_IMAGE, ct

Array = np.ndarray[Any, Any]

AIR, SKIN, FAT, BONE, BRAIN, FLUID = range(6)
MIDDLE = (0.0, -10.0, -10.0)
CT = (-1000, 40, -90, 900, 35, 10)  # Hounsfield units by tissue
T1 = (4, 260, 520, 40, 420, 120)  # arbitrary units by tissue, as T1-weighted MR shows them


def _ball(points: Array, centre: tuple[float, float, float], radii: tuple[float, float, float]) -> Array:
    return np.asarray((((points - np.array(centre)) / np.array(radii)) ** 2).sum(axis=-1) <= 1)


def tissues(points: Array) -> Array:
    """What stands at each point (..., 3): one of the tissues above."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    found = np.full(points.shape[:-1], AIR, np.int8)
    neck = (((x / 55) ** 2 + ((y - 20) / 60) ** 2) <= 1) & (z < -40)
    found[_ball(points, (0, 0, 10), (78, 98, 100)) | neck] = SKIN
    found[_ball(points, (0, -55, -50), (52, 45, 60))] = SKIN  # the face and the jaw
    found[_ball(points, (0, -100, -38), (14, 22, 26))] = SKIN  # the nose
    found[_ball(points, (0, -97, -75), (22, 10, 6))] = SKIN  # the lips
    for side in (-1, 1):
        found[_ball(points, (side * 80, 12, -12), (12, 16, 30))] = SKIN  # an ear
    found[_ball(points, (0, 2, 12), (72, 91, 93))] = FAT
    found[_ball(points, (0, 2, 12), (70, 89, 91))] = BONE
    found[_ball(points, (0, -52, -52), (40, 34, 46))] = BONE  # the bones of the face
    found[_ball(points, (0, -52, -52), (34, 26, 40))] = SKIN
    for side in (-1, 1):
        found[_ball(points, (side * 32, -82, -22), (14, 20, 13))] = FLUID  # an eye
    base = (y < -12) & (z < -22)  # the floor on which the front of the brain lies, above the eyes
    found[_ball(points, (0, 3, 14), (63, 82, 82)) & ~base] = FLUID
    found[_ball(points, (0, 3, 15), (61, 80, 79)) & ~base & (np.abs(x) > 0.8)] = BRAIN
    found[_ball(points, (0, 10, 20), (12, 28, 12))] = FLUID  # the ventricles
    stem = ((x / 12) ** 2 + ((y - 22) / 12) ** 2 <= 1) & (z < -50)
    found[stem] = BRAIN
    return found


AXIAL = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
SAGITTAL = ((0, 1, 0), (0, 0, -1), (-1, 0, 0))
TILTED = ((1, 0, 0), (0, 0.948324, -0.317305), (0, 0, 1))
"""Unit vectors along a row, down a column, and from slice to slice: not the normal where the gantry is tilted."""


def places(count: int, step: float, edge: float, size: int, axes: Any = AXIAL) -> tuple[Array, Array]:
    """Points of all pixels (count, size, size, 3) of a cube of slices around the head, and of each slice's first."""
    row, column, way = (np.array(each, float) for each in axes)
    first = np.array(MIDDLE) - (row + column) * size * edge / 2 - way * count * step / 2
    origins = first + way * step * np.arange(count)[:, None]
    across, down = row * edge * np.arange(size)[:, None], column * edge * np.arange(size)[:, None, None]
    return origins[:, None, None] + down + across, origins


def series(
    values: tuple[int, ...] = CT,
    *,
    count: int = 60,
    step: float = 4.0,
    edge: float = 2.0,
    size: int = 128,
    axes: Any = AXIAL,
    keep: Any = None,
    **changes: Any,
) -> list[bytes]:
    """The head as single slices of a CT, or of an MR where `values` are T1; `keep` chooses slices by number."""
    points, origins = places(count, step, edge, size, axes)
    pixels = np.array(values, np.int16)[tissues(points)]
    pixels += np.random.default_rng(1).integers(-3, 4, pixels.shape, np.int16)
    mr = values is T1
    header = {
        "SOPClassUID": MR_IMAGE if mr else "1.2.840.10008.5.1.4.1.1.2",
        "Modality": "MR" if mr else "CT",
        "StudyDescription": "HEAD",
        "SeriesDescription": "",
        "SliceThickness": step,
        "ImageOrientationPatient": [f"{each:.6f}" for axis in axes[:2] for each in axis],
        "PixelSpacing": [edge, edge],
        "Rows": size,
        "Columns": size,
        "RescaleIntercept": None if mr else -1024,
        "RescaleSlope": None if mr else 1,
        "KVP": None if mr else "120",
    } | changes
    stored = (np.maximum(pixels, 0) if mr else pixels + 1024).astype("<u2")
    return [
        ct(
            **header
            | {
                "SOPInstanceUID": f"1.2.276.0.4711.3.{number + 1}",
                "InstanceNumber": number + 1,
                "ImagePositionPatient": [f"{each:.4f}" for each in origins[number]],
                "PixelData": stored[number].tobytes(),
            }
        )
        for number in (range(count) if keep is None else keep)
    ]
