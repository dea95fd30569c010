"""The header's own values are known again, whatever the reader confused."""

from __future__ import annotations

import pytest
from pydicom import Dataset

from cohortium.deidentify.pixels.words import folded, names_somebody, words


@pytest.fixture
def own() -> frozenset[str]:
    dataset = Dataset()
    dataset.PatientName = "MÜLLER^Jörg"
    dataset.PatientID = "PAT-4711"
    dataset.PatientBirthDate = "19610203"
    dataset.StudyDescription = "Thorax"
    item = Dataset()
    item.ScheduledPerformingPhysicianName = "Weißbach^Li"
    dataset.ScheduledProcedureStepSequence = [item]
    return words(dataset)


@pytest.mark.parametrize(
    "text",
    ["MULLER, JORG", "Mü11er", "Name: müller", "J0RG", "PAT 4711", "pat-47II", "03.02.1961", "02/03/61"],
)
def test_named(own, text):
    assert names_somebody(text, own)


def test_names_at_every_depth(own):
    assert names_somebody("Dr. WEISSBACH", own)


@pytest.mark.parametrize("text", ["", "Thorax", "Li", "2D", "14 cm", "4712"])
def test_not_named(own, text):
    assert not names_somebody(text, own)


def test_nothing_known_names_nobody():
    assert not names_somebody("anything", words(Dataset()))


def test_folding_takes_one_form_of_what_is_confused():
    assert folded("O0 l1I Z2") == folded("00 111 22")
