"""Clinical rows: a project's tables, its subjects by what their rows say, and one subject in the order of time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import Query, Request, Response
from sqlalchemy import Connection
from starlette.exceptions import HTTPException

from cohortium import find
from cohortium.archive import Level
from cohortium.archive.datasets import Version
from cohortium.errors import Malformed
from cohortium.find import criteria
from cohortium.find.criteria import Criterion, Field, Group, Operator
from cohortium.find.timeline import Key
from cohortium.govern import grants
from cohortium.govern.roles import May
from cohortium.web.api import datasets
from cohortium.web.api.paging import begin, link_next, mark
from cohortium.web.auth import reading, record, searched, user
from cohortium.web.errors import BadRequest
from cohortium.web.meter import charge
from cohortium.wire import api

__all__ = ["cohort", "tables", "timeline"]

Dataset = Annotated[api.DatasetName, Query()]
KEY = (str, int, int, int)


def tables(request: Request, name: str, dataset: Dataset = "") -> list[api.ClinicalTable]:
    """The clinical tables of a project: whether their rows can be searched, and how many are of whom it knows."""
    with reading(request).connect() as connection:
        project_id = grants.id_of(connection, user(request), name, May.READ)
        version = _version(connection, request, name, dataset)
        found = find.clinical_tables(connection, user(request), project_id, version)
    with request.app.state.engine.begin() as connection:
        record(request, connection, "list clinical tables", name, project_id)
    return [api.ClinicalTable.model_validate(each) for each in found]


def cohort(request: Request, name: str, wish: api.CohortWish) -> api.Cohort:
    """Subjects by conditions on their clinical rows and images; of a dataset version's rows where one is named."""
    with reading(request).connect() as connection:
        project_id = grants.id_of(connection, user(request), name, May.READ)
        version = _version(connection, request, name, wish.dataset)
        where = Group(wish.every, (*_observations(wish, project_id, version), *_images(wish)))
        try:
            found = find.cohort(
                connection, user(request), project_id, where, version, after=wish.after, limit=wish.limit
            )
        except Malformed as error:
            raise BadRequest(str(error)) from None
    with request.app.state.engine.begin() as connection:
        about = f"{name}/cohort?{searched(request, conditions=wish.model_dump_json(exclude={'after', 'limit'}))}"
        record(request, connection, "search", about[:255], project_id)
    return api.Cohort.model_validate(found)


def timeline(
    request: Request, response: Response, name: str, subject: str, wish: Annotated[api.TimelineSearch, Query()]
) -> list[api.Event]:
    """A subject's sessions and clinical rows in the order of time; what has no date comes last."""
    after = _key(wish.after)
    with reading(request).connect() as connection:
        project_id = grants.id_of(connection, user(request), name, May.READ)
        version = _version(connection, request, name, wish.dataset)
        found = find.timeline(connection, user(request), project_id, subject, version, after=after, limit=wish.limit)
    if found is None:
        raise HTTPException(404)
    events = [api.Event.model_validate(each) for each in found.events]
    charge(request, project_id, sum(len(each.model_dump_json()) for each in events))
    with request.app.state.engine.begin() as connection:
        record(request, connection, "read timeline", f"{name}/{subject}"[:255], project_id)
    if found.after is not None:
        link_next(request, response, mark(found.after))
    return events


def _version(connection: Connection, request: Request, name: str, called: str) -> Version | None:
    return datasets.version(connection, request, name, called) if called else None


def _observations(wish: api.CohortWish, project_id: int, version: Version | None) -> Iterator[find.Observation]:
    for each in wish.rows:
        rows = tuple(find.Comparison(row.field, Operator(row.operator), row.value) for row in each.comparisons)
        yield find.Observation(project_id, each.domain, each.topic, rows, each.absent, version)


def _images(wish: api.CohortWish) -> Iterator[Criterion]:
    for each in wish.images:
        level = Level(each.level)
        if each.field not in criteria.FIELDS[level]:
            known = ", ".join(name for name in criteria.FIELDS[level] if name != "ID")
            raise BadRequest(f"a {level} is found by {known}")
        yield Criterion(criteria.Kind(level), Field(level, each.field), Operator(each.operator), each.value)


def _key(after: str) -> Key | None:
    key = begin(after)
    if key is None:
        return None
    if tuple(map(type, key)) != KEY or not all(0 <= each < 1 << 63 for each in key[1:]):
        raise BadRequest("`after` is taken from the Link header of the page before")
    return key[0], key[1], key[2], key[3]
