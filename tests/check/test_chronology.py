"""An association table tells what dates do not, is held against them where they do, and shows no value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import deliveries
from cohortium import check
from cohortium.check.examine import examine
from cohortium.check.report import Report, as_dict

DRAGON = check.load("dragon")
SERIES = [f"{deliveries.ROOT}.1.{study}.1" for study in (1, 2, 3)]
SECRET = "20190228"


def delivery(dates: list[str | None]) -> deliveries.Delivery:
    """One patient with a study of one series on each of these dates."""
    made = deliveries.Delivery()
    for study, date in enumerate(dates, 1):
        for number in range(1, 3):
            study_uid = f"{deliveries.ROOT}.1.{study}"
            UIDs = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": f"{study_uid}.1"}
            each = deliveries.slice_of(1, number) | UIDs | {"SOPInstanceUID": f"{study_uid}.1.{number}"}
            days = dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"), date)
            made.objects[f"{study}/{number}.dcm"] = each | days
    made.metadata.append(lambda rows: rows.clear())
    return made


def found(made: deliveries.Delivery, rows: list[dict[str, str]] | None, folder: Path) -> dict[str, list[str]]:
    if rows is not None:
        made.association.append(lambda known: known.__setitem__(slice(None), rows))
    return facts(examine(made.write(folder), DRAGON, left_out=deliveries.SLOW))


def facts(report: Report) -> dict[str, list[str]]:
    known: dict[str, list[str]] = {}
    for each in report.findings:
        if each.rule.startswith("chronology."):
            known.setdefault(each.rule, []).append(each.fact)
    return known


def rows(column: str, *numbers: object, patient: str = "P001") -> list[dict[str, str]]:
    return [
        {"patient": patient, "series_uid": uid, column: str(number)}
        for uid, number in zip(SERIES, numbers, strict=False)
    ]


DATES: list[str | None] = ["20200301", "20200308", "20200401"]
WRONG_ORDER = "order of the association table contradicts SeriesDate of the patient's 3 series"
WRONG_DAYS = "relative_day of the association table contradicts SeriesDate of the patient's 3 series"


@pytest.mark.parametrize(
    ("dates", "table", "expected"),
    [
        (DATES, rows("order", 1, 2, 3), {}),
        (DATES, rows("order", 5, 5, 70), {}),
        (DATES, rows("relative_day", -7, 0, 24), {}),
        (DATES, rows("order", 1, 3, 2), {"chronology.contradiction": [WRONG_ORDER]}),
        (DATES, rows("relative_day", 0, 7, 32), {"chronology.contradiction": [WRONG_DAYS]}),
        ([None] * 3, rows("order", 3, 1, 2), {}),
        (["20200301", None, "20200401"], rows("relative_day", 0, 5, 31), {}),
        (DATES, rows("relative_day", 999999, -999999, 0), {"chronology.contradiction": [WRONG_DAYS]}),
        (
            [None] * 3,
            rows("order", 1, 2),
            {
                "chronology.date": ["SeriesDate is missing or no date, and no table says when the series was made"],
                "chronology.scans": ["the series has no rows in the association table"],
            },
        ),
        (
            DATES[:2],
            rows("order", 1, 2, 3),
            {"chronology.scans": ["a row of the association table is of a scan that is not there"]},
        ),
        (
            DATES,
            [*rows("order", 1, 2, 3), *rows("order", 1)],
            {"chronology.scans": ["the series has 2 rows in the association table"]},
        ),
        (
            DATES,
            rows("order", 1, 2, 3, patient="P002"),
            {
                "chronology.contradiction": [
                    "the association table has the series under another patient than its images"
                ]
                * 3
            },
        ),
        (
            DATES,
            rows("order", 1, 2, SECRET + "x"),
            {
                "chronology.association": [
                    "1 rows of the association table say neither order nor relative_day as a whole number"
                ],
                "chronology.scans": ["the series has no rows in the association table"],
            },
        ),
    ],
)
def test_a_table_is_held_against_the_images(tmp_path, dates, table, expected):
    assert found(delivery(dates), table, tmp_path) == expected


def test_a_row_of_a_study_speaks_of_its_series(tmp_path):
    studies = [f"{deliveries.ROOT}.1.{number}" for number in (1, 2, 3)]
    table = [{"patient": "P001", "study_uid": uid, "order": str(at)} for at, uid in enumerate(studies)]
    assert found(delivery([None] * 3), table, tmp_path) == {}


def test_without_a_table_its_rules_are_skipped(tmp_path):
    report = examine(delivery(DATES).write(tmp_path), DRAGON, left_out=deliveries.SLOW)
    (tmp_path / "order.csv").unlink()
    report = examine(tmp_path, DRAGON, left_out=deliveries.SLOW)
    status = {each.rule.id: each.status.value for each in report.outcomes}
    assert (status["chronology.scans"], status["chronology.date"]) == ("skipped", "passed")


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"patient;series_uid;order\nP001;1.2;\xff\xfe\0", "1 rows of the association table say neither"),
        (b"patient,study_uid,order\n,,\n,,1\n", "1 rows of the association table name no study or series"),
        (b'patient,study_uid,order\n"' + b"a" * 200_000, "the association table cannot be read as CSV"),
    ],
)
def test_a_damaged_table_is_a_finding_and_shows_no_value(tmp_path, content, fact):
    made = delivery([SECRET])
    made.association.append(lambda known: known.clear())
    made.write(tmp_path)
    (tmp_path / "order.csv").write_bytes(content)
    report = examine(tmp_path, DRAGON, left_out=deliveries.SLOW)
    assert any(each.startswith(fact) for each in facts(report)["chronology.association"])
    assert SECRET not in json.dumps(as_dict(report))


def test_two_tables_are_one_too_many(tmp_path):
    made = delivery(DATES)
    made.files["other.csv"] = b"patient,study_uid,relative_day\nP001,1.2.3,4\n"
    assert found(made, None, tmp_path) == {"chronology.association": ["there are 2 association tables"]}
