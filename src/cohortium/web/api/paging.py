"""Pages by key: an answer is a list, and its `Link` header says where the next one begins (RFC 8288)."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from fastapi import Request, Response

from cohortium.web.errors import BadRequest
from cohortium.web.public import Public

__all__ = ["begin", "link_next", "mark"]


def link_next(request: Request, response: Response, after: str | int) -> None:
    """Let the answer say that another page begins behind `after`."""
    public: Public = request.app.state.public
    url = request.url.include_query_params(after=after)
    response.headers["Link"] = f'<{public.address}{url.path}?{url.query}>; rel="next"'


def mark(key: tuple[Any, ...]) -> str:
    """The key of a page's last row, as the address of the next carries it."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def begin(after: str) -> tuple[Any, ...] | None:
    """The key of a mark; None where the first page is asked for."""
    if not after:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)))
    except (ValueError, binascii.Error):
        found = None
    if not isinstance(found, list) or not all(isinstance(each, str | int) for each in found):
        raise BadRequest("`after` is taken from the Link header of the page before")
    return tuple(found)
