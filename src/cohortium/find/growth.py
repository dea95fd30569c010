"""How what a person may read grows: the subjects that came, week by week."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection, func, literal_column, select

from cohortium.govern.grants import visible_projects
from cohortium.govern.users import User
from cohortium.store.schema import data_key, subject

__all__ = ["Week", "growth"]

DAY = func.substr(data_key.c.created, literal_column("1"), literal_column("10"))


@dataclass(frozen=True, slots=True)
class Week:
    """From a Monday (of UTC), and how many subjects came whom the archive did not know before."""

    begins: date
    subjects: int


def growth(connection: Connection, who: User, today: date, weeks: int = 12) -> list[Week]:
    """The last weeks, the oldest first, this one included: a subject came when its data key was made."""
    monday = today - timedelta(days=today.weekday())
    begins = [monday - timedelta(weeks=back) for back in reversed(range(weeks))]
    is_of = (subject.c.project_id == data_key.c.project_id) & (subject.c.PatientID == data_key.c.PatientID)
    rows = connection.execute(
        select(DAY, func.count())
        .select_from(data_key.join(subject, is_of))
        .where(data_key.c.project_id.in_(visible_projects(who)), data_key.c.created >= begins[0].isoformat())
        .group_by(DAY)
    )
    came: Counter[date] = Counter()
    for day, number in rows:
        at = date.fromisoformat(day)
        came[at - timedelta(days=at.weekday())] += number
    return [Week(each, came[each]) for each in begins]
