"""Projects and scans for programs, and the frames that the viewer draws."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from fastapi import Request
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.responses import Response

from cohortium import find
from cohortium.dicom import render
from cohortium.web.auth import RowId, reading, record, searched, user
from cohortium.web.pictures import Pictures
from cohortium.web.watch import note_read

__all__ = ["described", "frame", "list_projects", "project", "scan", "thumbnail"]


def list_projects(request: Request) -> list[dict[str, Any]]:
    """The projects that the caller may see."""
    with reading(request).connect() as connection:
        return [asdict(card) for card in find.projects(connection, user(request))]


def project(request: Request, name: str, after: str = "", words: str = "") -> dict[str, Any]:
    """A project and one page of its subjects; the next page begins `after` what is returned as such."""
    with reading(request).connect() as connection:
        card = find.project_named(connection, user(request), name)
        if card is None:
            raise HTTPException(404)
        page = find.subjects(connection, user(request), card.id, after=after, words=words)
    with request.app.state.engine.begin() as connection:
        what = f"{name}?{searched(request, words=words)}" if words else name
        record(request, connection, "search" if words else "list subjects", what, card.id)
    return {"project": asdict(card), **asdict(page)}


def scan(request: Request, scan_id: RowId) -> dict[str, Any]:
    """A scan: its frames in order, its findings, and the windows in which such scans are read."""
    with reading(request).connect() as connection:
        return described(_scan(connection, request, scan_id))


def described(found: find.ScanPage) -> dict[str, Any]:
    """The scan as JSON has it."""
    frames = [
        {"instance": at.instance, "frame": at.frame, "number": at.number, "position": at.position}
        for at in found.frames
    ]
    presets = [asdict(window) for window in render.presets(found.Modality)]
    return {**asdict(replace(found, frames=())), "frames": frames, "presets": presets}


def frame(request: Request, instance_id: RowId, number: RowId) -> Response:
    """Raw samples of one frame, little-endian; the header `Cohortium-Frame` tells size, type, window and geometry."""
    with reading(request).connect() as connection:
        place = find.instance(connection, user(request), instance_id)
    if place is None or not 0 <= number < place.NumberOfFrames:
        raise HTTPException(404)
    note_read(request, place.project_id, place.project, place.SeriesInstanceUID)
    shown = _pictures(request).frame(place.at, number, place.NumberOfFrames)
    return Response(shown.samples, media_type="application/octet-stream", headers={"Cohortium-Frame": shown.about})


def thumbnail(request: Request, scan_id: RowId) -> Response:
    """The scan's middle frame as a small PNG."""
    with reading(request).connect() as connection:
        found = _scan(connection, request, scan_id)
    frames = found.frames
    if not frames:
        raise HTTPException(404)
    note_read(request, found.project_id, found.project, found.SeriesInstanceUID)
    middle = frames[len(frames) // 2]
    return Response(_pictures(request).thumbnail(middle.at, middle.frame, middle.of), media_type="image/png")


def _scan(connection: Connection, request: Request, scan_id: int) -> find.ScanPage:
    found = find.scan(connection, user(request), scan_id)
    if found is None:
        raise HTTPException(404)
    return found


def _pictures(request: Request) -> Pictures:
    pictures: Pictures = request.app.state.pictures
    return pictures
