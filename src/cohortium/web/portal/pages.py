"""The projects, one project, one scan; and the page that says that something is wrong."""

from __future__ import annotations

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from cohortium import find
from cohortium.prove import audit
from cohortium.web.api.scans import described
from cohortium.web.auth import RowId, reading, user
from cohortium.web.portal.charts import parts
from cohortium.web.portal.templating import render

__all__ = ["error_page", "home", "project", "scan"]

LONGEST = 200  # characters of a search


def home(request: Request) -> Response:
    """The projects that the person may see."""
    with reading(request).connect() as connection:
        cards = find.projects(connection, user(request))
    return render(request, "projects.html", cards=cards, parts=parts)


def project(request: Request, name: str, after: str = "", words: str = "") -> Response:
    """A project: subjects, their sessions, their scans."""
    words = words.strip()[:LONGEST]
    with reading(request).connect() as connection:
        card = find.project_named(connection, user(request), name)
        if card is None:
            raise HTTPException(404)
        page = find.subjects(connection, user(request), card.id, after=after, words=words)
    if not after and not words:
        _record(request, "open project", card.name)
    return render(request, "project.html", project=card, page=page, words=words, first=not after, parts=parts)


def scan(request: Request, scan_id: RowId) -> Response:
    """A scan: its frames in the viewer, or what its header says where it has none."""
    with reading(request).connect() as connection:
        found = find.scan(connection, user(request), scan_id)
        if found is None:
            raise HTTPException(404)
        session = find.siblings(connection, user(request), found.session_id)
    _record(request, "open scan", f"{found.project}/{found.SeriesInstanceUID}")
    return render(request, "scan.html", scan=found, session=session, described=described(found))


def error_page(request: Request, status: int, title: str, detail: str) -> Response:
    """A page that says what is wrong and where to go."""
    return render(request, "error.html", status, status=status, title=title, detail=detail)


def _record(request: Request, what: str, subject: str) -> None:
    with request.app.state.engine.begin() as connection:
        audit.record(connection, user(request).name, what, subject)
