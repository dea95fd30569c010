"""A scan and its instances: what they are, their pictures, their bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from fastapi import Request
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.responses import Response

from cohortium import find
from cohortium.archive import Archive
from cohortium.dicom import render
from cohortium.web.api import content
from cohortium.web.auth import RowId, reading, record, user
from cohortium.web.meter import charge, charge_frames
from cohortium.web.pictures import Pictures
from cohortium.web.watch import note_read
from cohortium.wire import api
from cohortium.wire.names import instance_path, safe
from cohortium.wire.zipped import Member

__all__ = ["described", "file", "frame", "header", "scan", "scan_zip", "session_zip", "thumbnail"]


def scan(request: Request, scan_id: RowId) -> api.Scan:
    """A scan: its frames in order, its findings and flags, and the windows in which such scans are read."""
    with reading(request).connect() as connection:
        found = _scan(connection, request, scan_id)
    with request.app.state.engine.begin() as connection:
        record(request, connection, "open scan", f"{found.project}/{found.SeriesInstanceUID}", found.project_id)
    return described(found)


def described(found: find.ScanPage) -> api.Scan:
    """The scan as programs and the viewer read it."""
    presets = [asdict(window) for window in render.presets(found.Modality)]
    return api.Scan.model_validate({**asdict(found), "presets": presets})


def thumbnail(request: Request, scan_id: RowId) -> Response:
    """The scan's middle frame as a small PNG."""
    with reading(request).connect() as connection:
        found = _scan(connection, request, scan_id)
    frames = found.frames
    if not frames:
        raise HTTPException(404)
    note_read(request, found.project_id, found.project, found.SeriesInstanceUID)
    middle = frames[len(frames) // 2]
    small = _pictures(request).thumbnail(middle.at, middle.frame, middle.of)
    charge(request, found.project_id, len(small))
    return Response(small, media_type="image/png")


def frame(request: Request, instance_id: RowId, number: RowId) -> Response:
    """Raw samples of one frame, little-endian; the header `Cohortium-Frame` tells size, type, window and geometry."""
    place = _instance(request, instance_id)
    if not 0 <= number < place.NumberOfFrames:
        raise HTTPException(404)
    note_read(request, place.project_id, place.project, place.SeriesInstanceUID)
    shown = _pictures(request).frame(place.at, number, place.NumberOfFrames)
    charge_frames(request, place.project_id, len(shown.samples), place.at.digest)
    return Response(shown.samples, media_type=content.OBJECT, headers={"Cohortium-Frame": shown.about})


def file(request: Request, instance_id: RowId) -> Response:
    """The instance as a DICOM file, as it is stored; takes `Range`."""
    place = _instance(request, instance_id)
    note_read(request, place.project_id, place.project, place.SeriesInstanceUID)
    return content.send(request, place.project_id, place.at, content.DICOM)


def header(request: Request, instance_id: RowId) -> Response:
    """The instance's header as DICOM JSON (PS3.18 F.2)."""
    place = _instance(request, instance_id)
    with reading(request).connect() as connection:
        text = find.header_of(connection, place.id)
    with request.app.state.engine.begin() as connection:
        about = f"{place.project}/{place.SeriesInstanceUID}"
        record(request, connection, "retrieve metadata", about, place.project_id)
    return Response(text, media_type="application/dicom+json")


def scan_zip(request: Request, scan_id: RowId) -> Response:
    """The scan's files in one zip, written as it is sent."""
    return _zip(request, find.SCAN, scan_id)


def session_zip(request: Request, session_id: RowId) -> Response:
    """The session's files in one zip, written as it is sent."""
    return _zip(request, find.SESSION, session_id)


def _zip(request: Request, of: Any, number: int) -> Response:
    found = find.members(reading(request), user(request), of, number)
    first = next(found, None)
    if first is None:
        raise HTTPException(404)
    archive: Archive = request.app.state.archive
    archive.objects.demand_warm(each.at for each in find.members(reading(request), user(request), of, number))
    uid = first.SeriesInstanceUID if of is find.SCAN else first.StudyInstanceUID
    with request.app.state.engine.begin() as connection:
        record(request, connection, "retrieve", f"{first.project}/{uid}", first.project_id)
    return content.send_zip(safe(uid), (_member(request, each) for each in _all(first, found)))


def _all(first: find.Member, rest: Iterator[find.Member]) -> Iterator[find.Member]:
    yield first
    yield from rest


def _member(request: Request, each: find.Member) -> Member:
    archive: Archive = request.app.state.archive
    charge(request, each.project_id, each.at.size, 1)
    path = instance_path(each.PatientID, each.StudyInstanceUID, each.SeriesInstanceUID, each.SOPInstanceUID)
    return Member(path, each.at.size, lambda: archive.objects.stream(each.at))


def _scan(connection: Connection, request: Request, scan_id: int) -> find.ScanPage:
    found = find.scan(connection, user(request), scan_id)
    if found is None:
        raise HTTPException(404)
    return found


def _instance(request: Request, instance_id: int) -> find.Place:
    with reading(request).connect() as connection:
        place = find.instance(connection, user(request), instance_id)
    if place is None:
        raise HTTPException(404)
    return place


def _pictures(request: Request) -> Pictures:
    pictures: Pictures = request.app.state.pictures
    return pictures
