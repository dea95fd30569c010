"""Projects, what they show to whom, and their subjects page by page."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response
from starlette.exceptions import HTTPException

from cohortium import find
from cohortium.govern import grants
from cohortium.govern.roles import May, Visibility
from cohortium.web.api.paging import link_next
from cohortium.web.auth import reading, record, searched, user
from cohortium.wire import api

__all__ = ["list_projects", "make_visible", "project", "subjects"]

Limit = Annotated[int, Query(ge=1, le=200)]
Text = Annotated[str, Query(max_length=200)]


def list_projects(request: Request) -> list[api.Project]:
    """Every project that the caller may know of, by name; with counts where its data may be read."""
    with reading(request).connect() as connection:
        cards = {card.name: card for card in find.projects(connection, user(request))}
        outlines = find.outlines(connection, user(request))
    return [_project(outline, cards.get(outline.name)) for outline in outlines]


def project(request: Request, name: str) -> api.Project:
    """A project: how it was de-identified, and what it holds."""
    with reading(request).connect() as connection:
        outline = next((each for each in find.outlines(connection, user(request)) if each.name == name), None)
        if outline is None:
            raise HTTPException(404)
        return _project(outline, find.project_named(connection, user(request), name))


def make_visible(request: Request, name: str, wish: api.VisibilityWish) -> api.Project:
    """Say what the project shows to who has no role in it."""
    with request.app.state.engine.begin() as connection:
        project_id = grants.id_of(connection, user(request), name, May.MANAGE)
        grants.make_visible(connection, project_id, Visibility(wish.visibility))
        record(request, connection, f"make {wish.visibility}", name, project_id, May.MANAGE)
    return project(request, name)


def subjects(
    request: Request, response: Response, name: str, after: Text = "", words: Text = "", limit: Limit = 50
) -> list[api.Subject]:
    """Subjects in the order of their pseudonyms, with sessions and scans; with `words`, those that hold every word."""
    with reading(request).connect() as connection:
        project_id = grants.id_of(connection, user(request), name, May.READ)
        page = find.subjects(connection, user(request), project_id, after=after, words=words, limit=limit)
    with request.app.state.engine.begin() as connection:
        what = f"{name}?{searched(request, words=words)}" if words else name
        record(request, connection, "search" if words else "list subjects", what, project_id)
    if page.after:
        link_next(request, response, page.after)
    return [api.Subject.model_validate(each) for each in page.subjects]


def _project(outline: find.Outline, card: find.ProjectCard | None) -> api.Project:
    found = api.Project.model_validate(outline)
    return found.model_copy(update={"counts": api.Counts.model_validate(card)}) if card else found
