"""What clients ask of the site itself: schemas, roles, the header of a scan, and removal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import Request
from pydicom.datadict import dictionary_description, dictionary_has_tag, tag_for_keyword
from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response

from cohortium import find
from cohortium.archive import Archive, closing
from cohortium.archive import headers as kept
from cohortium.archive.resources import Level
from cohortium.archive.tombstones import Removable
from cohortium.errors import Refused
from cohortium.find.places import Node
from cohortium.govern import grants
from cohortium.govern.roles import May
from cohortium.store.schema import scan as scans
from cohortium.store.schema import session as sessions
from cohortium.web.auth import grounds, reading, user
from cohortium.web.errors import BadRequest
from cohortium.web.xnat import nodes, types
from cohortium.web.xnat.tables import table

__all__ = ["access", "dump", "plugins", "remove", "schema", "schemas"]

REASON = "removed by an owner through an XNAT client"
REMOVABLE = {Level.SUBJECT: Removable.SUBJECT, Level.SESSION: Removable.SESSION, Level.SCAN: Removable.SCAN}
ROLES = (("owner", May.MANAGE), ("member", May.WRITE), ("collaborator", May.READ))


def schemas() -> Response:
    """The names of the schemas."""
    return JSONResponse(["xnat"])


def schema(name: str) -> Response:
    """The schema of the types that are held."""
    if name != "xnat":
        raise HTTPException(404)
    return Response(types.schema(), media_type="application/xml")


def plugins() -> Response:
    """There are none."""
    return JSONResponse({})


def access(request: Request) -> Response:
    """The projects that may be read, each with the role that says so."""
    with reading(request).connect() as connection:
        held = {role: set(grants.names(connection, user(request), may)) for role, may in ROLES}
    rows = [
        {"ID": name, "role": next(role for role, _ in ROLES if name in held[role])}
        for name in sorted(held["collaborator"])
    ]
    return JSONResponse(rows)


def dump(request: Request) -> Response:
    """The header of the first image of a scan or a session, element by element; no object is opened for it."""
    source = request.query_params.get("src", "")
    parts = nodes.parts(source.strip("/").removeprefix("data/"))
    found = nodes.node(request, parts)
    of = {Level.SESSION: sessions.c.id, Level.SCAN: scans.c.id}.get(found.level)
    if of is None:
        raise BadRequest("a header is asked of an experiment or a scan")
    first = next(find.members(reading(request), user(request), of, found.ids[-1]), None)
    if first is None:
        raise HTTPException(404)
    wanted = {_tag(name) for name in request.query_params.getlist("field")}
    with reading(request).connect() as connection:
        scan_id = connection.scalar(
            select(scans.c.id).where(
                scans.c.project_id == first.project_id, scans.c.SeriesInstanceUID == first.SeriesInstanceUID
            )
        )
        (text,) = kept.read(connection, scan_id or 0, [first.id])
    nodes.note(request, "retrieve metadata", found)
    rows = list(_elements(json.loads(text), wanted))
    return table(request, rows, ("tag1", "tag2", "vr", "value", "desc"))


def remove(request: Request, place: str) -> Response:
    """Remove a project, a subject, an experiment or a scan with all below it, which leaves tombstones."""
    found = nodes.node(request, nodes.parts(place))
    archive: Archive = request.app.state.archive
    who = user(request)
    with reading(request).connect() as connection:
        basis = grants.basis(connection, who, found.project_id, May.DELETE)
    said = {"reason": REASON, **grounds(request, basis)}
    if found.level is Level.PROJECT:
        if found.project in {each.name for each in request.app.state.config.projects}:
            raise Refused("this project stands in the configuration of the site; it has to be taken out there first")
        closing.close(archive, found.project, who=who.name, **said)
        return PlainTextResponse("")
    named = REMOVABLE[found.level], _name(request, found)
    # clients go on asking what is in the session of a scan
    archive.remove(found.project, *named, Removable.SESSION, who=who.name, **said)
    return PlainTextResponse("")


def _name(request: Request, found: Node) -> str:
    """Under which the archive removes it: a subject's PatientID, else a UID."""
    column = {Level.SESSION: sessions.c.StudyInstanceUID, Level.SCAN: scans.c.SeriesInstanceUID}.get(found.level)
    if column is None:
        return str(found.labels[-1])
    with reading(request).connect() as connection:
        return str(connection.scalar(select(column).where(column.table.c.id == found.ids[-1])))


def _tag(name: str) -> str:
    if len(name) == 8 and all(letter in "0123456789abcdefABCDEF" for letter in name):
        return name.upper()
    tag = tag_for_keyword(name)
    if tag is None:
        raise BadRequest("a field is an attribute's keyword, or its tag of eight hexadecimal digits")
    return f"{tag:08X}"


def _elements(header: Mapping[str, Any], wanted: set[str], around: str = "") -> Iterator[Mapping[str, str]]:
    """A row for each element, those of a sequence behind its own with its tag in front, as XNAT has them."""
    for tag, each in sorted(header.items()):
        if (wanted and tag not in wanted) or "BulkDataURI" in each:
            continue
        shown = f"({tag[:4]},{tag[4:]})"
        items = each.get("Value", []) if each["vr"] == "SQ" else []
        values = [] if items else each.get("Value", [])
        text = "\\".join(str(one.get("Alphabetic", "") if isinstance(one, dict) else one) for one in values)
        said = dictionary_description(int(tag, 16)) if dictionary_has_tag(int(tag, 16)) else ""
        tags = {"tag1": around, "tag2": shown} if around else {"tag1": shown, "tag2": ""}
        yield {**tags, "vr": each["vr"], "value": text, "desc": said}
        for item in items:
            yield from _elements(item, set(), f"{around} {shown}".lstrip())
