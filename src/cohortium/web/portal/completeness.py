"""What PACS listed, what arrived, was made, was sent, and what the receivers hold: for each request, study and series.

In counts alone; whom they are about is shown on a page of its own, to data managers, and every look is a row of the
audit. Beside it, the newest comparison of each folder that is the whole truth with what came of it.
"""

from __future__ import annotations

import csv
from dataclasses import asdict, fields
from io import StringIO
from typing import Annotated, Any

from fastapi import Form, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from cohortium.config import Config
from cohortium.errors import CohortiumError
from cohortium.gateway.comparing import compare
from cohortium.gateway.completeness import written
from cohortium.gateway.lines import folders_of
from cohortium.govern.roles import May
from cohortium.spool import Absent
from cohortium.spool.comparisons import Comparisons
from cohortium.spool.wanted import Asked
from cohortium.web.auth import RowId, demand_form_token, record, user
from cohortium.web.errors import BadRequest
from cohortium.web.portal.charts import progress
from cohortium.web.portal.pacs import Number, missing, requests_of
from cohortium.web.portal.templating import render
from cohortium.web.route import Route

__all__ = ["ROUTES"]

SHOWN = 50
LOOKED = "look at who was asked for"


def overview(request: Request, before: Number = 0) -> Response:
    """Every request, and every folder that is the whole truth."""
    return _overview(request, before)


def one(request: Request, number: RowId, after: Number = 0) -> Response:
    """The studies of a request, and their series, in counts."""
    return _one(request, number, after, named=False)


def named(request: Request, number: RowId, after: Number = 0) -> Response:
    """The same, with what was asked for and the UIDs."""
    return _one(request, number, after, named=True)


def counts(request: Request, number: RowId) -> Response:
    """The counts as CSV, for a report."""
    found = _found(request, number)
    _note(request, "export completeness", f"request {number}")
    return _csv(written(requests_of(request).lines(found.id)), f"request-{number}.csv")


def named_counts(request: Request, number: RowId) -> Response:
    """The same, with what was asked for and the UIDs."""
    found = _found(request, number)
    lines = requests_of(request).lines(found.id, named=True)
    _note(request, LOOKED, f"request {number}")
    return _csv(written(lines, named=True), f"request-{number}-named.csv")


def compare_now(request: Request, pipeline: Annotated[str, Form()] = "", form: Annotated[str, Form()] = "") -> Response:
    """Hold a pipeline's folder against all that came of it."""
    demand_form_token(request, form)
    settings: Config = request.app.state.config
    if pipeline not in _cumulative(settings):
        raise BadRequest("A comparison is of a pipeline whose folder is the whole truth.")
    _note(request, "compare delivery", pipeline)
    try:
        compare(settings, pipeline, user(request).name, request.app.state.engine)
    except CohortiumError as error:
        return _overview(request, 0, problem=f"{pipeline}: {error}", status=422)
    return RedirectResponse("/completeness#folders", 303)


def absent(request: Request, source: str = "") -> Response:
    """What a folder had no more when it was last compared, by pseudonym and UID."""
    found = _comparisons(request).absent(source)
    if not found:
        raise HTTPException(404)
    _note(request, "look at what is absent", source)
    text = StringIO()
    writer = csv.DictWriter(text, [each.name for each in fields(Absent)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(each) for each in found)
    return _csv(text.getvalue(), "absent.csv")


def _overview(request: Request, before: int, problem: str = "", status: int = 200) -> Response:
    settings: Config = request.app.state.config
    asked = requests_of(request).asked(before=before, limit=SHOWN + 1)
    newest = {each.source: each for each in _comparisons(request).newest()}
    values: dict[str, Any] = {
        "requests": [(each, missing(each)) for each in asked[:SHOWN]],
        "older": asked[SHOWN - 1].id if len(asked) > SHOWN else 0,
        "folders": [
            (name, each.name, newest.get(each.name))
            for name in _cumulative(settings)
            for each in folders_of(settings, name)
        ],
        "problem": problem,
    }
    return render(request, "completeness.html", status, **values)


def _one(request: Request, number: int, after: int, *, named: bool) -> Response:
    found = _found(request, number)
    lines = requests_of(request).lines(number, after=after, limit=SHOWN + 1, named=named)
    if named:
        _note(request, LOOKED, f"request {number}")
    values: dict[str, Any] = {
        "asked": found,
        "missing": missing(found),
        "bar": progress(found.counts),
        "held": requests_of(request).held(number),
        "lines": lines[:SHOWN],
        "older": lines[SHOWN - 1].number if len(lines) > SHOWN else 0,
        "first_page": not after,
        "named": named,
    }
    return render(request, "completeness-request.html", **values)


def _found(request: Request, number: int) -> Asked:
    found = requests_of(request).one(number)
    if found is None:
        raise HTTPException(404)
    return found


def _cumulative(settings: Config) -> list[str]:
    return [
        each.name for each in settings.pipelines if each.transfer == "cumulative" and folders_of(settings, each.name)
    ]


def _comparisons(request: Request) -> Comparisons:
    found: Comparisons = request.app.state.comparisons
    return found


def _note(request: Request, what: str, of: str) -> None:
    with request.app.state.engine.begin() as connection:
        record(request, connection, what, of)


def _csv(text: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, headers=headers, media_type="text/csv; charset=utf-8")


ROUTES = (
    Route("GET", "/completeness", overview, May.OPERATE),
    Route("POST", "/completeness", compare_now, May.INSPECT),
    Route("GET", "/completeness/absent.csv", absent, May.IDENTIFY),
    Route("GET", "/completeness/{number}", one, May.OPERATE),
    Route("GET", "/completeness/{number}/counts.csv", counts, May.OPERATE),
    Route("GET", "/completeness/{number}/named", named, May.IDENTIFY),
    Route("GET", "/completeness/{number}/named.csv", named_counts, May.IDENTIFY),
)
