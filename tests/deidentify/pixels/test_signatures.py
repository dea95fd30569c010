"""Devices known by their headers."""

from __future__ import annotations

import pytest
from pydicom import Dataset

from cohortium.deidentify.pixels.signatures import TESTS, Condition, Signature, placed
from cohortium.dicom.redact import Rectangle


@pytest.fixture
def dataset() -> Dataset:
    made = Dataset()
    made.Modality = "US"
    made.Manufacturer = "Acme Medical "
    made.ImageType = ["ORIGINAL", "PRIMARY"]
    made.Rows = 480
    return made


@pytest.mark.parametrize(
    ("keyword", "test", "value", "holds"),
    [
        ("Modality", "equals", "us", True),
        ("Modality", "equals", "U", False),
        ("Manufacturer", "equals", "acme medical", True),
        ("Manufacturer", "contains", "MEDIC", True),
        ("Manufacturer", "contains", "Medix", False),
        ("Manufacturer", "starts", "acme", True),
        ("Manufacturer", "starts", "medical", False),
        ("Manufacturer", "ends", "Medical", True),
        ("Manufacturer", "ends", "Acme", False),
        ("Manufacturer", "matches", r"acme \w+", True),
        ("Manufacturer", "matches", r"acme", False),
        ("ImageType", "equals", r"ORIGINAL\PRIMARY", True),
        ("Rows", "equals", "480", True),
        ("Rows", "equals", "48", False),
        ("StationName", "absent", "", True),
        ("StationName", "equals", "", True),
        ("Modality", "absent", "", False),
    ],
)
def test_conditions(dataset, keyword, test, value, holds):
    assert Condition(keyword, test, value).holds(dataset) is holds


def test_every_test_is_tested():
    assert {"equals", "contains", "starts", "ends", "matches", "absent"} == set(TESTS)


def test_all_conditions_must_hold(dataset):
    modality, maker = Condition("Modality", "equals", "US"), Condition("Manufacturer", "contains", "acme")
    other = Condition("Rows", "equals", "481")
    assert Signature("a", (modality, maker), ()).matches(dataset)
    assert not Signature("b", (modality, maker, other), ()).matches(dataset)
    assert not Signature("c", (), ()).matches(dataset)


def test_negative_places_count_from_the_far_edge():
    found = placed([Rectangle(-10, 5, 10, 2), Rectangle(3, -20, 4, 20), Rectangle(0, 0, 1, 1)], rows=100, columns=200)
    assert found == (Rectangle(190, 5, 10, 2), Rectangle(3, 80, 4, 20), Rectangle(0, 0, 1, 1))
