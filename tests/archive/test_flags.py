"""Flags: put by people, ended by people, never lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cohortium.archive import Archive, flags
from cohortium.archive.flags import Verdict
from cohortium.errors import Refused

OPEN = 1
SERIES = "2.25.3"


def test_a_flag_is_put_replaced_and_taken_back(archive: Archive, make: Callable[..., bytes]) -> None:
    archive.admit(make(1), "open", None, "ada")
    with archive.engine.begin() as connection:
        first = flags.put(connection, OPEN, 1, "", Verdict.QUESTIONABLE, " noise ", "ada")
        second = flags.put(connection, OPEN, 1, "", Verdict.UNUSABLE, "noise everywhere", "ada")
        third = flags.put(connection, OPEN, 1, "2.25.4.1", Verdict.QUESTIONABLE, "half a slice", "eve")
        assert flags.standing(connection, [1, 2]) == {1: {"unusable": 1, "questionable": 1}}
        ended = flags.end(connection, OPEN, second, "eve")
        assert ended is not None
        assert (ended.ended_by, ended.verdict, ended.reason) == ("eve", Verdict.UNUSABLE, "noise everywhere")
        assert flags.end(connection, OPEN, second, "eve") is None
        assert flags.end(connection, 2, third, "eve") is None
        history = flags.of_scan(connection, OPEN, SERIES)
    assert [(each.id, bool(each.ended)) for each in history] == [(third, False), (second, True), (first, True)]
    assert history[2].reason == "noise"


@pytest.mark.parametrize(
    ("scan_id", "instance", "reason"),
    [(9, "", "noise"), (1, "2.25.4.9", "noise"), (1, "", "  "), (1, "", "two\nlines"), (1, "", "x" * 501)],
)
def test_what_is_not_there_or_not_said_is_refused(
    archive: Archive, make: Callable[..., bytes], scan_id: int, instance: str, reason: str
) -> None:
    archive.admit(make(1), "open", None, "ada")
    with archive.engine.begin() as connection:
        with pytest.raises(Refused):
            flags.put(connection, OPEN, scan_id, instance, Verdict.UNUSABLE, reason, "ada")
        with pytest.raises(Refused):
            flags.put(connection, 2, 1, "", Verdict.UNUSABLE, "of another project", "ada")
        assert flags.of_scan(connection, OPEN, SERIES) == []
