"""For what watches over the machine. Anyone may ask, so the answer is one word: no version, and no cause."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import PlainTextResponse, Response

from cohortium.errors import CohortiumError
from cohortium.store import is_ready
from cohortium.web import auth

__all__ = ["live", "ready"]


async def live() -> Response:
    """200 as long as this process answers: where it does not, starting it anew helps."""
    return PlainTextResponse("live\n")


def ready(request: Request) -> Response:
    """200 while the store answers at this release's schema; else 503: requests had better go to another server."""
    try:
        is_now = is_ready(auth.reading(request))
    except CohortiumError:
        is_now = False
    return PlainTextResponse("ready\n") if is_now else PlainTextResponse("not ready\n", 503)
