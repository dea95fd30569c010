"""Series drawn at random, so that somebody looks at what was let go on by rules alone; and the record of who did.

A series is drawn once. What was said of it is never changed, and stays when the series does not. One that identifies
somebody goes into no dataset version any more, and is an alarm until somebody has dealt with it: told who received it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import SystemRandom

from sqlalchemy import Connection, exists, insert, select, update

from cohortium.archive import flags
from cohortium.archive.objects import Address
from cohortium.errors import Refused
from cohortium.store import now
from cohortium.store.schema import inspection, instance, project, scan
from cohortium.values import Reason, SetAside

__all__ = [
    "Frame",
    "Inspection",
    "Verdict",
    "alarms",
    "ask",
    "deal",
    "frames",
    "identifying",
    "judge",
    "named",
    "record",
    "waiting",
]

MOST = 100  # series asked for at once
SHOWN = 12  # frames of a series
LONGEST = 500  # characters of a note


class Verdict(StrEnum):
    """What somebody saw."""

    CLEAN = "clean"  # nothing in it identifies anybody
    UNSURE = "unsure"
    IDENTIFIES = "identifies"


@dataclass(frozen=True, slots=True)
class Inspection:
    """`verdict`, `looked` and `by` are empty until somebody looked.

    Of one that identifies, `sent` tells how many of its images each destination had then; `dealt` and what follows are
    empty until somebody has dealt with it.
    """

    id: int
    project: str
    SeriesInstanceUID: str
    asked: str
    asked_by: str
    verdict: str
    note: str
    looked: str
    by: str
    sent: Mapping[str, int]
    dealt: str
    dealt_note: str
    dealt_by: str

    @property
    def aside(self) -> SetAside:
        """Why what comes of a series that identifies is held."""
        return SetAside(Reason.INSPECTION, f"at random inspection {self.id} its series was seen to identify somebody")


@dataclass(frozen=True, slots=True)
class Frame:
    """Frame `number` (from 0) of the object `at`, which has `of`."""

    at: Address
    number: int
    of: int


def ask(connection: Connection, number: int, by: str) -> int:
    """Draw so many series that were never drawn; returns how many there were, which may be fewer."""
    if not 1 <= number <= MOST:
        raise Refused(f"ask for 1 to {MOST} series")
    same = inspection.c.project_id == scan.c.project_id, inspection.c.SeriesInstanceUID == scan.c.SeriesInstanceUID
    pictures = exists().where(instance.c.scan_id == scan.c.id, instance.c.NumberOfFrames > 0)
    never = list(connection.scalars(select(scan.c.id).where(pictures, ~exists().where(*same))))
    drawn = SystemRandom().sample(never, min(number, len(never)))
    found = connection.execute(select(scan.c.project_id, scan.c.SeriesInstanceUID).where(scan.c.id.in_(drawn)))
    nothing_yet = {"asked": now(), "asked_by": by, "verdict": "", "note": "", "looked": "", "by": ""}
    rows = [{**row._mapping, **nothing_yet} for row in found]
    if rows:
        connection.execute(insert(inspection), rows)
    return len(rows)


def waiting(connection: Connection) -> list[Inspection]:
    """Those at which nobody looked yet, in the order in which they were drawn."""
    return _select(connection, inspection.c.verdict == "")


def record(connection: Connection, limit: int = 200) -> list[Inspection]:
    """Those at which somebody looked, the newest first."""
    return _select(connection, inspection.c.verdict != "", newest=True, limit=limit)


def named(connection: Connection, id: int) -> Inspection | None:
    """The one of that number."""
    return next(iter(_select(connection, inspection.c.id == id)), None)


def judge(
    connection: Connection, id: int, verdict: Verdict, note: str, by: str, sent: Mapping[str, int] | None = None
) -> None:
    """Keep what somebody saw; `Refused` where somebody else did before, or it is not explained.

    A series that identifies is flagged unusable; `sent` is what each destination has of it.
    """
    note = _line(note, "say what is to be seen", required=verdict is not Verdict.CLEAN)
    here = inspection.c.id == id, inspection.c.verdict == ""
    said = {"verdict": verdict.value, "note": note, "looked": now(), "by": by, "sent": dict(sent or {})}
    if not connection.execute(update(inspection).where(*here).values(**said)).rowcount:
        raise Refused("somebody else looked at it a moment ago")
    if verdict is Verdict.IDENTIFIES:
        _flag(connection, id, by)


def alarms(connection: Connection) -> list[Inspection]:
    """Those that identify somebody, and that nobody has dealt with yet."""
    return _select(connection, (inspection.c.verdict == Verdict.IDENTIFIES) & (inspection.c.dealt == ""))


def identifying(connection: Connection, project_id: int) -> dict[str, Inspection]:
    """All series of the project that identify somebody, dealt with or not, by SeriesInstanceUID."""
    here = (inspection.c.verdict == Verdict.IDENTIFIES) & (inspection.c.project_id == project_id)
    return {each.SeriesInstanceUID: each for each in _select(connection, here)}


def deal(connection: Connection, id: int, note: str, by: str) -> None:
    """Keep what somebody did about a series that identifies; `Refused` where it is no alarm any more."""
    note = _line(note, "say what was done, and who was told", required=True)
    here = inspection.c.id == id, inspection.c.verdict == Verdict.IDENTIFIES, inspection.c.dealt == ""
    done = {"dealt": now(), "dealt_note": note, "dealt_by": by}
    if not connection.execute(update(inspection).where(*here).values(**done)).rowcount:
        raise Refused("somebody else dealt with it a moment ago")


def _line(text: str, wanted: str, *, required: bool) -> str:
    text = text.strip()
    if len(text) > LONGEST or not text.isprintable() or (required and not text):
        raise Refused(f"{wanted}, in 1 to {LONGEST} characters on one line")
    return text


def _flag(connection: Connection, id: int, by: str) -> None:
    """Let nobody take the series into a dataset version, as far as the archive still holds it."""
    same = inspection.c.project_id == scan.c.project_id, inspection.c.SeriesInstanceUID == scan.c.SeriesInstanceUID
    held = select(scan.c.project_id, scan.c.id).join(inspection, same[0] & same[1]).where(inspection.c.id == id)
    for project_id, scan_id in connection.execute(held).all():
        why = f"random inspection {id}: it identifies somebody"
        flags.put(connection, project_id, scan_id, "", flags.Verdict.UNUSABLE, why, by)


def frames(connection: Connection, found: Inspection) -> list[Frame]:
    """Some frames from the series' first to its last; none where the archive holds it no more."""
    of_series = (
        select(instance)
        .join(scan, scan.c.id == instance.c.scan_id)
        .join(project, project.c.id == scan.c.project_id)
        .where(project.c.name == found.project, scan.c.SeriesInstanceUID == found.SeriesInstanceUID)
        .order_by(instance.c.position, instance.c.InstanceNumber, instance.c.id)
    )
    rows = connection.execute(of_series).mappings()
    every = [Frame(Address.of(row), n, row["NumberOfFrames"]) for row in rows for n in range(row["NumberOfFrames"])]
    step = max(1, len(every) - 1) / (SHOWN - 1)
    return every if len(every) <= SHOWN else [every[round(n * step)] for n in range(SHOWN)]


def _select(connection: Connection, where: object, *, newest: bool = False, limit: int = 1000) -> list[Inspection]:
    columns = [inspection.c[name] for name in Inspection.__dataclass_fields__ if name != "project"]
    order = inspection.c.looked.desc() if newest else inspection.c.id
    rows = connection.execute(
        select(project.c.name.label("project"), *columns)
        .join(project, project.c.id == inspection.c.project_id)
        .where(where)  # type: ignore[arg-type]
        .order_by(order)
        .limit(limit)
    )
    return [Inspection(**row._mapping) for row in rows]
