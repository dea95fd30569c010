"""What people decided about items that were set aside: who, when, what and, sealed, why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, insert, select

from cohortium import sealed
from cohortium.store import now
from cohortium.store.schema import decision

__all__ = ["Area", "Decision", "Verdict", "newest", "note"]

Area = tuple[int, int, int, int]  # x, y, width, height, in pixels of the whole picture


class Verdict(StrEnum):
    """What somebody said about an item."""

    RELEASE = "release"  # it may go on: what was found is no fault, or its pixels were looked at
    AGAIN = "again"  # make it anew, as the pipeline now says
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Decision:
    """One person's word about one item; `areas` are to be blanked in its pixels."""

    verdict: Verdict
    by: str
    why: str
    areas: tuple[Area, ...] = ()
    created: str = ""


def note(connection: Connection, key: bytes, id: str, made: Decision) -> None:
    """Keep the decision about the item."""
    why = sealed.sealed(key, made.why.encode())
    row = {"item_id": id, "verdict": made.verdict, "areas": [list(each) for each in made.areas], "why": why}
    connection.execute(insert(decision).values(**row, by=made.by, created=now()))


def newest(connection: Connection, key: bytes, id: str) -> Decision | None:
    """The last decision about the item."""
    mine = select(decision).where(decision.c.item_id == id).order_by(decision.c.id.desc()).limit(1)
    row = connection.execute(mine).mappings().one_or_none()
    if row is None:
        return None
    why = sealed.opened_whole(key, row["why"]).decode()
    areas = tuple((x, y, width, height) for x, y, width, height in row["areas"])
    return Decision(Verdict(row["verdict"]), row["by"], why, areas, row["created"])
