"""A whole series: what is blanked in which slice, and which series are held instead."""

from __future__ import annotations

import numpy as np
import pytest

import phantom_head
from cohortium.deidentify.faces import available, deface
from cohortium.deidentify.pixels import Hold
from cohortium.dicom import codecs
from cohortium.dicom.redact import redact
from factory import PET_IMAGE, joined, read
from phantom_head import AIR, BRAIN, SAGITTAL, SKIN, T1, TILTED

pytestmark = pytest.mark.skipif(not available(), reason="the extra `faces` is not installed")

NOSE, EAR, CHEEK, CEREBRUM = (0, -114, -38), (86, 12, -12), (0, -90, -62), (20, 20, 40)


def cleaned(contents: list[bytes]) -> np.ndarray:
    found = deface(contents)
    assert not isinstance(found, Hold), found
    return np.stack(
        [
            codecs.decode(read(joined(redact(content, {}, each).slices)))[0]
            for content, each in zip(contents, found, strict=True)
        ]
    )


def at(volume: np.ndarray, points: np.ndarray, place: tuple[float, float, float], radius: float = 5) -> np.ndarray:
    return volume[np.linalg.norm(points - np.array(place), axis=-1) < radius]


@pytest.mark.parametrize("axes", [phantom_head.AXIAL, SAGITTAL, TILTED], ids=["axial", "sagittal", "tilted"])
def test_the_face_is_gone_from_a_ct_however_it_was_scanned(axes):
    contents = phantom_head.series(axes=axes)
    points, _ = phantom_head.places(60, 4.0, 2.0, 128, axes)
    before = np.stack([codecs.decode(read(each))[0] for each in contents]).astype(int) - 1024
    after = cleaned(contents).astype(int) - 1024
    assert before[phantom_head.tissues(points) == SKIN].mean() > 30
    for place in (NOSE, EAR):
        assert at(before, points, place).mean() > -300
        assert at(after, points, place).max() == -1000
    assert np.array_equal(at(before, points, CEREBRUM, 30), at(after, points, CEREBRUM, 30))
    assert set(np.unique(after[before != after])) == {-1000}
    outside = (phantom_head.tissues(points) == AIR) & (np.abs(points[..., 2]) < 80)
    assert (after[outside] == -1000).mean() > 0.97  # no noise is left that would draw the outline


def test_the_order_of_files_does_not_matter():
    contents = phantom_head.series()
    backwards = cleaned(contents[::-1])[::-1]
    assert np.array_equal(cleaned(contents), backwards)


def test_two_phases_in_one_place_are_cut_alike():
    contents = phantom_head.series()
    second = phantom_head.series(AcquisitionNumber=2)
    made = cleaned(contents + second)
    assert np.array_equal(made[:60] == 24, made[60:] == 24)


def test_the_face_is_gone_from_an_mr_and_the_brain_is_not():
    contents = phantom_head.series(T1)
    points, _ = phantom_head.places(60, 4.0, 2.0, 128)
    before = np.stack([codecs.decode(read(each))[0] for each in contents])
    after = cleaned(contents)
    for place in (NOSE, CHEEK):
        assert at(before, points, place).mean() > 60
        assert not at(after, points, place).any()
    brain = phantom_head.tissues(points) == BRAIN
    cerebrum = brain & (points[..., 2] > -50)
    assert np.array_equal(before[cerebrum], after[cerebrum])
    assert set(np.unique(after[before != after])) == {0}


def test_an_mr_without_a_brain_is_held():
    noise = np.random.default_rng(3).integers(0, 500, (60, 128, 128), dtype=np.uint16)
    contents = phantom_head.series(T1)
    broken = [old[: -len(new.tobytes())] + new.tobytes() for old, new in zip(contents, noise, strict=True)]
    assert isinstance(deface(broken), Hold)


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        (lambda: phantom_head.series(keep=range(3)), "fewer than 12 slices"),
        (lambda: phantom_head.series(keep=range(13)), "span less than 60 mm"),
        (lambda: phantom_head.series(keep=[n for n in range(60) if n not in (30, 31)]), "slices are missing"),
        (lambda: phantom_head.series() + phantom_head.series(axes=SAGITTAL, keep=[30]), "fewer than 12 slices"),
        (lambda: phantom_head.series(SOPClassUID=PET_IMAGE, Modality="PT"), "no way is known"),
        (lambda: phantom_head.series() + phantom_head.series(T1), "no way is known"),
        (lambda: phantom_head.series(ImageOrientationPatient=None), "does not say where a picture lies"),
        (lambda: phantom_head.series(PixelSpacing=None), "does not say where a picture lies"),
        (lambda: phantom_head.series(RescaleIntercept=0), "still shows"),
        (lambda: phantom_head.series(RescaleIntercept=-500, RescaleSlope=1), "cannot hold the value of air"),
    ],
    ids=["localizer", "slab", "gap", "scout", "PET", "mixed", "no place", "no size", "no HU", "no air"],
)
def test_a_series_in_which_no_face_can_be_removed_is_held_and_says_why(contents, reason):
    found = deface(contents())
    assert isinstance(found, Hold)
    assert reason in str(found)


def test_what_cannot_be_read_is_held():
    contents = phantom_head.series()
    assert isinstance(deface([*contents[:-1], contents[-1][:200]]), Hold)
