from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from cohortium.keys import SiteKey
from cohortium.spool import Absent, Delivery
from cohortium.spool.comparisons import Comparisons
from cohortium.store import open_store, schema
from cohortium.values import State

GONE = Absent("0123456789ab", State.SENT, "SUBJ-001", "1.2.3", "1.2.3.4711")
LATER = timedelta(days=1)


@pytest.fixture
def engine(place: Path | str) -> Iterator[Engine]:
    engine = open_store(place)
    yield engine
    engine.dispose()


def test_the_newest_comparison_stays_in_counts_and_its_list_goes(engine: Engine) -> None:
    comparisons = Comparisons(engine, SiteKey(bytes(range(32))))
    comparisons.keep("ward", Delivery(1, 2, 3, ()), "otto")
    comparisons.keep("ward", Delivery(4, 5, 6, (GONE,)), "ada")
    (found,) = comparisons.newest()
    assert (found.source, found.by, found.known, found.new, found.changed, found.absent) == ("ward", "ada", 4, 5, 6, 1)
    assert found.has_list
    assert comparisons.absent("ward") == (GONE,)
    with engine.begin() as connection:
        record = connection.scalar(select(schema.comparison.c.record))
    assert record
    assert b"SUBJ" not in record
    assert comparisons.let_go(datetime.now(UTC) - LATER) == 0
    assert comparisons.let_go(datetime.now(UTC) + LATER) == 1
    assert comparisons.absent("ward") == ()
    (found,) = comparisons.newest()
    assert (found.absent, found.has_list) == (1, False)
