"""What people decided about items that were set aside: who, when, what, about which reason and, sealed, why.

A decision is about the reason that was shown, and about no other: what is set aside again, for another one, waits for
another decision.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy import Connection, RowMapping, insert, select

from cohortium import sealed
from cohortium.spool.items import Item
from cohortium.store import now
from cohortium.store.schema import decision
from cohortium.values import Reason, SetAside, State

__all__ = ["Area", "Decision", "Verdict", "Word", "note", "objection", "of", "outcome", "words"]

Area = tuple[int, int, int, int]  # x, y, width, height, in pixels of the whole picture

SET_ASIDE = (State.HELD, State.QUARANTINED)
PICTURES = (Reason.PIXELS_NOT_REVIEWED, Reason.INSPECTION)  # who releases these has looked at the picture


class Verdict(StrEnum):
    """What somebody said about an item."""

    RELEASE = "release"  # it may go on: what was found is no fault, or its pixels were looked at
    AGAIN = "again"  # make it anew, as the pipeline now says, or another pipeline
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Decision:
    """One person's word about one item; `areas` are to be blanked in its pixels, `pipeline` is to make it anew.

    `about` and `created` are filled in when it is noted.
    """

    verdict: Verdict
    by: str
    why: str
    areas: tuple[Area, ...] = ()
    pipeline: str = ""
    about: SetAside | None = None
    created: str = ""

    @property
    def looked(self) -> bool:
        """Whether it says that somebody looked at the picture."""
        seen = self.about is not None and self.about.reason in PICTURES
        return self.verdict is Verdict.RELEASE and (seen or bool(self.areas))


@dataclass(frozen=True, slots=True)
class Word:
    """What people said that holds for an item: which pipeline makes it, who looked at its picture, what to blank, for
    which reason it is not to be held, and who says that no face is in it."""

    pipeline: str = ""
    reviewer: str | None = None
    areas: tuple[Area, ...] = ()
    released: SetAside | None = None
    faceless: str | None = None


def objection(found: Item, made: Decision, *, has_bytes: bool) -> str:
    """Why the decision cannot be carried out; empty where it can."""
    if found.state not in SET_ASIDE:
        return f"it is {found.state}; only what is held or quarantined waits for a decision"
    if made.verdict is Verdict.REJECT:
        return ""
    reason = found.set_aside.reason if found.set_aside else None
    if reason is Reason.DAMAGED or not has_bytes:
        return "there are no sound bytes to make it of; it can only be rejected"
    if made.verdict is Verdict.RELEASE and reason is Reason.PROTOCOL:
        return "it waits for its protocol to be approved, which no release replaces"
    return ""


def outcome(found: Item, made: Decision) -> State:
    """The state that the decision brings an item into that was set aside."""
    if made.verdict is Verdict.REJECT:
        return State.REJECTED
    onward = found.state is State.HELD and made.verdict is Verdict.RELEASE and not made.areas
    return State.DEIDENTIFIED if onward else State.RECEIVED


def note(connection: Connection, key: bytes, found: Item, made: Decision) -> None:
    """Keep the decision about the item, and what it was about."""
    why = sealed.sealed(key, made.why.encode())
    about = found.set_aside or SetAside(Reason.INSPECTION)
    row = {"item_id": found.id, "verdict": made.verdict, "areas": [list(each) for each in made.areas], "why": why}
    row |= {"pipeline": made.pipeline, "reason": about.reason, "detail": about.detail}
    connection.execute(insert(decision).values(**row, by=made.by, created=now()))


def of(connection: Connection, key: bytes, id: str) -> list[Decision]:
    """Every decision about the item, oldest first."""
    rows = connection.execute(select(decision).where(decision.c.item_id == id).order_by(decision.c.id)).mappings()
    return [replace(_decision(row), why=sealed.opened_whole(key, row["why"]).decode()) for row in rows]


def words(connection: Connection, ids: Collection[str]) -> dict[str, Word]:
    """What holds for each of the items about which anything was said; what came before an `again` does no longer."""
    found: dict[str, Word] = {}
    for row in connection.execute(
        select(decision).where(decision.c.item_id.in_(ids)).order_by(decision.c.id)
    ).mappings():
        made, word = _decision(row), found.get(row["item_id"], Word())
        if made.verdict is Verdict.AGAIN:
            word = Word(made.pipeline)
        elif made.verdict is Verdict.RELEASE:
            word = replace(word, released=made.about)
            if made.about and made.about.reason is Reason.FACE:
                word = replace(word, faceless=made.by)
        if made.looked:
            word = replace(word, reviewer=made.by, areas=tuple(dict.fromkeys((*word.areas, *made.areas))))
        found[row["item_id"]] = word
    return found


def _decision(row: RowMapping) -> Decision:
    """The decision of a row, but for why."""
    areas = tuple((x, y, width, height) for x, y, width, height in row["areas"])
    about = SetAside(Reason(row["reason"]), row["detail"]) if row["reason"] else None
    return Decision(Verdict(row["verdict"]), row["by"], "", areas, row["pipeline"], about, row["created"])
