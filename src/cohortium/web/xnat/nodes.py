"""Projects, subjects, experiments and scans: their lists, and each by itself.

An address names them from any level down, by label or number; `/data/archive/...` says the same as `/data/...`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from cohortium.archive import fields
from cohortium.archive.resources import Level
from cohortium.find import places
from cohortium.find.places import Node
from cohortium.govern.roles import May
from cohortium.web.auth import reading, record, searched, user
from cohortium.web.xnat import types
from cohortium.web.xnat.tables import item, table

__all__ = ["WORDS", "WORD_OF", "address", "node", "note", "parts", "show"]

WORDS = {"projects": Level.PROJECT, "subjects": Level.SUBJECT, "experiments": Level.SESSION, "scans": Level.SCAN}
WORD_OF = {level: word for word, level in WORDS.items()}
NOTHING = ("assessors", "reconstructions")  # kinds of things that no session here has
COLUMNS: Mapping[Level, tuple[str, ...]] = {
    Level.PROJECT: ("ID", "name", "secondary_ID", "description", "URI"),
    Level.SUBJECT: ("ID", "label", "project", "insert_date", "URI"),
    Level.SESSION: ("ID", "label", "project", "subject_ID", "subject_label", "date", "xsiType", "insert_date", "URI"),
    Level.SCAN: ("xnat_imagescandata_id", "ID", "type", "quality", "xsiType", "note", "series_description", "URI"),
}
DATA_FIELDS: Mapping[Level, tuple[str, ...]] = {
    Level.PROJECT: ("ID", "name", "secondary_ID", "description"),
    Level.SUBJECT: ("ID", "label", "project"),
    Level.SESSION: ("ID", "label", "project", "subject_ID", "date", "UID", "modality"),
    Level.SCAN: ("ID", "UID", "type", "modality", "series_description", "image_session_ID", "frames", "quality"),
}
PATHS = ("URI", "name", "columns", "format", "limit", "xsiType", "req_format")  # of a query: no attributes to match


def show(request: Request, place: str) -> Response:
    """A list where the address ends with a word, else the one thing that it names."""
    named = parts(place)
    if len(named) % 2 == 0:
        return _one(request, node(request, named))
    *above, word = named
    if word in NOTHING:
        node(request, above)
        return table(request, [], ("ID", "label", "xsiType", "URI"))
    if word not in WORDS:
        raise HTTPException(404)
    return _list(request, WORDS[word], node(request, above) if above else None)


def node(request: Request, named: list[str]) -> Node:
    """What an address names, for who may do there what the route is for; 404, or 403 where it may only be seen."""
    path = _segments(named)
    may = request.state.access if isinstance(request.state.access, May) else May.READ
    with reading(request).connect() as connection:
        found = places.node(connection, user(request), path, may)
        if found is None:
            raise HTTPException(403 if places.node(connection, user(request), path, May.READ) else 404)
    return found


def _segments(named: list[str]) -> list[tuple[Level, str]]:
    """The levels of an address from the top down; 404 where they are none, or not in their order."""
    words, names = named[::2], named[1::2]
    levels = [WORDS[word] for word in words if word in WORDS]
    if not levels or len(levels) != len(words) or len(words) != len(names) or levels != sorted(levels, key=_depth):
        raise HTTPException(404)
    return list(zip(levels, names, strict=True))


def address(found: Node) -> str:
    """The address of one thing, as clients are told it."""
    if found.level is Level.PROJECT:
        return f"/data/projects/{found.project}"
    if found.level is Level.SUBJECT:
        return f"/data/subjects/{places.numbered(Level.SUBJECT, found.ids[1])}"
    session = f"/data/experiments/{places.numbered(Level.SESSION, found.ids[2])}"
    return session if found.level is Level.SESSION else f"{session}/scans/{found.labels[3]}"


def note(request: Request, what: str, found: Node | None, more: str = "") -> None:
    """Let the audit say so: what was done, and where."""
    about = ("*" if found is None else "/".join(found.labels)) + more
    with request.app.state.engine.begin() as connection:
        record(request, connection, what, about[:255], found.project_id if found else None)


def parts(place: str) -> list[str]:
    """What stands between the slashes of an address below `/data` or `/data/archive`; 404 where nothing does."""
    found = place.removeprefix("archive/").rstrip("/").split("/")
    if not all(found) or len(found) > 8:
        raise HTTPException(404)
    return found


def _depth(level: Level) -> int:
    return places.LEVELS.index(level)


def _list(request: Request, level: Level, top: Node | None) -> Response:
    if top is not None and _depth(top.level) >= _depth(level):
        raise HTTPException(404)
    rows = (_row(level, row) for row in places.below(reading(request), user(request), level, top))
    asked = request.query_params.items()
    told = {name.rpartition("/")[2]: text for name, text in asked if name not in PATHS}
    if kinds := request.query_params.get("xsiType"):
        rows = (row for row in rows if row["xsiType"] in kinds.split(","))
    rows = (row for row in rows if all(_matches(row, name, text) for name, text in told.items()))
    note(request, f"list {level}s", top, f"?{searched(request, **told)}" if told else "")
    return table(request, rows, COLUMNS[level])


def _matches(row: Mapping[str, Any], name: str, text: str) -> bool:
    """Whether the attribute, if there is one of that name, has that value; a last `*` or `%` stands for anything."""
    held = str(row.get(name, text))
    return held.startswith(text[:-1]) if text.endswith(("*", "%")) else held == text


def _one(request: Request, found: Node) -> Response:
    row = next(places.below(reading(request), user(request), found.level, found), None)
    with reading(request).connect() as connection:
        own = fields.fields_of(connection, found.project_id, found.level, found.of)
    if row is None:
        raise HTTPException(404)
    said = _row(found.level, row)
    note(request, f"open {found.level}", found)
    values = {name: said[name] for name in DATA_FIELDS[found.level]}
    return item(said["xsiType"], values, said["insert_date"], list(_fields(found.level, own)))


def _fields(level: Level, own: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    """Fields that people added, as XNAT nests them; a scan has none of that name, and parameters in their place."""
    place, value = ("parameters/addParam", "addField") if level is Level.SCAN else ("fields/field", "field")
    if own:
        rows = [{"name": name, value: text} for name, text in own.items()]
        meta = {"isHistory": False}
        yield {"field": place, "items": [{"children": [], "meta": meta, "data_fields": row} for row in rows]}


def _row(level: Level, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the index under the names that XNAT has for it."""
    project = row["project_name"]
    if level is Level.PROJECT:
        title = row["project_title"].replace("/", "-").replace("\\", "-")
        values = {"ID": project, "name": title, "secondary_ID": project, "description": title}
        return values | {"xsiType": types.PROJECT, "insert_date": "", "URI": f"/data/projects/{project}"}
    subject = places.numbered(Level.SUBJECT, row["subject_id"])
    if level is Level.SUBJECT:
        values = {"ID": subject, "label": row["subject_PatientID"], "project": project, "xsiType": types.SUBJECT}
        return values | {"insert_date": "", "URI": f"/data/subjects/{subject}"}
    session = places.numbered(Level.SESSION, row["session_id"])
    if level is Level.SESSION:
        return _session(row, project, subject, session)
    description = row["scan_SeriesDescription"]
    return {
        "xnat_imagescandata_id": row["scan_id"],
        "ID": row["scan_label"],
        "UID": row["scan_SeriesInstanceUID"],
        "type": description or row["scan_Modality"],
        "series_description": description,
        "modality": row["scan_Modality"],
        "frames": row["frames"],
        "quality": "usable",
        "note": "",
        "image_session_ID": session,
        "xsiType": types.scan_type(row["scan_Modality"]),
        "insert_date": "",
        "URI": f"/data/experiments/{session}/scans/{row['scan_label']}",
    }


def _session(row: Mapping[str, Any], project: str, subject: str, session: str) -> dict[str, Any]:
    date = row["session_StudyDate"]
    return {
        "ID": session,
        "label": row["session_label"],
        "project": project,
        "subject_ID": subject,
        "subject_label": row["subject_PatientID"],
        "date": f"{date[:4]}-{date[4:6]}-{date[6:]}" if len(date) == 8 else "",
        "UID": row["session_StudyInstanceUID"],
        "modality": ",".join(row["modalities"]),
        "xsiType": types.session_type(row["modalities"]),
        "insert_date": "",
        "URI": f"/data/experiments/{session}",
    }
