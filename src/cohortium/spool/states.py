"""The states of an item as one literal table: what may follow what, and which bytes are kept meanwhile.

Every change of a state goes through `move`; nothing else in Cohortium decides one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cohortium.errors import Corrupt
from cohortium.values import State

__all__ = ["CLAIMS", "KEEPS", "TRANSITIONS", "move"]

#                       from                  may become
TRANSITIONS: Mapping[State | None, frozenset[State]] = MappingProxyType(
    {
        None: frozenset({State.RECEIVED, State.QUARANTINED, State.NOT_DICOM, State.CONTAINER}),
        State.RECEIVED: frozenset({State.DEIDENTIFIED, State.QUARANTINED, State.DUPLICATE}),
        State.DEIDENTIFIED: frozenset({State.HELD, State.OUTBOX, State.RECEIVED, State.WITHDRAWN, State.SUPERSEDED}),
        # held: a person lets it be checked again with that in mind, has it made anew, or rejects it
        State.HELD: frozenset(
            {
                State.HELD,
                State.DEIDENTIFIED,
                State.OUTBOX,
                State.RECEIVED,
                State.REJECTED,
                State.WITHDRAWN,
                State.SUPERSEDED,
            }
        ),
        # from the outbox it is held where somebody saw, of the rest of its series, that it identifies; a table is made
        # anew, without the rows of who withdrew
        State.OUTBOX: frozenset(
            {State.SENT, State.HELD, State.RECEIVED, State.QUARANTINED, State.WITHDRAWN, State.SUPERSEDED}
        ),
        State.SENT: frozenset({State.SUPERSEDED}),  # the same path brought other bytes, in a cumulative delivery
        State.QUARANTINED: frozenset({State.RECEIVED, State.REJECTED, State.WITHDRAWN}),  # a person decides, or time
        State.REJECTED: frozenset(),
        # its bytes came again: what was first among them may be another by now
        State.DUPLICATE: frozenset({State.RECEIVED}),
        State.NOT_DICOM: frozenset(),
        State.CONTAINER: frozenset(),  # what is in it came by itself
        State.WITHDRAWN: frozenset(),
        State.SUPERSEDED: frozenset({State.RECEIVED}),  # its bytes came again, after others
    }
)

# Bytes that an item in this state still needs: as they came in, and as they will go out.
KEEPS: Mapping[State, frozenset[str]] = MappingProxyType(
    {
        State.RECEIVED: frozenset({"incoming"}),
        State.DEIDENTIFIED: frozenset({"incoming", "outgoing"}),
        State.HELD: frozenset({"incoming", "outgoing"}),
        State.OUTBOX: frozenset({"incoming", "outgoing"}),
        State.SENT: frozenset(),
        State.QUARANTINED: frozenset({"incoming"}),
        State.REJECTED: frozenset(),
        State.DUPLICATE: frozenset(),
        State.NOT_DICOM: frozenset(),
        State.CONTAINER: frozenset(),
        State.WITHDRAWN: frozenset(),
        State.SUPERSEDED: frozenset(),
    }
)

# An item in one of these states owns its SOPInstanceUID and its pseudonym within the project.
CLAIMS = frozenset({State.DEIDENTIFIED, State.HELD, State.OUTBOX, State.SENT})


def move(old: State | None, new: State) -> State:
    """`new`, if an item in the state `old` (None: there was no item) may enter it; else `Corrupt`."""
    if new not in TRANSITIONS[old]:
        raise Corrupt(f"an item that is {old or 'not there'} cannot become {new}; stop, and compare with a backup")
    return new
