"""Random visual inspection: some series are asked for, somebody looks at each, and the record of both is kept.

What is shown was de-identified; the audit keeps who looked all the same.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from cohortium.archive import inspections
from cohortium.archive.inspections import Inspection, Verdict
from cohortium.dicom import render as drawing
from cohortium.errors import Malformed, Refused
from cohortium.govern.roles import May
from cohortium.web.auth import RowId, demand_form_token, reading, record, user
from cohortium.web.errors import BadRequest
from cohortium.web.pictures import Pictures
from cohortium.web.portal.templating import render
from cohortium.web.route import Route

__all__ = ["ROUTES"]

EDGE = 512  # pixels
Text = Annotated[str, Form()]


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
    """Say what is to be seen; then the next that waits."""
    demand_form_token(request, form)
    if verdict not in set(Verdict):
        raise BadRequest("A verdict is clean, unsure or identifies.")
    found = _found(request, number)
    try:
        with request.app.state.engine.begin() as connection:
            inspections.judge(connection, number, Verdict(verdict), note, _who(request))
            record(request, connection, f"inspect: {verdict}", f"{found.project}/{found.SeriesInstanceUID}")
            left = inspections.waiting(connection)
    except Refused as error:
        return _look(request, number, str(error), 422)
    return RedirectResponse(f"/inspections/{left[0].id}" if left else "/inspections", 303)


def _overview(request: Request, problem: str = "", status: int = 200) -> Response:
    with reading(request).connect() as connection:
        waiting, done = inspections.waiting(connection), inspections.record(connection)
    return render(request, "inspections.html", status, waiting=waiting, done=done, problem=problem)


def _look(request: Request, number: int, problem: str = "", status: int = 200) -> Response:
    found = _found(request, number)
    with reading(request).connect() as connection:
        shown = inspections.frames(connection, found)
    with request.app.state.engine.begin() as connection:
        record(request, connection, "look at series", f"{found.project}/{found.SeriesInstanceUID}")
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
    Route("GET", "/inspections/{number}/{frame}.png", picture, May.INSPECT),
)
