"""Notices when somebody reads far more than they use to, or much of a project: it may be harvest, or it may be work.

What is noticed is a row of the audit, one a day for a person, a project and a reason, and nothing else is kept: the
portal shows those rows. What people read is known from `usage`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, false, func, or_, select

from cohortium import config
from cohortium.govern.roles import Role, Standing
from cohortium.govern.users import IS_ACTIVE
from cohortium.prove import audit
from cohortium.store import schema, total
from cohortium.store.schema import grant, instance, project, usage, user

__all__ = ["ALARM", "Alarm", "alarms", "look", "told"]

ALARM = "unusual reading"  # what the audit calls it
WEEK, HABIT, SHOWN = timedelta(days=6), timedelta(days=30), timedelta(days=14)
SHARE, TIMES = "much of the project in a week", "many times what they use to read"
NOBODY = "a guest"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Who read unusually much of which project, in which way, on which day."""

    project: str
    person: str
    what: str
    day: str

    def __str__(self) -> str:
        return "/".join((self.project, self.day, self.what, self.person))


def look(connection: Connection, settings: config.Quota, moment: datetime) -> list[Alarm]:
    """Write into the audit who reads unusually much today, as far as it is not there; returns what is new."""
    today = moment.astimezone(UTC).date()
    found = [*_by_share(connection, settings, today), *_by_habit(connection, settings, today)]
    new = [each for each in found if not audit.says(connection, ALARM, str(each))]
    for each in new:
        audit.record(connection, "cohortium", ALARM, str(each))
    return new


def alarms(connection: Connection, names: Collection[str] | None = None) -> list[Alarm]:
    """The alarms of the last two weeks, of these projects or of all, newest first."""
    rows = schema.audit
    since = (datetime.now(UTC) - SHOWN).isoformat(timespec="microseconds")
    wanted = select(rows.c.object).where(rows.c.who == "cohortium", rows.c.what == ALARM, rows.c.time >= since)
    if names is not None:
        begins = (rows.c.object.startswith(f"{name}/", autoescape=True) for name in names)
        wanted = wanted.where(or_(false(), *begins))
    return [_read(each) for each in connection.scalars(wanted.order_by(rows.c.id.desc()))]


def told(connection: Connection, name: str) -> list[str]:
    """E-mail addresses of who is to hear of an alarm: owners of the project, and administrators."""
    owners = select(grant.c.user_id).join(project).where(project.c.name == name, grant.c.role == Role.OWNER.value)
    hears = (user.c.standing == Standing.ADMINISTRATOR.value) | user.c.id.in_(owners)
    return list(
        connection.scalars(select(user.c.email).where(IS_ACTIVE, user.c.email != "", hears).order_by(user.c.id))
    )


def _read(row: str) -> Alarm:
    name, day, what, person = row.split("/", 3)
    return Alarm(name, person, what, day)


def _by_share(connection: Connection, settings: config.Quota, today: date) -> Iterator[Alarm]:
    read = total(usage.c.instances)
    rows = connection.execute(
        select(project.c.id, project.c.name, user.c.name, read)
        .select_from(usage.join(project).outerjoin(user, user.c.id == usage.c.user_id))
        .where(usage.c.day >= (today - WEEK).isoformat())
        .group_by(project.c.id, project.c.name, user.c.name)
        .having(read >= settings.alarm_instances)
    )
    for project_id, name, person, number in rows.all():
        held = select(func.count()).select_from(instance).where(instance.c.project_id == project_id)
        if number * 100 >= (connection.scalar(held) or 0) * settings.alarm_share:
            yield Alarm(name, person or NOBODY, SHARE, today.isoformat())


def _by_habit(connection: Connection, settings: config.Quota, today: date) -> Iterator[Alarm]:
    """Against the mean of the days on which the person read anything; who never did has no habit to leave."""
    read = total(usage.c.instances)
    rows = connection.execute(
        select(usage.c.user_id, usage.c.project_id, project.c.name, user.c.name, usage.c.instances)
        .select_from(usage.join(project).outerjoin(user, user.c.id == usage.c.user_id))
        .where(usage.c.day == today.isoformat(), usage.c.instances >= settings.alarm_instances)
    )
    for user_id, project_id, name, person, number in rows.all():
        before = select(read, func.count()).where(
            usage.c.user_id == user_id,
            usage.c.project_id == project_id,
            usage.c.day < today.isoformat(),
            usage.c.day >= (today - HABIT).isoformat(),
        )
        sum_before, days = connection.execute(before).one()
        if days and number * days >= sum_before * settings.alarm_times:
            yield Alarm(name, person or NOBODY, TIMES, today.isoformat())
