"""Measures give back what was put into a phantom."""

import math

import numpy as np
import pytest

from cohortium.check import measures

SIDE = 256
Y, X = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
RADIUS = np.hypot(*(np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2))


def phantom(seed: int = 0, sigma: float = 10.0, size: float = 1.0) -> np.ndarray:
    """A body with lungs, a spine behind and ribs, in Hounsfield units."""
    x, y = X / size, Y / size
    values = np.where((x / 0.85) ** 2 + (y / 0.65) ** 2 < 1, 40.0, -1000.0)
    values[((abs(x) - 0.45) / 0.22) ** 2 + (y / 0.4) ** 2 < 1] = -820
    values[x**2 + (y - 0.45) ** 2 < 0.12**2] = 500
    for angle in np.linspace(0, 2 * math.pi, 14):
        values[(x - 0.75 * math.cos(angle)) ** 2 + (y - 0.55 * math.sin(angle)) ** 2 < 0.04**2] = 400
    return (values + np.random.default_rng(seed).normal(0, sigma, values.shape)).astype(np.float32)


@pytest.mark.parametrize("sigma", [2.0, 10.0, 40.0])
def test_noise_is_measured_within_a_tenth(sigma):
    assert measures.noise(phantom(sigma=sigma)) == pytest.approx(sigma, rel=0.1)


def test_signal_to_noise():
    full = phantom(sigma=13)
    assert measures.signal_to_noise(full, 13) == pytest.approx(1040 / 13, rel=0.02)
    assert math.isnan(measures.signal_to_noise(full, 0))


def test_a_ring_stands_out_and_anatomy_does_not():
    plain = [phantom(seed) for seed in range(12)]
    assert measures.rings(plain) < 6
    ring = np.where(RADIUS.astype(int) == 40, 8, 0)  # less than the noise: no eye sees it in one slice
    assert measures.rings([each + ring for each in plain]) > 15
    streak = np.where(np.abs(Y) < 0.01, 30, 0)
    assert measures.rings([each + streak for each in plain]) < 15


def test_the_rim_shows_a_body_that_does_not_fit():
    fits, wide = (measures.edge_tissue(np.stack([phantom(size=size)]))[0] for size in (1.0, 1.4))
    assert fits == 0
    assert wide > 0.4


def test_a_step_between_neighbours():
    slices = np.stack([phantom(seed) for seed in range(20)])
    assert measures.jumps(slices).max() < 1.1
    slices[12:] = np.roll(slices[12:], 12, axis=2)
    steps = measures.jumps(slices)
    assert steps.argmax() == 11
    assert steps.max() > 3


@pytest.mark.parametrize("number", range(6))
def test_too_few_slices_have_no_step(number):
    assert (measures.jumps(np.zeros((number, 8, 8))) == 1).all()


def test_the_spine_lies_behind_whichever_way_the_picture_is_turned():
    slices = np.stack([phantom()])
    assert measures.bone_behind(slices, (1, 0)) > 0.15
    assert measures.bone_behind(slices[:, ::-1], (1, 0)) < -0.15
    assert measures.bone_behind(slices.transpose(0, 2, 1), (0, 1)) > 0.15
    assert math.isnan(measures.bone_behind(np.minimum(slices, 200), (1, 0)))


def test_lung_is_surrounded_by_tissue():
    slices = np.stack([phantom()])
    expected = np.mean(((abs(X) - 0.45) / 0.22) ** 2 + (Y / 0.4) ** 2 < 1)
    assert measures.lung(slices) == pytest.approx(expected, rel=0.05)
    filled = np.where((slices < -500) & (slices > -950), 40, slices)
    filled[:, Y > 0.8] = -700  # foam of a table
    assert measures.lung(filled) < 0.005


@pytest.mark.parametrize("value", [0.0, -1000.0, 1e9, math.nan, math.inf])
@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (40, 40)])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_nothing_raises_where_there_is_nothing_to_measure(value, shape):
    full = np.full(shape, value, np.float32)
    coarse = np.stack([full] * 7)
    for number in (measures.noise(full), measures.rings([full]), measures.lung(coarse)):
        assert number == 0 or math.isnan(number)
    assert math.isnan(measures.signal_to_noise(full, math.nan))
    assert math.isnan(measures.bone_behind(coarse, (1, 0))) or abs(measures.bone_behind(coarse, (1, 0))) < 1e-6
    body = np.full(7, measures.body_of(coarse))
    assert len(measures.square_edge(coarse, body)) == 7
    for found in (measures.edge_tissue(coarse), measures.spread(coarse), measures.tissue(coarse, body)):
        assert len(found) == 7
    assert len(measures.jumps(coarse)) == 6
