"""The skin of a head in CT: nose, lips, eyelids and ears go, bone and brain stay."""

from __future__ import annotations

import numpy as np
import pytest

import phantom_head
from cohortium.deidentify.faces import skin
from cohortium.deidentify.faces.volume import Grid, Stack
from cohortium.deidentify.pixels import Hold
from phantom_head import AIR, AXIAL, BONE, BRAIN, CT, SKIN

pytest.importorskip("scipy", reason="the extra `faces` is not installed")

COUNT, STEP, EDGE, SIZE = 60, 4.0, 2.0, 128


@pytest.fixture(scope="module")
def head() -> tuple[Grid, np.ndarray]:
    points, origins = phantom_head.places(COUNT, STEP, EDGE, SIZE)
    values = np.array(CT, np.float32)[phantom_head.tissues(points)]
    row, column, _ = (np.array(each, float) for each in AXIAL)
    grid = Stack(origins, row, column, (EDGE, EDGE), (SIZE, SIZE)).grid(list(values), skin.EDGE, skin.AIR)
    z, y, x = np.indices(grid.values.shape)
    return grid, phantom_head.tissues(np.stack([x, y, z], axis=-1) * grid.edge + grid.origin)


@pytest.fixture(scope="module")
def peeled(head) -> skin.Peel:
    found = skin.peel(head[0])
    assert isinstance(found, skin.Peel)
    return found


def around(grid: Grid, centre: tuple[float, float, float], radius: float) -> np.ndarray:
    z, y, x = np.indices(grid.values.shape)
    points = np.stack([x, y, z], axis=-1) * grid.edge + grid.origin
    return np.linalg.norm(points - np.array(centre), axis=-1) < radius


@pytest.mark.parametrize(
    ("centre", "radius"),
    [((0, -112, -38), 9), ((0, -104, -75), 6), ((85, 12, -12), 8), ((-85, 12, -12), 8), ((32, -100, -22), 5)],
    ids=["nose", "lips", "left ear", "right ear", "eye"],
)
def test_what_tells_a_face_is_chosen(head, peeled, centre, radius):
    grid, tissue = head
    inside = around(grid, centre, radius) & (tissue != AIR)
    assert inside.sum() > 20
    assert peeled.chosen[inside].mean() > 0.98


def test_all_the_air_around_is_chosen_so_that_noise_does_not_draw_the_face(head, peeled):
    _, tissue = head
    assert peeled.chosen[tissue == AIR].mean() > 0.999


def test_bone_and_brain_stay(head, peeled):
    _, tissue = head
    assert not (peeled.chosen & peeled.bone).any()
    assert not (peeled.chosen & peeled.brain).any()
    vault = np.s_[60:90]  # levels through the skull, above its base
    assert not peeled.chosen[vault][tissue[vault] == BRAIN].any()
    assert peeled.brain[vault][tissue[vault] == BRAIN].mean() > 0.98
    assert (peeled.bone & (tissue == BONE)).sum() > 0.8 * (tissue == BONE).sum()


def test_the_neck_keeps_what_lies_deep(head, peeled):
    _, tissue = head
    low = np.s_[5:20]
    assert peeled.chosen[low][tissue[low] == SKIN].mean() < 0.6


def test_an_empty_volume_and_a_wide_body_without_a_skull_are_held(head):
    grid, _ = head
    empty = Grid(np.full((60, 100, 100), skin.AIR), np.ones((60, 100, 100), bool), grid.origin, 2.0)
    assert "too little" in str(skin.peel(empty))
    body = np.full((60, 190, 230), skin.AIR)
    body[:, 20:170, 20:210] = 40
    held = skin.peel(Grid(body, np.ones(body.shape, bool), grid.origin, 2.0))
    assert isinstance(held, Hold)
    assert "too wide" in str(held)
