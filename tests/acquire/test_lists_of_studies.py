from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from cohortium.acquire.asking import days, listed
from cohortium.errors import ConfigError, Malformed


@pytest.mark.parametrize(
    ("content", "queries"),
    [
        (b"A1\nA2\n\nA1\n", [{"AccessionNumber": "A1"}, {"AccessionNumber": "A2"}]),
        (b"\xef\xbb\xbfAccession Number\r\nA1\r\n", [{"AccessionNumber": "A1"}]),
        ("accession_number\nÄ1".encode("cp1252"), [{"AccessionNumber": "Ä1"}]),
        (b"StudyInstanceUID\n1.2.3", [{"StudyInstanceUID": "1.2.3"}]),
        (b"PatientID;StudyDate\n7;2024-03-01", [{"PatientID": "7", "StudyDate": "20240301"}]),
        (b'PatientID,StudyDate\n"7,8",20240301', [{"PatientID": "7,8", "StudyDate": "20240301"}]),
    ],
)
def test_lists_as_people_have_them(tmp_path: Path, content: bytes, queries: list[dict[str, str]]) -> None:
    (tmp_path / "list.csv").write_bytes(content)
    assert listed(tmp_path / "list.csv") == queries


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
    ],
)
def test_a_mistake_is_told_by_its_row_and_never_by_its_value(tmp_path: Path, content: bytes, row: str) -> None:
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(Malformed, match=row) as raised:
        listed(tmp_path / "list.csv")
    assert "TULIPAN" not in str(raised.value)


def test_a_span_of_days_is_asked_for_day_by_day() -> None:
    assert days(date(2024, 2, 28), date(2024, 3, 1), "CT", "") == [
        {"StudyDate": day, "ModalitiesInStudy": "CT"} for day in ("20240228", "20240229", "20240301")
    ]
    with pytest.raises(ConfigError):
        days(date(2024, 3, 1), date(2024, 2, 1), "", "")
