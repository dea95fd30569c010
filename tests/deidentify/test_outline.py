"""What is told of an object that was set aside: its kind of series, and nobody."""

from __future__ import annotations

import pytest
from pydicom import Dataset

from cohortium.deidentify.outline import outline
from hospital import PLANTED, slice_of


def test_the_series_is_told_in_words_that_everybody_uses() -> None:
    def named(dataset: Dataset) -> None:
        dataset.SeriesDescription = "Thorax Grünwald HOSP-778899 axial"

    assert outline(slice_of(1, named, series=3)) == "CT 3 Thorax axial"


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("Modality", "OTTILIE"), ("SeriesNumber", "778899"), ("SeriesDescription", " ".join(PLANTED[:3]))],
)
def test_what_may_be_anything_is_not_told(keyword: str, value: str) -> None:
    told = outline(slice_of(1, lambda dataset: setattr(dataset, keyword, value), series=3))
    assert not [word for word in ("OTTILIE", "778899", "Grünwald", "Zwiebelkopf") if word in told]


@pytest.mark.parametrize("content", [b"", b"no DICOM at all", slice_of(1)[:200]])
def test_of_what_cannot_be_read_nothing_is_told(content: bytes) -> None:
    assert outline(content) == ""
