"""The phantom: tissues have the Hounsfield units of tissues, contrast goes where blood goes, the nodule grows."""

from __future__ import annotations

import numpy as np
import pytest

from cohortium.demo.canvas import SIZE, Plane
from cohortium.demo.people import patients
from cohortium.demo.phantom import Build, Exposure, Nodule, Thorax


@pytest.fixture(scope="module")
def thorax() -> Thorax:
    return Thorax(Build(**patients()[0].scan["build"]))


def at(plane: Plane, x: float, y: float, reach: int = 3) -> float:
    """Median around a point, in mm from the centre."""
    column, row = (round(c / 0.7 + (SIZE - 1) / 2) for c in (x, y))
    return float(np.median(plane[row - reach : row + reach + 1, column - reach : column + reach + 1]))


@pytest.mark.parametrize(
    ("tissue", "z", "x", "y", "low", "high"),
    [
        ("air in front", 20, 0, -170, -1010, -990),
        ("right lung", 20, -80, -30, -900, -780),
        ("left lung", 20, 85, 0, -900, -780),
        ("trachea", 2, 2, 13, -1000, -950),
        ("descending aorta", 20, 24, 38, 30, 55),
        ("spinal cord", 20, 0, 72, 5, 50),
        ("liver dome", 74, -66, -4, 40, 75),
        ("subcutaneous fat", 20, 0, -111, -130, -60),
    ],
)
def test_tissues(thorax: Thorax, tissue: str, z: float, x: float, y: float, low: float, high: float) -> None:
    assert low <= at(thorax.slice(z)[0], x, y) <= high, tissue


def test_there_is_bone(thorax: Thorax) -> None:
    assert (thorax.slice(20)[0] > 400).mean() > 0.005


def test_contrast_is_in_vessels_and_nowhere_in_air(thorax: Thorax) -> None:
    tissue, uptake = thorax.slice(20)
    assert at(uptake, 24, 38) > 150
    assert uptake[tissue < -950].max() < 20


def test_the_nodule_grows(thorax: Thorax) -> None:
    x, y, z = patients()[0].scan["nodule"]
    tissue, _ = thorax.slice(z)
    solid = [
        int((thorax.with_nodule(tissue, z, Nodule((x, y, z), study.radius), study.contrast) > -200).sum())
        for study in patients()[0].studies
    ]
    assert solid[1] > solid[0] + 100 > int((tissue > -200).sum()) + 100


def test_noise_is_correlated_and_stronger_in_the_middle() -> None:
    noise = Exposure(1, 20, 0.3).expose(np.zeros((SIZE, SIZE), np.float32))
    middle, edge = noise[200:312, 200:312], noise[:40, 200:312]
    assert middle.std() > 1.3 * edge.std()
    along = np.corrcoef(middle[:, :-1].ravel(), middle[:, 1:].ravel())[0, 1]
    assert along > 0.2
