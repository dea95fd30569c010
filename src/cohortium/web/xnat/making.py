"""Making subjects, experiments and scans before anything is in them, projects of the configured protocol, and fields.

Labels and values that people type are checked as every text is that comes in. Attributes come from images, so none is
set here; what this archive does not keep is refused, not dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fastapi import Request
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from cohortium import config
from cohortium.archive import Level, fields, labels, making, projects
from cohortium.deidentify import protocol
from cohortium.errors import Refused
from cohortium.find import places
from cohortium.find.places import Node
from cohortium.govern import grants
from cohortium.govern.roles import ALLOWED, May, Role
from cohortium.web.auth import reading, record, user
from cohortium.web.xnat import nodes, types

__all__ = ["put"]

FIELD = re.compile(r"(?:.*/)?(?:fields/field|parameters/addParam)\[(?:name=)?([A-Za-z0-9_]{1,64})\]/([A-Za-z0-9_]+)")
MEANINGLESS = ("xsiType", "req_format", "format", "event_reason", "event_type", "event_action", "allowDataDeletion")
NAMES = ("ID", "label", "name", "secondary_ID", "description", "project", "subject_ID", "id", "modality")
VALUES = ("field", "addField")  # where a field has its value; its name, beside that, says nothing more
REMOVED = "NULL"  # what clients send in place of a value


@dataclass(frozen=True, slots=True)
class Wish:
    """What the query asks for: values of fields, and what the thing is to be called or to belong to."""

    fields: dict[str, str]
    named: dict[str, str]


def put(request: Request, place: str) -> Response:
    """Make what the address names, unless it is there, and give it the fields that the query names."""
    *above, word, name = nodes.parts(place)
    if word not in nodes.WORDS or (nodes.WORDS[word] is Level.PROJECT and above):  # which would share it
        raise HTTPException(501)
    wish, level = _wish(request), nodes.WORDS[word]
    if level is Level.PROJECT:
        return _project(request, name, wish)
    top = nodes.node(request, above or ["projects", wish.named.get("project", "")])
    with request.app.state.engine.begin() as connection:
        before = places.node(connection, user(request), [*_path(top), (level, name)], May.WRITE)
        found = before or _make(connection, request, top, level, name, wish)
        if before is not None and wish.named.get("label", before.labels[-1]) not in (before.labels[-1], name):
            found = _rename(connection, request, before, wish.named["label"])
        _put_fields(connection, request, found, wish)
        if before is None:
            record(request, connection, f"make {level}", "/".join(found.labels)[:255], found.project_id, May.WRITE)
    called = places.numbered(level, found.ids[-1]) if level in places.ACCESSION else found.labels[-1]
    return PlainTextResponse(called, 200 if before else 201)


def _wish(request: Request) -> Wish:
    asked = Wish({}, {})
    for key, value in request.query_params.items():
        if key in MEANINGLESS:
            continue
        if found := FIELD.fullmatch(key):
            if found[2] in VALUES:
                asked.fields[found[1]] = "" if value == REMOVED else value
        elif key.rpartition("/")[2] in NAMES:
            asked.named[key.rpartition("/")[2]] = value
        else:
            raise Refused("an attribute that was to be set is none that can be: images bring them; use a custom field")
    return asked


def _make(connection: Connection, request: Request, top: Node, level: Level, name: str, wish: Wish) -> Node:
    """The thing as a node, its row written."""
    said = wish.named.get("label", name)
    if name != said:
        raise Refused("the label in the query is another than that in the address")
    row = projects.project_named(connection, top.project)
    if level is Level.SUBJECT:
        made = making.make_subject(connection, row, name)
        return Node(level, (*top.ids, made), (*top.labels, name))
    if level is Level.SESSION:
        top = _subject(connection, request, top, wish)
        made = making.make_session(connection, top.project_id, top.ids[1], name)
        return Node(level, (*top.ids, made), (*top.labels, name))
    if top.level is not Level.SESSION:
        raise HTTPException(404)
    modality = types.modality_of(request.query_params.get("xsiType", "")) or "OT"
    made = making.make_scan(connection, top.project_id, top.ids[2], name, modality)
    return Node(level, (*top.ids, made), (*top.labels, name))


def _rename(connection: Connection, request: Request, found: Node, label: str) -> Node:
    """The session under its new label; other labels are what the images say."""
    if found.level is not Level.SESSION:
        raise Refused("only an experiment gets another label: that of a subject or a scan is what its images say")
    labels.rename(connection, found.project_id, found.ids[-1], label)
    record(request, connection, "rename session", "/".join((*found.labels, label))[:255], found.project_id, May.WRITE)
    return Node(found.level, found.ids, (*found.labels[:-1], label))


def _subject(connection: Connection, request: Request, top: Node, wish: Wish) -> Node:
    """Whose the session is to be: of the address, or else of the query."""
    if top.level is Level.SUBJECT:
        return top
    named = wish.named.get("subject_ID", "")
    found = places.node(connection, user(request), [*_path(top), (Level.SUBJECT, named)], May.WRITE)
    if top.level is not Level.PROJECT or found is None:
        raise Refused("an experiment belongs to a subject that is there; name it in the address")
    return found


def _project(request: Request, name: str, wish: Wish) -> Response:
    """Fields of a project; one that is not there is made by an administrator, under the protocol that is configured."""
    who = user(request)
    with reading(request).connect() as connection:
        found = places.node(connection, who, [(Level.PROJECT, name)], May.WRITE)
        is_seen = places.node(connection, who, [(Level.PROJECT, name)], May.SEE) is not None
    if found is None and (is_seen or May.ADMINISTER not in ALLOWED[who.standing] & who.scope):
        raise HTTPException(403)
    settings: config.Config = request.app.state.config
    if found is None and not settings.serve.projects:
        raise Refused("projects are made in this site's configuration; serve.projects names no protocol for others")
    with request.app.state.engine.begin() as connection:
        if found is None:
            if not config.NAME.fullmatch(name):
                raise Refused("a project is called by lower-case letters, digits and hyphens, at most 63")
            wanted = config.Project(name, wish.named.get("name", "")[:255], "check")
            made = projects.open_project(connection, wanted, protocol.load(settings.serve.projects))
            grants.give(connection, who.id, made, Role.OWNER, who.name)
            record(request, connection, "make project", name, made, May.MANAGE)
        at = found or Node(Level.PROJECT, (made,), (name,))
        _put_fields(connection, request, at, wish)
    return PlainTextResponse(name, 200 if found else 201)


def _put_fields(connection: Connection, request: Request, at: Node, wish: Wish) -> None:
    if wish.fields:
        fields.put_fields(connection, at.project_id, at.level, at.of, wish.fields, user(request).name)
        about = f"{'/'.join(at.labels)}: {', '.join(wish.fields)}"
        record(request, connection, "set fields", about[:255], at.project_id, May.WRITE)


def _path(at: Node) -> list[tuple[Level, str]]:
    return list(zip(places.LEVELS, at.labels, strict=False))
