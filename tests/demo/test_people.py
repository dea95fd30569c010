"""What is planted: everything in identity.toml, and nothing that the scanner's own table holds."""

from __future__ import annotations

from cohortium.demo.people import patients, planted
from cohortium.verify.patterns import searchable
from cohortium.verify.values import stop_words


def test_every_identifying_value_counts() -> None:
    values = planted()
    for patient in patients():
        assert set(patient.identity.values()) <= set(values)
        for study in patient.studies:
            assert set(study.identity.values()) <= set(values)
        assert patient.header["PatientName"] in values
        assert set(patient.header["PatientTelephoneNumbers"]) <= set(values)


def test_nothing_planted_is_too_short_to_search_or_an_ordinary_word() -> None:
    assert all(map(searchable, planted()))
    assert not stop_words() & set(map(str.casefold, planted()))
    scanner = {str(value) for patient in patients() for value in patient.scanner.values()}
    assert not scanner & set(planted())
