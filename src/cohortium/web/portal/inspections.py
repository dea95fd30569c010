"""Random visual inspection: some series are asked for, somebody looks at each, and the record of both is kept.

What is shown was de-identified; the audit keeps who looked all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Form, Request
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from cohortium.archive import inspections
from cohortium.archive.inspections import Inspection, Verdict
from cohortium.dicom import render as drawing
from cohortium.errors import Malformed, Refused
from cohortium.govern.roles import May
from cohortium.spool import recall
from cohortium.web.auth import RowId, demand_form_token, reading, record, user
from cohortium.web.errors import BadRequest
from cohortium.web.pictures import Pictures
from cohortium.web.portal.templating import render
from cohortium.web.route import Route

__all__ = ["ROUTES", "alarms"]

EDGE = 512  # pixels
Text = Annotated[str, Form()]


@dataclass(frozen=True, slots=True)
class Alarm:
    """A series that identifies somebody; `sent` tells how many of its images each destination has."""

    found: Inspection
    sent: Mapping[str, int]


def overview(request: Request) -> Response:
    """What waits to be looked at, and the record."""
    return _overview(request)


def ask(request: Request, number: Text = "", form: Text = "") -> Response:
    """Ask for so many series."""
    demand_form_token(request, form)
    try:
        with request.app.state.engine.begin() as connection:
            wanted = int(number) if number.isascii() and number.isdigit() and len(number) < 9 else 0
            drawn = inspections.ask(connection, wanted, _who(request))
            record(request, connection, "ask for inspections", f"{drawn} series")
            if not drawn:
                raise Refused("every series of the archive was drawn before, or it holds none with pictures")
    except Refused as error:
        return _overview(request, str(error), 422)
    return RedirectResponse("/inspections", 303)


def look(request: Request, number: RowId) -> Response:
    """Pictures of one series, and what can be said of them."""
    return _look(request, number)


def picture(request: Request, number: RowId, frame: RowId) -> Response:
    """One of them."""
    with reading(request).connect() as connection:
        shown = inspections.frames(connection, _found(request, number))
    if frame >= len(shown):
        raise HTTPException(404)
    pictures: Pictures = request.app.state.pictures
    chosen = shown[frame]
    try:
        drawn = drawing.png(drawing.picture(pictures.dataset(chosen.at, chosen.of), chosen.number), EDGE)
    except Malformed:
        raise HTTPException(404) from None
    return Response(drawn, media_type="image/png")


def judge(request: Request, number: RowId, verdict: Text = "", note: Text = "", form: Text = "") -> Response:
    """Say what is to be seen; then the next that waits, or, of one that identifies, what is to be done."""
    demand_form_token(request, form)
    if verdict not in set(Verdict):
        raise BadRequest("A verdict is clean, unsure or identifies.")
    found = _found(request, number)
    identifies = verdict == Verdict.IDENTIFIES
    try:
        with request.app.state.engine.begin() as connection:
            sent = _recall(request, connection, found) if identifies else {}
            inspections.judge(connection, number, Verdict(verdict), note, _who(request), sent)
            record(request, connection, f"inspect: {verdict}", _series(found))
            left = inspections.waiting(connection)
    except Refused as error:
        return _look(request, number, str(error), 422)
    return RedirectResponse(f"/inspections/{left[0].id}" if left and not identifies else "/inspections", 303)


def deal(request: Request, number: RowId, note: Text = "", form: Text = "") -> Response:
    """Say what was done about a series that identifies somebody."""
    demand_form_token(request, form)
    found = _found(request, number)
    try:
        with request.app.state.engine.begin() as connection:
            inspections.deal(connection, number, note, _who(request))
            record(request, connection, "deal with inspection", _series(found))
    except Refused as error:
        return _overview(request, str(error), 422)
    return RedirectResponse("/inspections", 303)


def _recall(request: Request, connection: Connection, found: Inspection) -> dict[str, int]:
    """Hold what of the series is still here; returns how many of its images each destination has."""
    pipelines = _pipelines(request, found)
    recall.hold(connection, pipelines, found.SeriesInstanceUID, found.aside)
    return recall.sent(connection, pipelines, found.SeriesInstanceUID)


def _alarm(request: Request, connection: Connection, found: Inspection) -> Alarm:
    later = recall.sent(connection, _pipelines(request, found), found.SeriesInstanceUID)  # on its way at that moment
    sent = {name: max(found.sent.get(name, 0), later.get(name, 0)) for name in sorted(found.sent.keys() | later)}
    return Alarm(found, sent)


def alarms(request: Request, connection: Connection) -> list[Alarm]:
    """The series that identify somebody, of which nobody has said yet what was done."""
    return [_alarm(request, connection, each) for each in inspections.alarms(connection)]


def _pipelines(request: Request, found: Inspection) -> list[str]:
    return [each.name for each in request.app.state.config.pipelines if each.project == found.project]


def _series(found: Inspection) -> str:
    return f"{found.project}/{found.SeriesInstanceUID}"


def _overview(request: Request, problem: str = "", status: int = 200) -> Response:
    with reading(request).connect() as connection:
        waiting, done, open_ones = (
            inspections.waiting(connection),
            inspections.record(connection),
            alarms(request, connection),
        )
    return render(
        request, "inspections.html", status, waiting=waiting, done=done, identifying=open_ones, problem=problem
    )


def _look(request: Request, number: int, problem: str = "", status: int = 200) -> Response:
    found = _found(request, number)
    with reading(request).connect() as connection:
        shown = inspections.frames(connection, found)
    with request.app.state.engine.begin() as connection:
        record(request, connection, "look at series", _series(found))
    return render(request, "inspection.html", status, found=found, pictures=len(shown), problem=problem)


def _found(request: Request, number: int) -> Inspection:
    with reading(request).connect() as connection:
        found = inspections.named(connection, number)
    if found is None:
        raise HTTPException(404)
    return found


def _who(request: Request) -> str:
    return user(request).name


ROUTES = (
    Route("GET", "/inspections", overview, May.INSPECT),
    Route("POST", "/inspections", ask, May.INSPECT),
    Route("GET", "/inspections/{number}", look, May.INSPECT),
    Route("POST", "/inspections/{number}", judge, May.INSPECT),
    Route("POST", "/inspections/{number}/dealt", deal, May.INSPECT),
    Route("GET", "/inspections/{number}/{frame}.png", picture, May.INSPECT),
)
