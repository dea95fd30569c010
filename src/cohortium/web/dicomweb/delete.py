"""DELETE of a study, series or instance: for owners, and for good. A tombstone stays and answers 410 from then on.

PS3.18 has no such transaction; clients agree on the method and the address. The reason comes in a header field, so that
what somebody writes stands in no address.
"""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from cohortium.archive import Removable
from cohortium.archive.tombstones import reason_of
from cohortium.errors import Refused
from cohortium.web.auth import user
from cohortium.web.dicomweb import scope
from cohortium.web.errors import BadRequest

__all__ = ["delete"]

REASON = "cohortium-reason"
UNSAID = "deleted through DICOMweb, no reason said"
LEVELS = (Removable.SESSION, Removable.SCAN, Removable.INSTANCE)


def delete(request: Request) -> Response:
    """Remove what the address names, with all below it; a series or study that is empty then goes too."""
    held, uids = scope.held(request)[0], scope.uids(request)
    try:
        reason = reason_of(request.headers.get(REASON, UNSAID))
    except Refused as error:
        raise BadRequest(f"{REASON}: {error}") from None
    scope.record(request, "delete", f"{held.project}/{uids[-1]}", held.project_id)
    scope.archive(request).remove(held.project, LEVELS[len(uids) - 1], uids[-1], who=user(request).name, reason=reason)
    return Response(status_code=204)
