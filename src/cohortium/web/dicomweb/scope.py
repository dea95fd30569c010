"""What a DICOMweb address means for who calls it: the project, the UIDs, and what may be seen of it.

What may not be seen is answered like what is not there.
"""

from __future__ import annotations

import re

from fastapi import Request
from starlette.exceptions import HTTPException

from cohortium import find
from cohortium.archive import Archive
from cohortium.web import auth
from cohortium.web.auth import reading, user

__all__ = ["address", "archive", "held", "project", "record", "uids"]

UID = re.compile(r"[0-9][0-9.]{0,63}")
LONGEST = 255  # characters of what an audit row is about


def project(request: Request) -> str | None:
    """The project in the address, which the guard has seen to; None where it speaks of all."""
    name: str | None = request.path_params.get("project")
    return name


def uids(request: Request) -> tuple[str, ...]:
    """The UIDs in the address, from the study down."""
    found = [request.path_params.get(level) for level in ("study", "series", "instance")]
    return tuple(_uid(each) for each in found if each is not None)


def held(request: Request) -> list[find.Held]:
    """The instances that the address names, of which there is at least one; 409 where two projects hold them.

    410 where they were removed.
    """
    with reading(request).connect() as connection:
        found = find.held(connection, user(request), project(request), uids(request))
        if not found:
            gone = find.was_removed(connection, user(request), project(request), uids(request))
            raise HTTPException(410 if gone else 404)
    if found[0].project != found[-1].project:
        raise HTTPException(409)
    return found


def record(request: Request, what: str, about: str, project_id: int | None = None) -> None:
    """An audit row of its own transaction."""
    with request.app.state.engine.begin() as connection:
        auth.record(request, connection, what, about[:LONGEST], project_id)


def archive(request: Request) -> Archive:
    found: Archive = request.app.state.archive
    return found


def address(request: Request, name: str, *uids: str) -> str:
    """The address of a study, series or instance within its project."""
    levels = zip(("studies", "series", "instances"), uids, strict=False)
    return f"{request.app.state.public.address}/dicomweb/{name}" + "".join(f"/{level}/{uid}" for level, uid in levels)


def _uid(text: str) -> str:
    if not UID.fullmatch(text):
        raise HTTPException(404)
    return text
