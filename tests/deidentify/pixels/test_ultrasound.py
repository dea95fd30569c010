"""Around ultrasound regions everything goes, and nothing within them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from cohortium.deidentify.pixels import ultrasound
from cohortium.dicom.redact import Rectangle

ROWS, COLUMNS = 24, 30


def dataset(*edges: tuple[int | None, int | None, int | None, int | None]) -> Dataset:
    made = Dataset()
    made.Rows, made.Columns = ROWS, COLUMNS
    made.SequenceOfUltrasoundRegions = [_region(each) for each in edges]
    return made


def _region(edges: tuple[int | None, ...]) -> Dataset:
    item = Dataset()
    for keyword, edge in zip(ultrasound.EDGES, edges, strict=True):
        if edge is not None:
            setattr(item, keyword, edge)
    return item


REGIONS = st.builds(
    lambda x, y, w, h: Rectangle(x, y, min(w, COLUMNS - x), min(h, ROWS - y)),
    st.integers(0, COLUMNS - 1),
    st.integers(0, ROWS - 1),
    st.integers(1, COLUMNS),
    st.integers(1, ROWS),
)


@given(regions=st.lists(REGIONS, max_size=5))
def test_every_pixel_is_in_a_region_or_in_one_rectangle(regions):
    inside = np.zeros((ROWS, COLUMNS), bool)
    for each in regions:
        inside[each.within(ROWS, COLUMNS)] = True
    covered = np.zeros((ROWS, COLUMNS), int)
    for each in ultrasound.around(regions, ROWS, COLUMNS):
        covered[each.within(ROWS, COLUMNS)] += 1
    assert np.array_equal(covered, (~inside).astype(int))
    assert ultrasound.uncovered(regions, ROWS, COLUMNS) == pytest.approx((~inside).mean())


def test_the_last_row_and_column_of_a_region_belong_to_it():
    assert ultrasound.declared(dataset((2, 3, 5, 9))) == (Rectangle(2, 3, 4, 7),)


@pytest.mark.parametrize(
    "edges",
    [(5, 3, 2, 9), (2, 9, 5, 3), (2, 3, COLUMNS, 9), (2, 3, 5, ROWS), (2, 3, 5, None), (None, None, None, None)],
)
def test_a_region_that_makes_no_sense_spoils_all(edges):
    assert ultrasound.declared(dataset((0, 0, 4, 4), edges)) is None


def test_none_declared():
    assert ultrasound.declared(dataset()) is None
    assert ultrasound.declared(Dataset()) is None
