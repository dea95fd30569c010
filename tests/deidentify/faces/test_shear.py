"""The plane in front of the brain, and what is no brain."""

from __future__ import annotations

import numpy as np
import pytest

from cohortium.deidentify.faces.shear import below, plausible

EDGE = 2.0


def ball(*radii: float, shape: tuple[int, ...] = (120, 130, 110)) -> np.ndarray:
    """An ellipsoid in the middle; its radii (z, y, x) in mm."""
    points = (np.moveaxis(np.indices(shape), 0, -1) - np.array(shape) / 2) * EDGE
    return ((points / radii) ** 2).sum(axis=-1) <= 1


@pytest.fixture
def brain() -> np.ndarray:
    """As large as one, with a floor at its front."""
    found = ball(65, 85, 68)
    found[:50, :65] = False
    return found


def test_the_plane_leaves_the_brain_and_takes_what_lies_in_front_of_and_below_it(brain):
    chosen = below(brain, EDGE)
    assert chosen is not None
    assert not (chosen & brain).any()
    middle = chosen[:, :, 55]
    front = int(brain.any(axis=(0, 2)).argmax())
    floor = int(np.flatnonzero(brain[:, front + 12, 55])[0])
    assert middle[floor - 15, front]  # an eye
    assert middle[floor - 25, front - 8]  # the nose
    assert not middle[floor + 40, front - 4]  # the forehead
    assert not middle[30, 90]  # the neck
    assert (chosen == chosen[:, :, :1]).all()  # a plane from left to right


def test_the_plane_keeps_its_distance(brain):
    chosen = below(brain, EDGE)
    higher = np.zeros_like(brain)
    higher[4:] = chosen[:-4]  # 8 mm upwards
    assert not (higher & brain).any()


def test_a_profile_without_an_underside_gives_no_plane():
    slab = np.zeros((40, 60, 40), bool)
    slab[0:30, 10:50, 5:35] = True
    assert below(slab, EDGE) is None


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (ball(65, 85, 68), ""),
        (ball(25, 30, 28), "not as large"),
        (ball(100, 110, 100), "not as large"),
        (ball(118, 55, 54), "not the shape"),
        (np.concatenate([ball(65, 85, 68)[:, :, :55], np.zeros((120, 130, 40), bool)], axis=2), "not the shape"),
    ],
    ids=["brain", "small", "large", "long", "half"],
)
def test_what_is_no_brain_is_told(mask, reason):
    assert reason in plausible(mask, EDGE)
    assert bool(reason) == bool(plausible(mask, EDGE))
