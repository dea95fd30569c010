"""The audit for those who look over the site: searched by person, project and time, and taken out as it was found.

Who looks is in the audit too. What proves that no row was changed or cut off is `cohortium prove audit`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from cohortium.prove import trail
from cohortium.web.auth import reading, record
from cohortium.web.portal.templating import render

__all__ = ["export", "page"]

SHOWN, AT_ONCE = 100, 5000
LONGEST = 64
DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is looked for; days are of UTC, both included."""

    who: str = ""
    project: str = ""
    what: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def of(cls, request: Request) -> Wish:
        """What the address asks for; a day that is none is left out."""
        said = {each.name: request.query_params.get(each.name, "").strip()[:LONGEST] for each in fields(cls)}
        return cls(
            **{name: text for name, text in said.items() if name not in ("since", "until") or DAY.fullmatch(text)}
        )

    @property
    def query(self) -> str:
        """As it stands in an address."""
        return urlencode({name: text for name, text in asdict(self).items() if text})


def page(request: Request, before: str = "") -> Response:
    """A page of what was found, newest first."""
    wish = Wish.of(request)
    number = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else 0
    with reading(request).connect() as connection:
        found = trail.rows(connection, **asdict(wish), before=number, limit=SHOWN)
    _note(request, "read audit", wish)
    older = found[-1]["id"] if len(found) == SHOWN else 0
    return render(request, "audit.html", rows=found, wish=wish, older=older, first=not number)


def export(request: Request) -> Response:
    """All that was found, one JSON object a line, as `prove audit export` writes rows."""
    wish = Wish.of(request)
    _note(request, "export audit", wish)
    headers = {"Content-Disposition": 'attachment; filename="audit.jsonl"'}
    return StreamingResponse(_lines(request, wish), headers=headers, media_type="application/x-ndjson")


def _lines(request: Request, wish: Wish) -> Iterator[str]:
    before = 0
    while True:
        with reading(request).connect() as connection:
            found = trail.rows(connection, **asdict(wish), before=before, limit=AT_ONCE)
        yield "".join(json.dumps({"kind": "row", **row}, sort_keys=True) + "\n" for row in found)
        if len(found) < AT_ONCE:
            return
        before = found[-1]["id"]


def _note(request: Request, what: str, wish: Wish) -> None:
    with request.app.state.engine.begin() as connection:
        record(request, connection, what, f"{wish.project or 'site'}")
