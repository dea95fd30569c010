"""The first page: what waits for the person who logged in, the projects that they may open, and how these grow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import Request
from sqlalchemy import Connection
from starlette.responses import Response

from cohortium import find
from cohortium.archive import datasets
from cohortium.govern import grants, harvest, tokens
from cohortium.govern.harvest import Alarm
from cohortium.govern.roles import ALLOWED, May
from cohortium.govern.tokens import Token
from cohortium.govern.users import User
from cohortium.store import jobs
from cohortium.web.auth import reading, user
from cohortium.web.portal.charts import columns, parts, shares
from cohortium.web.portal.templating import render

__all__ = ["home"]

SOON = timedelta(days=14)


def home(request: Request) -> Response:
    """What waits, and the projects that the person may see."""
    who, moment = user(request), datetime.now(UTC)
    with reading(request).connect() as connection:
        cards = find.projects(connection, who)
        values: dict[str, Any] = {
            "cards": cards,
            "others": [each for each in find.outlines(connection, who) if not each.readable],
            "writable": grants.names(connection, who, May.WRITE),
            "newest": datasets.newest(connection, [card.id for card in cards]),
            "growth": columns(find.growth(connection, who, moment.date())),
            "sizes": shares(cards),
            "needs": _needs(connection, who, moment),
        }
    return render(request, "projects.html", parts=parts, **values)


def _needs(connection: Connection, who: User, moment: datetime) -> dict[str, Sequence[Any]]:
    """What waits for this person, by kind."""
    return {
        "queues": find.queues(connection, who),
        "alarms": _alarms(connection, who),
        "troubles": jobs.troubles(connection) if May.MAINTAIN in ALLOWED[who.standing] else [],
        "tokens": _ending(connection, who, moment),
    }


def _alarms(connection: Connection, who: User) -> list[Alarm]:
    """The newest of each person in each project that this one answers for."""
    names = None if May.ADMINISTER in ALLOWED[who.standing] else grants.names(connection, who, May.MANAGE)
    newest: dict[tuple[str, str], Alarm] = {}
    for each in harvest.alarms(connection, names):
        newest.setdefault((each.project, each.person), each)
    return list(newest.values())


def _ending(connection: Connection, who: User, moment: datetime) -> list[Token]:
    """Tokens that will soon open nothing any more."""
    last = (moment + SOON).isoformat(timespec="microseconds")
    return [each for each in tokens.of(connection, who) if not each.ended and each.expires <= last]
