"""Dates and durations as ISO 8601 and SDTM allow them, and how others are shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohortium.clinical import moments


@pytest.mark.parametrize(
    "text",
    [
        *("2020", "2020-03", "2020-03-04", "2020-03-04T10", "2020-03-04T10:11", "2020-03-04T10:11:12", "2020-02-29"),
        *("2020-03-04T10:11:12.5", "2020-03-04T10:11Z", "2020-03-04T10:11+01:00"),
        *("--12-15", "2003---15", "-----T07:15", "2003-12-15T-:15", "2003-12--"),
        *("2003-12-15T10:00/2003-12-15T10:30", "2003-12-01/P10D"),
    ],
)
def test_what_is_known_of_a_date_is_a_date(text):
    assert moments.is_date(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "04.03.2020",
            "03/04/2020",
            "20200304",
            "2020-3-4",
            "2020-13-01",
            "2021-02-29",
            "2020-03-04 10:11",
            "UNK",
            "",
            "-",
        ),
        *(
            "2020-03-04T24:10",
            "2020-03-04T10:60",
            "----",
            "--13-15",
            "2020-03-04T",
            "2020-03-04/",
            "/2020",
            "15 MAR 2020",
        ),
    ],
)
def test_anything_else_is_none(text):
    assert not moments.is_date(text)


@pytest.mark.parametrize(
    "text", ["P10D", "P2W", "PT2H", "P1Y2M3DT4H5M6S", "-P3D", "P0.5D", "PT0S", "2020-01-01/2020-01-03"]
)
def test_durations(text):
    assert moments.is_period(text)


@pytest.mark.parametrize(
    "text", ["10", "10 days", "P", "PT", "P10", "10D", "P1D2M", "P2WT1H", "PT1D", "2020-01-01", ""]
)
def test_no_durations(text):
    assert not moments.is_period(text)


def test_a_shape_shows_how_something_is_written_and_not_what():
    assert moments.shape("01.03.1950") == "99.99.9999"
    assert moments.shape("Müller, Hans") == "Xxxxxx, Xxxx"
    assert moments.shape("9" * 40) == "9" * 32 + "…"


@given(st.text())
def test_any_text_is_judged(text):
    assert moments.is_date(text) in (True, False)
    assert moments.is_period(text) in (True, False)
    assert not set(moments.shape(text).rstrip("…")) & set("abcABC0128")
