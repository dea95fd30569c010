"""Flags in the viewer's page: put and taken back."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request
from starlette.responses import RedirectResponse, Response

from cohortium.errors import Refused
from cohortium.govern.roles import May
from cohortium.web.api import flags
from cohortium.web.auth import RowId, demand_form_token
from cohortium.web.errors import BadRequest
from cohortium.web.route import Route
from cohortium.wire import api

__all__ = ["ROUTES"]

Text = Annotated[str, Form()]


def put(
    request: Request, scan_id: RowId, verdict: Text = "", reason: Text = "", instance: Text = "", form: Text = ""
) -> Response:
    """Flag the scan, or the instance that is shown."""
    demand_form_token(request, form)
    try:
        wish = api.FlagWish.model_validate({"verdict": verdict, "reason": reason.strip(), "SOPInstanceUID": instance})
    except ValueError:
        raise BadRequest("A flag is questionable or unusable, and says why in at most 500 characters.") from None
    try:
        flags.put(request, scan_id, wish)
    except Refused as error:
        raise BadRequest(str(error)) from None
    return RedirectResponse(f"/scans/{scan_id}", 303)


def end(request: Request, scan_id: RowId, flag_id: RowId, form: Text = "") -> Response:
    """Take a flag back."""
    demand_form_token(request, form)
    flags.end(request, scan_id, flag_id)
    return RedirectResponse(f"/scans/{scan_id}", 303)


ROUTES = (
    Route("POST", "/scans/{scan_id}/flags", put, May.WRITE),
    Route("POST", "/scans/{scan_id}/flags/{flag_id}/end", end, May.WRITE),
)
