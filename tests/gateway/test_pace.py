from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohortium.config import Pacs
from cohortium.errors import Malformed
from cohortium.gateway.pace import demand_schedule, ends, gap, is_hour, open_hours, when_done
from cohortium.spool.wanted import Plan

NOON = datetime(2024, 3, 1, 12, 30)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("hours", "open_ones"),
    [
        ("", range(24)),
        ("19-6", {*range(19, 24), *range(6)}),
        ("8-17", range(8, 17)),
        ("22-24", (22, 23)),
        ("7-7", range(24)),
    ],
)
def test_hours_of_the_day(hours: str, open_ones: Any) -> None:
    assert {hour for hour in range(24) if is_hour(hours, datetime(2024, 3, 1, hour, 59))} == set(open_ones)
    assert open_hours(hours, "") == set(open_ones)


def test_hours_of_a_request_lie_within_those_of_its_source() -> None:
    assert open_hours("19-6", "5-20") == {5, 19}
    assert open_hours("19-6", "8-17") == frozenset()


@pytest.mark.parametrize(
    ("hours", "studies_hour", "words"),
    [("nights", 0, "span"), ("25-3", 0, "span"), ("8-17", 0, "19 to 6"), ("", -1, "number"), ("", 10**6, "number")],
)
def test_a_schedule_that_never_comes_is_refused(hours: str, studies_hour: int, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        demand_schedule(Pacs("pacs", hours="19-6"), hours, studies_hour)
    demand_schedule(Pacs("pacs", hours="19-6"), "20-22", 5)


def test_a_night_between_two_studies_does_not_slow_the_pace() -> None:
    moments = [datetime(2024, 3, 2, 19, minute, tzinfo=UTC) for minute in (4, 2, 0)]
    moments += [datetime(2024, 3, 1, 5, minute, tzinfo=UTC) for minute in (58, 56)]
    assert gap(moments) == timedelta(minutes=2)
    assert gap(moments, 10) == timedelta(minutes=6)
    assert gap([], 0) is None
    assert gap([], 60, 0, 30) == timedelta(minutes=2)


@given(st.integers(0, 5 * 24 * 60), st.sets(st.integers(0, 23), min_size=1))
def test_work_is_done_in_the_open_hours_alone(minutes: int, hours: set[int]) -> None:
    end = ends(NOON, timedelta(minutes=minutes), hours)
    span = int((end - NOON) / timedelta(minutes=1))
    assert sum((NOON + timedelta(minutes=n)).hour in hours for n in range(span)) == minutes


def test_requests_wait_for_those_before_them() -> None:
    moved = [datetime(2024, 3, 1, 12, minute, tzinfo=UTC) for minute in (20, 10, 0)]
    plans = [Plan(1, "", 0, 0, 3), Plan(2, "", 1, 0, 2), Plan(3, "20-22", 0, 0, 1)]
    assert when_done(Pacs("pacs"), plans, moved, NOON) == {
        1: NOON + HOUR / 2,
        2: NOON + 2 * HOUR,  # its own quota is slower
        3: datetime(2024, 3, 1, 21),
    }
    assert when_done(Pacs("pacs"), plans[:1], [], NOON) == {}
