"""Sessions, scans and instances by the attributes that DICOMweb matches, over all projects that may be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from fastapi import Query, Request, Response
from sqlalchemy import Connection
from starlette.exceptions import HTTPException

from cohortium import find
from cohortium.archive import flags
from cohortium.errors import Malformed, Refused
from cohortium.find.attributes import ATTRIBUTES, MODALITIES, Level
from cohortium.govern import grants
from cohortium.govern.roles import May
from cohortium.web.api.paging import begin, link_next, mark
from cohortium.web.auth import reading, record, searched, user
from cohortium.web.errors import BadRequest
from cohortium.wire import api

__all__ = ["instances", "scans", "sessions"]

KEYS = {each.keyword: key for key, each in ATTRIBUTES.items()} | {MODALITIES.keyword: MODALITIES.tag}
PAGING = frozenset({"project", "limit", "after"})
Found = TypeVar("Found", bound=api.SessionFound)


def sessions(
    request: Request, response: Response, wish: Annotated[api.SessionSearch, Query()]
) -> list[api.SessionFound]:
    """Sessions (studies)."""
    return _search(request, response, Level.STUDY, wish, api.SessionFound)


def scans(request: Request, response: Response, wish: Annotated[api.ScanSearch, Query()]) -> list[api.ScanFound]:
    """Scans (series), with the flags that stand."""
    return _search(request, response, Level.SERIES, wish, api.ScanFound)


def instances(
    request: Request, response: Response, wish: Annotated[api.InstanceSearch, Query()]
) -> list[api.InstanceFound]:
    """Instances."""
    return _search(request, response, Level.INSTANCE, wish, api.InstanceFound)


def _search(
    request: Request, response: Response, level: Level, wish: api.SessionSearch, kind: type[Found]
) -> list[Found]:
    values = {name: text for name, text in wish.model_dump(exclude=set(PAGING)).items() if text}
    wanted = find.Search(level, wish.project or None, (), tuple((KEYS[name], text) for name, text in values.items()))
    with reading(request).connect() as connection:
        project_id = _project(connection, request, wish.project)
        try:
            found = find.search(connection, user(request), wanted, limit=wish.limit, after=begin(wish.after))
        except Malformed as error:
            raise BadRequest(str(error)) from None
        rows = _with_flags(connection, level, found.rows)
    with request.app.state.engine.begin() as connection:
        what = f"{wish.project or '*'}/{level.name.lower()}?{searched(request, **values)}"
        record(request, connection, "search", what[:255], project_id)
    if found.more and found.last is not None:
        link_next(request, response, mark(found.last))
    return [kind.model_validate(row) for row in rows]


def _project(connection: Connection, request: Request, name: str) -> int | None:
    if not name:
        return None
    try:
        return grants.id_of(connection, user(request), name, May.READ)
    except Refused:
        raise HTTPException(404) from None


def _with_flags(connection: Connection, level: Level, rows: Any) -> list[Mapping[str, Any]]:
    if level is Level.STUDY:
        return list(rows)
    standing = flags.standing(connection, {row["scan_id"] for row in rows})
    return [{**row, "flags": standing.get(row["scan_id"], {})} for row in rows]
