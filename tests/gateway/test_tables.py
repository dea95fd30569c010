"""What a gateway knows of tables: that a long one shows signs of life, and when one is to be made anew."""

from __future__ import annotations

from io import TextIOWrapper

import pytest

from cohortium.gateway.tables import Told, is_outdated, left
from cohortium.values import ClinicalTable, Reason, SetAside

TABLE = ClinicalTable("0" * 64, 1, "dm.csv", 3, 0)


def test_a_long_table_tells_that_it_is_read_and_can_be_ended() -> None:
    beats = []
    lines = TextIOWrapper(Told(b"abc,def\n" * 500_000, lambda: beats.append(None)), "utf-8", newline="")
    assert sum(1 for _ in lines) == 500_000
    assert len(beats) == 3

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(TextIOWrapper(Told(b"abc,def\n" * 500_000, stop), "utf-8", newline=""))


def test_a_table_is_outdated_when_others_withdrew_than_as_it_was_made() -> None:
    assert not is_outdated(TABLE, frozenset())
    assert is_outdated(TABLE, frozenset({"S-1"}))


def test_a_table_is_held_for_rows_that_stay_behind() -> None:
    assert left(TABLE) is None
    assert left(ClinicalTable("0" * 64, 1, "dm.csv", 3, 2)) == SetAside(Reason.ROWS, "2 of 3")
