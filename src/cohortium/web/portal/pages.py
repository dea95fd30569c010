"""One project, and one scan."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from cohortium import find
from cohortium.govern import grants
from cohortium.govern.roles import May
from cohortium.web.api.scans import described
from cohortium.web.auth import RowId, reading, record, searched, user
from cohortium.web.portal.charts import parts
from cohortium.web.portal.templating import render

__all__ = ["project", "scan"]

LONGEST = 200  # characters of a search


def project(request: Request, name: str, after: str = "", words: str = "") -> Response:
    """A project: subjects, their sessions, their scans; for who may only know of it, what it says of itself."""
    words = words.strip()[:LONGEST]
    with reading(request).connect() as connection:
        outline = next((each for each in find.outlines(connection, user(request)) if each.name == name), None)
        card = find.project_named(connection, user(request), name)
        if outline is None:
            raise HTTPException(404)
        if card is None:
            return render(request, "outline.html", project=outline)
        page = find.subjects(connection, user(request), card.id, after=after, words=words)
    with request.app.state.engine.begin() as connection:
        if words:
            record(request, connection, "search", f"{name}?{searched(request, words=words)}", card.id)
        elif not after:
            record(request, connection, "open project", card.name, card.id)
    values: dict[str, Any] = {
        "project": card,
        "outline": outline,
        "page": page,
        "words": words,
        "first": not after,
        "parts": parts,
    }
    return render(request, "project.html", **values)


def scan(request: Request, scan_id: RowId) -> Response:
    """A scan: its frames in the viewer, or what its header says where it has none."""
    with reading(request).connect() as connection:
        found = find.scan(connection, user(request), scan_id)
        if found is None:
            raise HTTPException(404)
        session = find.siblings(connection, user(request), found.session_id)
        writes = found.project in grants.names(connection, user(request), May.WRITE)
    with request.app.state.engine.begin() as connection:
        record(request, connection, "open scan", f"{found.project}/{found.SeriesInstanceUID}", found.project_id)
    standing = [flag for flag in found.flags if not flag.ended]
    return render(
        request,
        "scan.html",
        scan=found,
        session=session,
        standing=standing,
        writes=writes,
        described=described(found).model_dump(),
    )
