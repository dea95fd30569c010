"""The pages of files beside the images: a project's or one place's, and one file with its versions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Form, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from cohortium import find
from cohortium.archive import Archive, Kind, Level
from cohortium.govern import grants
from cohortium.govern.roles import May
from cohortium.web import uploads
from cohortium.web.auth import RowId, demand_form_token, reading, record, user
from cohortium.web.portal.templating import render
from cohortium.wire import api

__all__ = ["file", "list_files", "remove", "upload"]

Text = Annotated[str, Form()]
Of = Annotated[int | None, Query(ge=0, lt=1 << 63)]


def list_files(request: Request, name: str, level: api.LevelName = "project", of: Of = None) -> Response:
    """Files of a project, or of one place in it, and where more can be put."""
    return _page(request, name, Level(level), of)


async def upload(request: Request, name: str) -> Response:
    """Take files; a page says of each what became of it, or JSON where the page's own script sends them."""
    taken: list[uploads.Taken] = []
    fields: dict[str, str] = {}
    async for said, called, content in uploads.files(request):
        if not taken:
            demand_form_token(request, said.get("form", ""))
        fields = dict(said)
        if called or content:
            to = uploads.destination(said, called)
            taken.append(await uploads.take(request, name, len(taken) + 1, to, content, said["receipt"]))
    problems = [
        f"File {each.number}: {each.problem}" if len(taken) > 1 else each.problem for each in taken if each.problem
    ]
    if problems and len(taken) > len(problems):
        problems.append("What is not named here came in.")
    if not taken:
        problems = ["Choose at least one file."]
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"problems": problems}, 422 if problems else 201)
    level, of = Level(fields.get("level") or "project"), int(fields["of"]) if fields.get("of") else None
    if problems:
        return _page(request, name, level, of, problems, 422)
    return RedirectResponse(f"/projects/{name}/files" + (f"?level={level}&of={of}" if of is not None else ""), 303)


def file(request: Request, file_id: RowId) -> Response:
    """A file: what it is, who vouched for it, and its versions."""
    with reading(request).connect() as connection:
        found = find.resource_file_of(connection, user(request), file_id)
        if found is None:
            raise HTTPException(404)
        versions = find.resource_versions(connection, user(request), file_id)
        project = grants.shown(connection, found.project_id)
        deletable = found.project in grants.names(connection, user(request), May.DELETE)
    return render(request, "file.html", file=found, versions=versions, project=project, deletable=deletable)


def remove(request: Request, file_id: RowId, reason: Text = "", form: Text = "") -> Response:
    """Remove a file in all its versions, with a reason that stays."""
    demand_form_token(request, form)
    with reading(request).connect() as connection:
        found = find.resource_file_of(connection, user(request), file_id)
        if found is None:
            raise HTTPException(404)
        if found.project not in grants.names(connection, user(request), May.DELETE):
            raise HTTPException(403)
    archive: Archive = request.app.state.archive
    archive.detach(found.resource_id, found.name, who=user(request).name, reason=reason)
    return RedirectResponse(f"/projects/{found.project}/files", 303)


def _page(
    request: Request, name: str, level: Level, of: int | None, problems: list[str] | None = None, status: int = 200
) -> Response:
    who = user(request)
    with reading(request).connect() as connection:
        project_id = grants.id_of(connection, who, name, May.READ)
        place = find.place_named(connection, who, project_id, level, of)
        if place is None:
            raise HTTPException(404)
        whole = level is Level.PROJECT
        values: dict[str, Any] = {
            "project": grants.shown(connection, project_id),
            "resources": find.resources(connection, who, project_id, None if whole else level, of),
            "writable": name in grants.names(connection, who, May.WRITE),
            "owned": name in grants.names(connection, who, May.DELETE),
        }
    with request.app.state.engine.begin() as connection:
        record(request, connection, "list files", name, project_id)
    return render(
        request, "files.html", status, **values, level=level, of=of, place=place, kinds=Kind, problems=problems or []
    )
