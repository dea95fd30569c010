"""How much a person may read of a project, and has: bytes and instances, a day (of UTC) and altogether.

What is about to be read is counted first, in steps that a process reserves and then spends without asking the store:
so no two processes together let more be read than the quota, and a little of it may stay unspent.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import Connection, select, update

from cohortium import config
from cohortium.errors import Later
from cohortium.store import insert_once, total
from cohortium.store.schema import grant, usage, user

__all__ = [
    "AS_CONFIGURED",
    "COLUMNS",
    "GIGABYTE",
    "Quota",
    "Used",
    "UsedUp",
    "Volume",
    "day_of",
    "defaults",
    "in_force",
    "reserve",
    "used",
]

GIGABYTE = 1_000_000_000
ENDLESS = 1 << 62
SHARE = 8  # of what is left, the most that one process reserves beyond its need


@dataclass(frozen=True, slots=True)
class Volume:
    """What is read."""

    bytes: int = 0
    instances: int = 0

    def __add__(self, other: Volume) -> Volume:
        return Volume(self.bytes + other.bytes, self.instances + other.instances)

    def __sub__(self, other: Volume) -> Volume:
        return Volume(self.bytes - other.bytes, self.instances - other.instances)


@dataclass(frozen=True, slots=True)
class Quota:
    """The most that may be read; 0 is no limit, and None in a grant is what the configuration says."""

    bytes_day: int | None = None
    instances_day: int | None = None
    bytes_total: int | None = None
    instances_total: int | None = None


@dataclass(frozen=True, slots=True)
class Used:
    """What a person read of a project."""

    today: Volume
    total: Volume


class UsedUp(Later):
    """The quota of a person in a project is used up."""


AS_CONFIGURED = Quota()
COLUMNS = tuple(grant.c[name] for name in Quota.__dataclass_fields__)


def defaults(settings: config.Quota) -> Quota:
    """What holds where a grant says nothing, or where there is none."""
    return Quota(
        settings.gigabytes_day * GIGABYTE,
        settings.instances_day,
        settings.gigabytes_total * GIGABYTE,
        settings.instances_total,
    )


def day_of(moment: datetime) -> str:
    """The day to which a moment counts."""
    return moment.astimezone(UTC).date().isoformat()


def reserve(
    connection: Connection,
    user_id: int,
    project_id: int,
    need: Volume,
    ahead: Volume,
    default: Quota,
    moment: datetime,
) -> Volume:
    """Count `need` and, where there is room, up to `ahead` beyond it; returns what was counted, or raises `UsedUp`."""
    held = connection.execute(
        select(grant.c.since, *COLUMNS).where(grant.c.user_id == user_id, grant.c.project_id == project_id)
    ).one_or_none()
    quota, today = in_force(Quota(*held[1:]) if held else AS_CONFIGURED, default), day_of(moment)
    had = _used(connection, user_id, project_id, held.since[:10] if held else "", today)
    left_today = _left(had.today, quota.bytes_day, quota.instances_day)
    left = _left(had.total, quota.bytes_total, quota.instances_total)
    if not _fits(need, left):
        raise UsedUp("Your quota for this project is used up. Ask its owner for more.", 86_400)
    if not _fits(need, left_today):
        raise UsedUp("Your quota for this project is used up for today.", _until_tomorrow(moment))
    counted = Volume(  # never more ahead than was read already, so that who reads little is not said to read much
        need.bytes + _more(min(ahead.bytes, had.today.bytes), need.bytes, left.bytes, left_today.bytes),
        need.instances
        + _more(min(ahead.instances, had.today.instances), need.instances, left.instances, left_today.instances),
    )
    _count(connection, user_id, project_id, today, counted)
    return counted


def used(connection: Connection, project_id: int, moment: datetime) -> dict[str, Used]:
    """What each person with a role in the project has read under it, by name."""
    held = connection.execute(
        select(user.c.id, user.c.name, grant.c.since).join(grant).where(grant.c.project_id == project_id)
    ).all()
    today = day_of(moment)
    return {row.name: _used(connection, row.id, project_id, row.since[:10], today) for row in held}


def in_force(own: Quota, default: Quota) -> Quota:
    """The quota of a grant, filled up by what is configured."""
    pairs = zip(astuple(own), astuple(default), strict=True)
    return Quota(*(mine if mine is not None else other for mine, other in pairs))


def _used(connection: Connection, user_id: int, project_id: int, since: str, today: str) -> Used:
    own = (usage.c.user_id == user_id) & (usage.c.project_id == project_id)
    sums = select(total(usage.c.bytes), total(usage.c.instances)).where(own)
    of_today = connection.execute(sums.where(usage.c.day == today)).one()
    return Used(Volume(*of_today), Volume(*connection.execute(sums.where(usage.c.day >= since)).one()))


def _left(had: Volume, bytes: int | None, instances: int | None) -> Volume:
    return Volume(bytes - had.bytes if bytes else ENDLESS, instances - had.instances if instances else ENDLESS)


def _fits(need: Volume, left: Volume) -> bool:
    return need.bytes <= left.bytes and need.instances <= left.instances


def _more(ahead: int, need: int, *left: int) -> int:
    return max(0, min(ahead, (min(left) - need) // SHARE))


def _count(connection: Connection, user_id: int, project_id: int, day: str, counted: Volume) -> None:
    key = {"user_id": user_id, "project_id": project_id, "day": day}
    if not insert_once(connection, usage, {**key, "bytes": counted.bytes, "instances": counted.instances}):
        same = usage.c.user_id == user_id, usage.c.project_id == project_id, usage.c.day == day
        more = {"bytes": usage.c.bytes + counted.bytes, "instances": usage.c.instances + counted.instances}
        connection.execute(update(usage).where(*same).values(**more))


def _until_tomorrow(moment: datetime) -> float:
    moment = moment.astimezone(UTC)
    return (datetime.combine(moment.date() + timedelta(days=1), time(), UTC) - moment).total_seconds()
