"""The transition table, held against what it means."""

from __future__ import annotations

import itertools

import pytest

from cohortium.errors import Corrupt
from cohortium.spool.states import CLAIMS, KEEPS, TRANSITIONS, move
from cohortium.values import State


def test_every_state_has_its_row() -> None:
    assert set(TRANSITIONS) == {None, *State}
    assert set(KEEPS) == set(State)


@pytest.mark.parametrize(("old", "new"), list(itertools.product([None, *State], State)))
def test_nothing_moves_but_as_the_table_says(old: State | None, new: State) -> None:
    if new in TRANSITIONS[old]:
        assert move(old, new) is new
    else:
        with pytest.raises(Corrupt):
            move(old, new)


def test_nothing_is_sent_but_through_de_identification() -> None:
    """Every way from nothing to `sent` leads through `de-identified` and `outbox`."""

    def ways(state: State | None, way: tuple[State, ...] = ()) -> set[tuple[State, ...]]:
        if state is State.SENT:
            return {way}
        return {end for after in TRANSITIONS[state] - set(way) for end in ways(after, (*way, after))}

    assert ways(None)
    assert all({State.DEIDENTIFIED, State.OUTBOX} <= set(way) for way in ways(None))


def test_every_state_can_be_reached_and_leads_to_an_end() -> None:
    reached: set[State | None] = {None}
    for _ in State:
        reached |= {after for state in reached for after in TRANSITIONS[state]}
    assert reached == {None, *State}
    ends = {state for state, after in TRANSITIONS.items() if not after}
    come_again = {State.SENT, State.SUPERSEDED, State.DUPLICATE}  # others may take its place, and it theirs
    assert ends == ends_without_bytes() - come_again


def test_bytes_are_kept_until_they_are_safe_elsewhere() -> None:
    assert all("incoming" in KEEPS[state] for state in State if state not in ends_without_bytes())
    assert {state for state in State if "outgoing" in KEEPS[state]} == CLAIMS - {State.SENT}


def ends_without_bytes() -> set[State]:
    never_taken = {State.DUPLICATE, State.NOT_DICOM, State.CONTAINER}
    return {State.SENT, State.REJECTED, State.WITHDRAWN, State.SUPERSEDED} | never_taken
