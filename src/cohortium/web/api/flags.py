"""Flags on scans and instances: put, read, taken back."""

from __future__ import annotations

from fastapi import Request
from sqlalchemy import Connection
from starlette.exceptions import HTTPException

from cohortium import find
from cohortium.archive import flags
from cohortium.govern import grants
from cohortium.govern.roles import May
from cohortium.web.auth import RowId, reading, record, user
from cohortium.wire import api

__all__ = ["end", "of_scan", "put"]


def of_scan(request: Request, scan_id: RowId) -> list[api.Flag]:
    """Every flag there ever was on the scan and its instances, those that stand first."""
    with reading(request).connect() as connection:
        found = _scan(connection, request, scan_id, May.READ)
    return [api.Flag.model_validate(each) for each in found.flags]


def put(request: Request, scan_id: RowId, wish: api.FlagWish) -> api.Flag:
    """Flag a scan, or one instance of it; the same again changes nothing, another takes its place."""
    who = user(request)
    with request.app.state.engine.begin() as connection:
        found = _scan(connection, request, scan_id, May.WRITE)
        verdict = flags.Verdict(wish.verdict)
        made = flags.put(connection, found.project_id, scan_id, wish.SOPInstanceUID, verdict, wish.reason, who.name)
        about = f"{found.project}/{wish.SOPInstanceUID or found.SeriesInstanceUID}"
        record(request, connection, f"flag {verdict}", about, found.project_id, May.WRITE)
        every = flags.of_scan(connection, found.project_id, found.SeriesInstanceUID)
    return api.Flag.model_validate(next(each for each in every if each.id == made))


def end(request: Request, scan_id: RowId, flag_id: RowId) -> api.Flag:
    """Take a flag back; it stays on record."""
    with request.app.state.engine.begin() as connection:
        found = _scan(connection, request, scan_id, May.WRITE)
        ended = flags.end(connection, found.project_id, flag_id, user(request).name)
        if ended is None or ended.SeriesInstanceUID != found.SeriesInstanceUID:
            raise HTTPException(404)
        about = f"{found.project}/{ended.SOPInstanceUID or ended.SeriesInstanceUID}"
        record(request, connection, "take back flag", about, found.project_id, May.WRITE)
    return api.Flag.model_validate(ended)


def _scan(connection: Connection, request: Request, scan_id: int, may: May) -> find.ScanPage:
    """The scan; 404 where there is none to be seen, 403 where this may not be done with it."""
    found = find.scan(connection, user(request), scan_id)
    if found is None:
        raise HTTPException(404)
    if found.project not in grants.names(connection, user(request), may):
        raise HTTPException(403)
    return found
