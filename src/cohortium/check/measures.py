"""What can be measured in slices, each as one number: of computed tomography in Hounsfield units, of others in theirs.

Pure functions of arrays: `coarse` is (slices, rows, columns), `full` one slice. What counts as body, and as soft tissue
in it, are limits that have those of computed tomography where nothing else is said; `body_of` finds them for other
modalities. Where there is too little to measure the answer is NaN, never an exception.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np

__all__ = [
    "body_of",
    "bone_behind",
    "edge_tissue",
    "jumps",
    "lung",
    "noise",
    "rings",
    "signal_to_noise",
    "spread",
    "square_edge",
    "tissue",
]

Array = np.ndarray[Any, Any]
Span = tuple[float, float]

AIR = -1000.0
BODY = -300.0  # from here on it is body (or table), below it air and lung
SOFT = (-150.0, 250.0)  # fat to enhanced blood
BONE = 250.0
LUNG = (-950.0, -500.0)
WIDE = 0.1  # of a row: there is soft tissue enough for a body
FEWEST = 50  # samples for a statement
NORMAL = 0.6745  # the median of the absolute value of a standard normal variable
RIM = (0.94, 0.99)  # of the radius of the field of view
WINDOW = (-1000.0, 500.0)  # of differences between neighbours
DARK, BRIGHT = 1.0, 99.5  # per cent of the samples
FAINT = 0.1


def spread(coarse: Array) -> Array:
    """Of each slice the difference between its largest and smallest value."""
    found: Array = coarse.max((1, 2)) - coarse.min((1, 2))
    return found


def body_of(coarse: Array) -> float:
    """From which value on a sample is body, where the unit has no fixed values: a share of the bright ones.

    A tenth of what one sample in two hundred exceeds, over the darkest: the background of MR has less noise than that.
    """
    dark, bright = np.percentile(coarse, (DARK, BRIGHT)) if coarse.size else (math.nan, math.nan)
    return float(dark + FAINT * (bright - dark))


def tissue(coarse: Array, body: Array) -> Array:
    """Of each slice the share that is body, from this value of its own on."""
    found: Array = np.mean(coarse > body[:, None, None], axis=(1, 2))
    return found


def lung(coarse: Array) -> float:
    """The largest share of a slice that is as dense as lung and surrounded by soft tissue.

    Only rows in which there is a body count: a table has foam of that density between thin walls.
    """
    soft = (coarse > SOFT[0]) & (coarse < SOFT[1])
    wide = soft.mean(2, keepdims=True) >= WIDE
    inside = wide
    for axis in (1, 2):
        inside = inside & _between(soft & wide, axis)
    filled = np.mean(inside & (coarse > LUNG[0]) & (coarse < LUNG[1]), axis=(1, 2))[wide.any((1, 2))]
    return float(filled.max()) if filled.size else math.nan


def noise(full: Array, soft: Span = SOFT) -> float:
    """The standard deviation of white noise in soft tissue.

    The response of Immerkaer's operator (Fast noise variance estimation, CVIU 64, 1996), which straight edges do not
    excite, by its median absolute value (Donoho and Johnstone 1994) within soft tissue, a sample away from anything
    else. Noise that a smooth kernel correlated shows less than it is.
    """
    if min(full.shape) < 3:
        return math.nan
    across = _second(full)
    response = np.abs(_second(across.T).T)[_inside(full, soft)]
    return float(np.median(response)) / (6 * NORMAL) if response.size >= FEWEST else math.nan


def signal_to_noise(full: Array, sigma: float, soft: Span = SOFT, air: float = AIR) -> float:
    """How far soft tissue is from air, in standard deviations of the noise."""
    found = full[(full > soft[0]) & (full < soft[1])]
    return (float(np.median(found)) - air) / sigma if found.size >= FEWEST and sigma > 0 else math.nan


def rings(slices: Iterable[Array]) -> float:
    """How much one circle about the middle of the picture stands out, over all slices, in standard errors.

    A detector element that answers falsely draws a circle about the scanner's axis (Barrett and Keat 2004), in the same
    place in every slice. The mean of the Laplacian in soft tissue on circles of one sample's width, against its own
    standard error and against the scatter of other circles, since anatomy is not made of circles. A field of view
    that was moved off the axis hides them.
    """
    total, count, squares = np.zeros(1), np.zeros(1), 0.0
    for full in slices:
        if min(full.shape) < 3:
            continue
        inside = _inside(full, SOFT)
        response = (4 * full[1:-1, 1:-1] - full[:-2, 1:-1] - full[2:, 1:-1] - full[1:-1, :-2] - full[1:-1, 2:])[inside]
        if response.size < FEWEST:
            continue
        limit = 4 * float(np.median(np.abs(response))) / NORMAL
        response = np.clip(response, -limit, limit)
        radius = _radius(full.shape)[1:-1, 1:-1][inside].astype(np.intp)
        bins = int(max(full.shape))
        total = _sum(total, np.bincount(radius, response, bins))
        count = _sum(count, np.bincount(radius, minlength=bins))
        squares += float(np.square(response).sum())
    used = count >= FEWEST
    if np.count_nonzero(used) < 5 or squares == 0:
        return math.nan
    errors = total[used] / count[used] / np.sqrt(squares / count.sum() / count[used])
    scatter = float(np.median(np.abs(errors - np.median(errors)))) / NORMAL
    return float(np.max(np.abs(errors))) / max(1.0, scatter)


def edge_tissue(coarse: Array) -> Array:
    """Of each slice the share of the rim of the round field of view in which there is body."""
    half = min(coarse.shape[1:]) / 2
    radius = _radius(coarse.shape[1:])
    rim = (radius >= RIM[0] * half) & (radius <= RIM[1] * half)
    found: Array = np.mean(coarse[:, rim] > BODY, axis=1) if rim.any() else np.full(len(coarse), math.nan)
    return found


def square_edge(coarse: Array, body: Array) -> Array:
    """Of each slice the share of the outermost rows and columns in which there is body: not all fields are round."""
    rim = np.ones(coarse.shape[1:], bool)
    rim[1:-1, 1:-1] = False
    found: Array = np.mean(coarse[:, rim] > body[:, None], axis=1)
    return found


def jumps(coarse: Array, window: Span = WINDOW) -> Array:
    """How much more each slice differs from the one before than neighbouring pairs do (1: as much).

    A patient who moved or breathed between two rotations leaves a step there. The mean absolute difference, over the
    median of the four pairs around.
    """
    if len(coarse) < 6:
        return np.ones(max(len(coarse) - 1, 0))
    shown = np.clip(coarse, *window)
    differences = np.array([np.mean(np.abs(b - a)) for a, b in pairwise(shown)])
    padded = np.pad(differences, 2, mode="reflect")
    around = np.median([padded[at : at + len(differences)] for at in (0, 1, 3, 4)], axis=0)
    found: Array = differences / np.maximum(around, 1e-6)
    return found


def bone_behind(coarse: Array, posterior: tuple[float, float]) -> float:
    """How far bone lies behind the middle of the body, as a share of the body's extent; in front, if negative.

    `posterior`: how much a step down the rows, and one along the columns, leads to the patient's back. The spine is
    the heaviest bone of the trunk.
    """
    body, bone = coarse > BODY, coarse > BONE
    if np.count_nonzero(bone) < max(FEWEST, 0.002 * np.count_nonzero(body)):
        return math.nan
    rows, columns = np.mgrid[: coarse.shape[1], : coarse.shape[2]]
    depth = posterior[0] * rows + posterior[1] * columns
    weights = body.sum(0)
    middle = float((depth * weights).sum() / weights.sum())
    extent = float(np.sqrt((np.square(depth - middle) * weights).sum() / weights.sum()))
    return (float((depth * bone.sum(0)).sum() / bone.sum()) - middle) / extent if extent > 0 else math.nan


def _between(there: Array, axis: int) -> Array:
    """What lies between two along an axis."""
    before = np.logical_or.accumulate(there, axis)
    behind = np.flip(np.logical_or.accumulate(np.flip(there, axis), axis), axis)
    found: Array = before & behind
    return found


def _second(values: Array) -> Array:
    found: Array = values[:-2] - 2 * values[1:-1] + values[2:]
    return found


def _inside(full: Array, span: Span) -> Array:
    """Where a sample and its eight neighbours are soft tissue (without the outermost rows and columns)."""
    soft = (full > span[0]) & (full < span[1])
    rows = soft[:-2] & soft[1:-1] & soft[2:]
    return rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]


def _radius(shape: tuple[int, ...]) -> Array:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    found: Array = np.hypot(rows - (shape[0] - 1) / 2, columns - (shape[1] - 1) / 2)
    return found


def _sum(first: Array, second: Array) -> Array:
    size = max(len(first), len(second))
    found: Array = np.pad(first, (0, size - len(first))) + np.pad(second, (0, size - len(second)))
    return found
