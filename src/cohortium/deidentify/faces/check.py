"""Whether a face is gone: the same lines of sight before and after, and what must have stayed.

What always holds: nothing here looks at what was meant to be removed, only at pictures as they were and have become.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["SETBACK", "set_back"]

Array = np.ndarray[Any, Any]

SETBACK = 6.0  # mm that a surface must have gone back, seen along an axis


def set_back(before: Array, after: Array, known: Array, edge: float, exempt: Array | None = None) -> float:
    """The share of lines of sight, along the second axis from its start, that met `before` and show that no more.

    Such a line now ends `SETBACK` deeper, in nothing, or on what is `exempt`. Lines that enter through the end of the
    slices, where something is cut and not its surface, do not count: the voxel in front must be `known`. 1 without any.
    """
    first, then = _depth(before), _depth(after)
    in_front = np.take_along_axis(known, (first - 1).clip(0, before.shape[1] - 1)[:, None], axis=1)[:, 0]
    counted = (first < before.shape[1]) & ((first == 0) | in_front)
    gone = (then - first) * edge >= SETBACK
    if exempt is not None:
        gone |= np.take_along_axis(exempt, then.clip(0, before.shape[1] - 1)[:, None], axis=1)[:, 0]
    return float(gone[counted].mean()) if counted.any() else 1.0


def _depth(solid: Array) -> Array:
    """How far a line of sight goes, in voxels; twice the whole length where it meets nothing."""
    depth: Array = np.where(solid.any(axis=1), solid.argmax(axis=1), solid.shape[1] * 2)
    return depth
