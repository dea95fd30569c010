"""Files beside the images: listed, uploaded, their versions, and the bytes of each."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from cohortium import find
from cohortium.archive import Archive, Level
from cohortium.govern import grants
from cohortium.govern.roles import May
from cohortium.web import uploads
from cohortium.web.api.content import send
from cohortium.web.auth import RowId, reading, record, user
from cohortium.web.errors import BadRequest
from cohortium.wire import api

__all__ = ["content", "file", "list_files", "remove", "upload"]

Of = Annotated[int | None, Query(ge=0, lt=1 << 63)]


def list_files(request: Request, name: str, level: api.LevelName | None = None, of: Of = None) -> list[api.Resource]:
    """The resources of a project, or of one subject, session or scan, each file in its newest version."""
    with reading(request).connect() as connection:
        project_id = grants.id_of(connection, user(request), name, May.READ)
        at = Level(level) if level else None
        found = find.resources(connection, user(request), project_id, at, of)
    with request.app.state.engine.begin() as connection:
        record(request, connection, "list files", name, project_id)
    return [api.Resource.model_validate(each) for each in found]


async def upload(request: Request, name: str) -> Response:
    """Take files of a form (`multipart/form-data`): first the fields level, of, kind, label and consent, then files.

    A site's receipt stands in the field `receipt` before its file, or in its part's header field `Cohortium-Receipt`.
    Each has its own answer, in order; what the archive's check refuses waits in the project's prearchive.
    """
    taken: list[uploads.Taken] = []
    async for fields, called, body in uploads.files(request):
        to = uploads.destination(fields, called)
        taken.append(await uploads.take(request, name, len(taken) + 1, to, body, fields["receipt"]))
    answers = [api.Upload.model_validate(each).model_dump(mode="json") for each in taken]
    held = [each.file is not None for each in taken]
    if not held:
        raise BadRequest("the form brings no file")
    return JSONResponse(answers, 201 if all(held) else 207 if any(held) else 422)


def file(request: Request, file_id: RowId) -> list[api.File]:
    """Every version of a file's name, the newest first."""
    with reading(request).connect() as connection:
        found = find.resource_versions(connection, user(request), file_id)
    if not found:
        raise HTTPException(404)
    return [api.File.model_validate(each) for each in found]


def content(request: Request, file_id: RowId) -> Response:
    """The bytes of one version, to be saved and never shown in place."""
    with reading(request).connect() as connection:
        found = _file(connection, request, file_id)
    with request.app.state.engine.begin() as connection:
        record(request, connection, "read file", f"{found.project}/{found.digest}", found.project_id)
    answer = send(request, found.project_id, found.address, found.media_type)
    answer.headers["Content-Disposition"] = f'attachment; filename="{found.name.rpartition("/")[2]}"'
    return answer


def remove(request: Request, file_id: RowId, wish: api.Reason) -> api.Removed:
    """Remove a file in all its versions; a tombstone stays."""
    with reading(request).connect() as connection:
        found = _file(connection, request, file_id)
        if found.project not in grants.names(connection, user(request), May.DELETE):
            raise HTTPException(403)
    archive: Archive = request.app.state.archive
    count = archive.detach(found.resource_id, found.name, who=user(request).name, reason=wish.reason)
    return api.Removed(instances=0, scans=0, files=count)


def _file(connection: Connection, request: Request, file_id: int) -> find.FileRow:
    found = find.resource_file_of(connection, user(request), file_id)
    if found is None:
        raise HTTPException(404)
    return found
