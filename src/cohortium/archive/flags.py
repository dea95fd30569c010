"""What people think of images: questionable or unusable, and why. The images stay as they are.

A flag is never changed or deleted. Its author, or somebody else who may write, ends it, and both stay on record.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, exists, insert, select, update
from sqlalchemy.sql.expression import Exists

from cohortium.errors import Refused
from cohortium.store import now
from cohortium.store.schema import flag, instance, scan

__all__ = ["Flag", "Verdict", "end", "flagged", "of_scan", "put", "standing", "unusable", "unusable_scan"]

LONGEST = 500  # characters of a reason


class Verdict(StrEnum):
    QUESTIONABLE = "questionable"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Flag:
    """`SOPInstanceUID` is empty where the whole scan is meant; `ended` is empty while the flag stands."""

    id: int
    SeriesInstanceUID: str
    SOPInstanceUID: str
    verdict: Verdict
    reason: str
    by: str
    created: str
    ended: str
    ended_by: str


_SAME = (flag.c.project_id == scan.c.project_id) & (flag.c.SeriesInstanceUID == scan.c.SeriesInstanceUID)
COLUMNS = tuple(flag.c[field] for field in Flag.__dataclass_fields__)


def put(
    connection: Connection, project_id: int, scan_id: int, SOPInstanceUID: str, verdict: Verdict, reason: str, by: str
) -> int:
    """Flag a scan, or one instance of it; an earlier flag of the same person on it ends, unless it says the same."""
    reason = reason.strip()
    if not 1 <= len(reason) <= LONGEST or not reason.isprintable():
        raise Refused(f"say why, in 1 to {LONGEST} characters on one line")
    series = connection.scalar(
        select(scan.c.SeriesInstanceUID).where(scan.c.id == scan_id, scan.c.project_id == project_id)
    )
    if series is None or (SOPInstanceUID and not _holds(connection, scan_id, SOPInstanceUID)):
        raise Refused("the project holds no such scan or instance")
    about = {"project_id": project_id, "SeriesInstanceUID": series, "SOPInstanceUID": SOPInstanceUID}
    mine = [*(flag.c[key] == value for key, value in about.items()), flag.c.by == by, flag.c.ended == ""]
    again = [*mine, flag.c.verdict == verdict.value, flag.c.reason == reason]
    held = connection.scalar(select(flag.c.id).where(*again))
    if held is not None:
        return int(held)
    moment = now()
    connection.execute(update(flag).where(*mine).values(ended=moment, ended_by=by))
    values = {"verdict": verdict.value, "reason": reason, "by": by, "created": moment, "ended": "", "ended_by": ""}
    return int(connection.execute(insert(flag).values(**about, **values).returning(flag.c.id)).scalar_one())


def end(connection: Connection, project_id: int, flag_id: int, by: str) -> Flag | None:
    """Take a flag back; None where the project has no such flag that stands."""
    stands = flag.c.id == flag_id, flag.c.project_id == project_id, flag.c.ended == ""
    ended = update(flag).where(*stands).values(ended=now(), ended_by=by).returning(*COLUMNS)
    row = connection.execute(ended).one_or_none()
    return _flag(row) if row else None


def of_scan(connection: Connection, project_id: int, SeriesInstanceUID: str) -> list[Flag]:
    """Every flag there ever was on the scan and its instances, those that stand first, newest first."""
    about = flag.c.project_id == project_id, flag.c.SeriesInstanceUID == SeriesInstanceUID
    rows = connection.execute(select(*COLUMNS).where(*about).order_by(flag.c.ended != "", flag.c.id.desc()))
    return [_flag(row) for row in rows]


def standing(connection: Connection, scans: Collection[int]) -> dict[int, dict[str, int]]:
    """For each of these scans that has any, how many flags of each verdict stand on it or on its instances."""
    found: dict[int, dict[str, int]] = {}
    for scan_id, verdict in connection.execute(_standing(scans)):
        counted = found.setdefault(scan_id, {})
        counted[verdict] = counted.get(verdict, 0) + 1
    return found


def flagged(verdict: str) -> Select[Any]:
    """Ids of scans with such a flag, on themselves or on an instance, that stands, for use as `column.in_(...)`."""
    return select(scan.c.id).join(flag, _SAME).where(flag.c.verdict == verdict, flag.c.ended == "")


def unusable() -> Exists:
    """Whether `instance`, joined with `scan`, is flagged unusable, by itself or with its whole scan."""
    return _unusable(flag.c.SOPInstanceUID.in_(["", instance.c.SOPInstanceUID]))


def unusable_scan() -> Exists:
    """Whether `scan` is flagged unusable as a whole."""
    return _unusable(flag.c.SOPInstanceUID == "")


def _unusable(of: ColumnElement[bool]) -> Exists:
    return exists().where(_SAME, of, flag.c.verdict == Verdict.UNUSABLE.value, flag.c.ended == "")


def _standing(scans: Iterable[int]) -> Select[Any]:
    return select(scan.c.id, flag.c.verdict).join(flag, _SAME).where(scan.c.id.in_(list(scans)), flag.c.ended == "")


def _holds(connection: Connection, scan_id: int, SOPInstanceUID: str) -> bool:
    held = select(instance.c.id).where(instance.c.scan_id == scan_id, instance.c.SOPInstanceUID == SOPInstanceUID)
    return connection.execute(held).first() is not None


def _flag(row: Any) -> Flag:
    id, series, instance_uid, verdict, *rest = row
    return Flag(id, series, instance_uid, Verdict(verdict), *rest)
