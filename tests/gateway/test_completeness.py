from __future__ import annotations

import csv
from io import StringIO

from cohortium.gateway.completeness import written
from cohortium.spool.wanted import Counts, Line, Series, Stage, Study

COUNTS = Counts(listed=3, arrived=2, made=2, aside=0, sent=2, confirmed=1)
STUDY = Study(0, "1.2.4711", 3, (Series("1.2.4711.1", 1, ()), Series("1.2.4711.2", 2, ())))
HELD = {"hub": {"digest stated by the receiver": 2}}
LINE = Line(7, Stage.INCOMPLETE, COUNTS, (Counts(1, 1), Counts(2, 1)), HELD, "1 of 3 images have not arrived")
NAMED = Line(7, LINE.stage, COUNTS, LINE.series, HELD, LINE.detail, {"AccessionNumber": "=A1"}, STUDY)


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text)))


def test_a_report_has_a_row_for_each_study_and_series() -> None:
    study, first, second = table(written([LINE]))
    assert (study["study"], study["series"], study["listed"], study["confirmed"]) == ("7", "", "3", "1")
    assert study["held"] == "hub: 2 digest stated by the receiver"
    assert study["why"] == LINE.detail
    assert [(each["study"], each["series"], each["listed"]) for each in (first, second)] == [
        ("7", "1", "1"),
        ("7", "2", "2"),
    ]


def test_whom_it_is_about_stands_only_where_it_is_asked_for() -> None:
    assert "4711" not in written([NAMED])
    assert "A1" not in written([NAMED])
    study, first, _ = table(written([NAMED], named=True))
    assert (study["asked"], study["StudyInstanceUID"]) == ("AccessionNumber==A1", "1.2.4711")
    assert first["SeriesInstanceUID"] == "1.2.4711.1"


def test_no_cell_is_a_formula() -> None:
    line = Line(1, Stage.NOT_FOUND, Counts(), (), {}, "=HYPERLINK(1)")
    (row,) = table(written([line]))
    assert row["why"] == "'=HYPERLINK(1)"
