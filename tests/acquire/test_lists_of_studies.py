from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from cohortium.acquire.asking import LARGEST, days, listed
from cohortium.errors import Malformed


@pytest.mark.parametrize(
    ("content", "queries"),
    [
        (b"A1\nA2\n\nA1\n", [{"AccessionNumber": "A1"}, {"AccessionNumber": "A2"}]),
        (b"\xef\xbb\xbfAccession Number\r\nA1\r\n", [{"AccessionNumber": "A1"}]),
        ("accession_number\nÄ1".encode("cp1252"), [{"AccessionNumber": "Ä1"}]),
        (b"StudyInstanceUID\n1.2.3", [{"StudyInstanceUID": "1.2.3"}]),
        (b"PatientID;StudyDate\n7;2024-03-01", [{"PatientID": "7", "StudyDate": "20240301"}]),
        (b'PatientID,StudyDate\n"7,8",20240301', [{"PatientID": "7,8", "StudyDate": "20240301"}]),
        ("AccessionNumber\r\nÄ1\r\n".encode("utf-16"), [{"AccessionNumber": "Ä1"}]),
        (b"A1\rA2\r", [{"AccessionNumber": "A1"}, {"AccessionNumber": "A2"}]),
    ],
)
def test_lists_as_people_have_them(content: bytes, queries: list[dict[str, str]]) -> None:
    assert listed(content)[0] == queries


def test_what_is_named_twice_is_asked_for_once_and_told() -> None:
    assert listed(b"A1\nA2\nA1\nA1\n") == ([{"AccessionNumber": "A1"}, {"AccessionNumber": "A2"}], 2)


@pytest.mark.parametrize(
    ("content", "row"),
    [
        (b"", "empty"),
        (b"A1\nTULIPAN*", "row 2"),
        (b"A1\nTULIPAN\\2", "row 2"),
        (b"StudyInstanceUID\nTULIPAN", "row 2"),
        (b"PatientID,StudyDate\n1,TULIPAN", "row 2"),
        (b"PatientID,StudyDate\nTULIPAN", "row 2"),
        (b"TULIPAN,A1", "row 1"),
        (b"A1\n" + b"TULIPAN" * 10, "row 2"),
        (b"AccessionNumber\n", "no row"),
        (b"PatientID,PatientID\n1,TULIPAN", "row 1"),
        (b'A1\n"TULIPAN', "row 2"),  # cut off within a cell
        (b'A1\n"TULI"PAN', "row 2"),
        (b"TULIPAN\x00", "no text"),
        (b"PK\x03\x04TULIPAN\x00", "no text"),
        ("TULIPAN".encode("utf-16")[:-1], "characters"),  # cut off within a character
        (b"TULIPAN\x81", "characters"),
        ("TULI\u0085PAN".encode(), "row 1"),
        ("TULIPAN\ufffd".encode(), "row 1"),
        (b"1" * (LARGEST + 1), "kB"),
        (b"A1\n" + b"x" * 200_000, "row 2"),
        ("\n".join(map(str, range(20_001))).encode(), "rows"),
    ],
)
def test_a_mistake_is_told_by_its_row_and_never_by_its_value(content: bytes, row: str) -> None:
    with pytest.raises(Malformed, match=row) as raised:
        listed(content)
    assert "TULIPAN" not in str(raised.value)


def test_a_span_of_days_is_asked_for_day_by_day() -> None:
    assert days(date(2024, 2, 28), date(2024, 3, 1), modality="CT") == [
        {"StudyDate": day, "ModalitiesInStudy": "CT"} for day in ("20240228", "20240229", "20240301")
    ]


def test_one_patient_may_be_asked_for_without_days() -> None:
    assert days(None, patient="7", modality="CT") == [{"PatientID": "7", "ModalitiesInStudy": "CT"}]
    assert days(date(2024, 3, 1), patient="7") == [{"StudyDate": "20240301", "PatientID": "7"}]


@pytest.mark.parametrize(
    "asked",
    [
        {"last": date(2024, 2, 1)},
        {"last": date(2044, 2, 1)},
        {"modality": "ct"},
        {"modality": "CT\\MR"},
        {"description": "TULIPAN\n"},
        {"description": "TULIPAN" * 10},
        {"patient": "TULIPAN*"},
        {"first": None},
        {"first": None, "patient": "7", "last": date(2024, 3, 1)},
    ],
)
def test_what_cannot_be_asked_is_told_without_its_value(asked: dict[str, Any]) -> None:
    with pytest.raises(Malformed) as raised:
        days(**{"first": date(2024, 3, 1), **asked})
    assert "TULIPAN" not in str(raised.value)
