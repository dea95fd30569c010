"""QIDO-RS: searches for studies, series and instances (PS3.18 10.6). No object is opened for one.

The audit keeps which attributes were matched, never with what.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from fastapi import Request
from pydicom.datadict import tag_for_keyword
from starlette.responses import Response

from cohortium import find
from cohortium.errors import Malformed
from cohortium.find.attributes import ATTRIBUTES, MODALITIES, Level
from cohortium.govern import grants
from cohortium.govern.roles import May
from cohortium.web.auth import reading, searched, user
from cohortium.web.dicomweb import rows, scope
from cohortium.web.dicomweb.negotiation import JSON, demand_json
from cohortium.web.errors import BadRequest

__all__ = ["instances", "series", "studies"]

MOST = 5000  # rows of a page
FUZZY = "The fuzzymatching parameter is not supported. Only literal matching has been performed."
MORE = "There are additional results that can be requested"


def studies(request: Request) -> Response:
    """Studies."""
    return _search(request, Level.STUDY)


def series(request: Request) -> Response:
    """Series, of one study or of all."""
    return _search(request, Level.SERIES)


def instances(request: Request) -> Response:
    """Instances, of one series, of one study, or of all."""
    return _search(request, Level.INSTANCE)


def _search(request: Request, level: Level) -> Response:
    demand_json(request)
    values, fields, limit, offset = _parameters(request, level)
    wanted = find.Search(level, scope.project(request), scope.uids(request), values)
    bookmarks, mark = request.app.state.bookmarks, (user(request).id, wanted)
    after = bookmarks.find(mark, offset)
    with reading(request).connect() as connection:
        project_id = grants.id_of(connection, user(request), wanted.project, May.READ) if wanted.project else None
        try:
            found = find.search(
                connection, user(request), wanted, limit=limit, offset=0 if after else offset, after=after
            )
        except Malformed as error:
            raise BadRequest(str(error)) from None
        more = find.further(connection, found, level, fields) if fields else [{}] * len(found.rows)
    if found.last is not None:
        bookmarks.keep(mark, offset + len(found.rows), found.last)
    what = f"{wanted.project or '*'}/{level.name.lower()}?{searched(request, **dict(values))}"
    scope.record(request, "search", what, project_id)
    headers = dict(_warning(request, more=found.more and "limit" not in request.query_params))
    if not found.rows:
        return Response(status_code=204, headers=headers)
    described = zip(found.rows, more, strict=True)
    body = rows.text(described, level, len(wanted.uids), partial(scope.address, request))
    return Response(body, media_type=JSON, headers=headers)


def _parameters(request: Request, level: Level) -> tuple[tuple[tuple[str, str], ...], frozenset[str], int, int]:
    """Values to match by key, further attributes wanted, and the page."""
    values: list[tuple[str, str]] = []
    fields: set[str] = set()
    page = {"limit": MOST, "offset": 0}
    for name, text in request.query_params.multi_items():
        if name in page:
            page[name] = _whole(name, text)
        elif name == "includefield":
            fields |= {each if each == "all" else _key(each) for each in text.split(",") if each}
        elif name not in ("fuzzymatching", "accept"):
            values.append((_matched(name, level), text))
    return tuple(values), frozenset(fields), min(page["limit"], MOST), page["offset"]


def _matched(name: str, level: Level) -> str:
    key = _key(name)
    attribute = MODALITIES if key == MODALITIES.tag else ATTRIBUTES.get(key)
    if attribute is None or attribute.level > level:
        raise BadRequest("an attribute of the query cannot be matched at this level; see the conformance table")
    return key


def _key(name: str) -> str:
    """The key in DICOM JSON of an attribute by keyword or tag, within sequences joined by dots."""
    return ".".join(_tag(part) for part in name.split("."))


def _tag(name: str) -> str:
    if len(name) == 8 and all(letter in "0123456789abcdefABCDEF" for letter in name):
        return name.upper()
    tag = tag_for_keyword(name)
    if tag is None:
        raise BadRequest("the query names an attribute that PS3.6 does not have")
    return f"{tag:08X}"


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise BadRequest(f"{name} is a whole number, 0 or more")
    return int(text)


def _warning(request: Request, *, more: bool) -> Iterator[tuple[str, str]]:
    fuzzy = request.query_params.get("fuzzymatching", "false").lower() == "true"
    said = [text for text, holds in ((FUZZY, fuzzy), (MORE, more)) if holds]
    if said:
        yield "Warning", ", ".join(f'299 cohortium "{text}"' for text in said)
