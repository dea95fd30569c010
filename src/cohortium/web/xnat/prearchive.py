"""The prearchive as XNAT's clients see it: images that came together are one session there. For owners alone.

Nothing of an image is told before it is in, neither its subject nor its scans: only what its sender wants it called.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from cohortium import find
from cohortium.archive import Archive, Wish
from cohortium.archive.prearchive import DICOM, WISHED, Held
from cohortium.errors import Refused
from cohortium.govern import grants
from cohortium.govern.roles import May
from cohortium.web.auth import reading, record, user
from cohortium.web.xnat import importing
from cohortium.web.xnat.tables import table

__all__ = ["all_sessions", "archive", "delete", "move", "rebuild", "scans", "sessions", "show"]

COLUMNS = (
    *("project", "timestamp", "name", "folderName", "subject", "status", "url", "lastmod", "uploaded", "scan_date"),
    *("scan_time", "tag", "autoarchive", "prevent_anon", "prevent_auto_commit", "TIMEZONE", "VISIT", "PROTOCOL"),
)
SOURCE = re.compile(r"(?:/data)?/prearchive/projects/([^/]+)/([0-9]+_[0-9]+)/[^/]+")
MOVED = "what waits was made for its project, and is not moved to another; delete it, and send it there"
MOST = 100_000  # entries of a project that are looked through


def all_sessions(request: Request) -> Response:
    """What waits in all projects of which the caller is an owner."""
    with reading(request).connect() as connection:
        names = list(grants.names(connection, user(request), May.DELETE))
    return _listed(request, names)


def sessions(request: Request, project: str) -> Response:
    """What waits in a project."""
    return _listed(request, [project])


def _listed(request: Request, names: Iterable[str]) -> Response:
    rows = []
    for name in names:
        waiting = _waiting(request, name)
        rows += [_row(name, [*some]) for _, some in groupby(waiting, key=lambda each: each.created)]
        with request.app.state.engine.begin() as connection:
            record(request, connection, "list prearchive", name, waiting[0].project_id if waiting else None, May.DELETE)
    return table(request, rows, COLUMNS)


def show(request: Request, project: str, timestamp: str) -> Response:
    """One of them."""
    return table(request, [_row(project, _held(request, project, timestamp))], COLUMNS)


def scans(request: Request, project: str, timestamp: str) -> Response:
    """None that is told of."""
    _held(request, project, timestamp)
    return table(request, [], ("ID", "series_description"))


def archive(request: Request) -> Response:
    """Offer a session to the archive again, all of it; the answer is the address that it has there."""
    name, held = _source(request)
    query = request.query_params
    if query.get("project", name) != name:
        raise Refused(MOVED)
    importing.demand_plain(request)
    wish = importing.wish_of(request, name, query.get("subject", ""), query.get("session", ""))
    addresses = [importing.address_of(request, held[0].project_id, each) for each in _offer(request, held, wish)]
    return PlainTextResponse("".join(f"{each}\r\n" for each in addresses))


def rebuild(request: Request) -> Response:
    """Look at a session again, which is to offer it: it is in, or waits on."""
    _offer(request, _source(request)[1], Wish())
    return PlainTextResponse("")


def delete(request: Request) -> Response:
    """Let a session go, with its bytes."""
    store: Archive = request.app.state.archive
    store.drop_all((each.id for each in _source(request)[1]), user(request).name)
    return PlainTextResponse("")


def move(request: Request) -> Response:
    """Refused: what waits was made for its project, under that project's protocol."""
    _source(request)
    raise Refused(MOVED)


def _offer(request: Request, held: Sequence[Held], wish: Wish) -> frozenset[str]:
    store: Archive = request.app.state.archive
    return store.reoffer_whole(held, user(request).name, wish)


def _source(request: Request) -> tuple[str, Sequence[Held]]:
    """The project and the entries that the query names."""
    source = request.query_params.get("src", "")
    found = SOURCE.fullmatch(source)
    if found is None:
        raise HTTPException(404)
    return found[1], _held(request, found[1], found[2])


def _held(request: Request, project: str, timestamp: str) -> list[Held]:
    found = [each for each in _waiting(request, project) if importing.stamp(each.created) == timestamp]
    if not found:
        raise HTTPException(404)
    return found


def _waiting(request: Request, project: str) -> list[Held]:
    """Images that wait in the project, the newest first; files beside them are the portal's."""
    project_id = importing.demand_project(request, project, May.DELETE)
    with reading(request).connect() as connection:
        found = find.waiting_in(connection, user(request), project_id, MOST)
    return [each for each in found if each.kind == DICOM]


def _row(project: str, held: Sequence[Held]) -> Mapping[str, str]:
    timestamp, came = importing.stamp(held[0].created), datetime.fromisoformat(held[0].created)
    wish = held[0].wish
    refused = any(each.reason != WISHED for each in held)
    return dict.fromkeys(COLUMNS, "") | {
        "project": project,
        "timestamp": timestamp,
        "name": importing.folder(wish),
        "folderName": importing.folder(wish),
        "subject": wish.subject,
        "status": "ERROR" if refused else "READY",
        "url": importing.waiting_at(project, held[0].created, wish),
        "lastmod": f"{came:%Y-%m-%d %H:%M:%S.%f}",
        "uploaded": f"{came:%Y-%m-%d %H:%M:%S.%f}",
        "autoarchive": "Manual",
        "prevent_anon": "false",
        "prevent_auto_commit": "true",
    }
