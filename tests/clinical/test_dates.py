"""Partial dates: read as written, moved by whole days, and never made more precise."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohortium.clinical.dates import ORDERS, parse

DAYS = st.dates(date(1850, 1, 1), date(2200, 1, 1))
SHIFTS = st.integers(-36500, 36500)


@pytest.mark.parametrize(
    ("text", "order", "read"),
    [
        ("2014", "YYYY-MM-DD", "2014"),
        ("2014-03", "YYYY-MM-DD", "2014-03"),
        ("2014-03-09", "YYYY-MM-DD", "2014-03-09"),
        ("2014-03-09T14:45", "YYYY-MM-DD", "2014-03-09T14:45"),
        ("2014-03-09 14:45:10.5+01:00", "YYYY-MM-DD", "2014-03-09T14:45:10.5+01:00"),
        ("2014-03-09T14:45:10Z", "YYYY-MM-DD", "2014-03-09T14:45:10Z"),
        ("20140309", "YYYYMMDD", "2014-03-09"),
        ("9.3.2014", "DD.MM.YYYY", "2014-03-09"),
        ("03.2014", "DD.MM.YYYY", "2014-03"),
        ("2014", "DD.MM.YYYY", "2014"),
        ("09.03.2014 07:05", "DD.MM.YYYY", "2014-03-09T07:05"),
        ("09/03/2014", "DD/MM/YYYY", "2014-03-09"),
        ("03/09/2014", "MM/DD/YYYY", "2014-03-09"),
    ],
)
def test_dates_are_read_in_their_order(text: str, order: str, read: str) -> None:
    assert str(parse(text, order)) == read


@pytest.mark.parametrize(
    "text",
    ["", "unknown", "14-03-09", "2014-13", "2014-00", "2014-02-30", "2014-03-09T24:00", "2014-03-09T10:60", "2014T10",
     "9.3.2014", "2014-03-09 Mueller", " 2014", "٢٠١٤", "2014-03-09T", "2014-3-9"],
)  # fmt: skip
def test_what_is_no_date_is_not_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a|out of range|must be in"):
        parse(text)


@given(DAYS, SHIFTS, st.sampled_from(["", "T23:59", "T01:02:03.5+02:00"]))
def test_a_complete_date_moves_by_exactly_so_many_days(day: date, shift: int, clock: str) -> None:
    moved = parse(day.isoformat() + clock).moved(shift)
    assert str(moved) == (day + timedelta(days=shift)).isoformat() + clock
    assert str(moved.moved(-shift)) == day.isoformat() + clock


@given(DAYS, SHIFTS)
def test_a_partial_date_comes_out_no_more_precise(day: date, shift: int) -> None:
    for text in (f"{day.year:04}", f"{day.year:04}-{day.month:02}"):
        moved = parse(text).moved(shift)
        assert not moved.complete
        assert len(str(moved)) == len(text)
        assert abs((moved.middle - parse(text).middle).days - shift) <= 183


@given(st.text(max_size=24), st.sampled_from(ORDERS))
def test_any_text_is_refused_or_comes_out_in_iso_8601(text: str, order: str) -> None:
    with suppress(ValueError):
        assert parse(str(parse(text, order))).middle == parse(text, order).middle
