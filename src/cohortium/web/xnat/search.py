"""`/data/search` as XNAT's clients post it: an XML document of a type, columns and conditions, answered as a table.

Types and fields are those of the tables beside this; whatever else a document says is refused, so that no condition
is dropped unseen. The audit keeps the names of fields and keyed digests of what they were compared with.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from cohortium.archive.resources import Level
from cohortium.errors import Malformed
from cohortium.find import criteria
from cohortium.find.criteria import OWN, Criterion, Field, Group, Kind, Operator
from cohortium.web.auth import reading, record, searched, user
from cohortium.web.errors import BadRequest
from cohortium.web.xnat import types
from cohortium.web.xnat.tables import table
from cohortium.wire.multipart import TooLarge

__all__ = ["element", "elements", "search"]

LARGEST, DEEPEST, MOST = 1 << 18, 16, 200  # bytes of a document, elements in each other, conditions and columns
LONGEST = 255  # characters of a value
XDAT = "{http://nrg.wustl.edu/security}"
FOLDER = Path(__file__).parent
OF_PEOPLE = re.compile(r"[A-Z_]+_FIELD_MAP=([a-z0-9_]{1,64})", re.IGNORECASE)
OPERATORS = {each.value: each for each in Operator} | {"<>": Operator.IS_NOT}
DATES = ("%Y-%m-%d", "%m/%d/%Y", "%Y%m%d")
PARTS = ("root_element_name", "search_field", "search_where", "allowed_user")
IN_ONE = 4  # conditions in one entry of the audit
LISTS = ("FIELD_ID", "HEADER", "SUMMARY", "TYPE", "ELEMENT_NAME")
ALWAYS = {  # what clients make addresses of
    Level.PROJECT: ("ID",),
    Level.SUBJECT: ("SUBJECTID", "PROJECT"),
    Level.SESSION: ("SESSION_ID", "SUBJECT_ID", "PROJECT"),
    Level.SCAN: ("ID", "IMAGE_SESSION_ID", "PROJECT"),
}


class Query(NamedTuple):
    """What a document asks for."""

    kind: Kind
    columns: dict[str, Field]  # by what they are called in the answer
    where: Group


async def search(request: Request) -> Response:
    """The things that a document asks for, as a table."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST:
            raise TooLarge("the search is larger than what is taken")
    return await run_in_threadpool(_answer, request, body)


def elements(request: Request) -> Response:
    """Types that can be searched for."""
    rows = [{"ELEMENT_NAME": name, "SINGULAR": name.removeprefix("xnat:"), "PLURAL": name} for name in types.elements()]
    return table(request, rows, ("ELEMENT_NAME", "SINGULAR", "PLURAL"))


def element(request: Request, name: str) -> Response:
    """The fields of a type."""
    kind = types.kind(name)
    if kind is None:
        raise HTTPException(404)
    rows = [
        {"FIELD_ID": row["FIELD_ID"], "HEADER": row["FIELD_ID"], "ELEMENT_NAME": name, **row}
        for row in _rows()
        if row["of"] == kind.level
    ]
    return table(request, rows, LISTS)


def _answer(request: Request, body: bytes) -> Response:
    asked = _query(_read(body))
    columns = list(asked.columns.values())
    try:
        found = criteria.matching(reading(request), user(request), asked.kind, columns, asked.where)
    except Malformed as wrong:
        raise BadRequest(str(wrong)) from None
    _note(request, asked)
    return table(request, (dict(zip(asked.columns, row, strict=True)) for row in found), list(asked.columns))


def _note(request: Request, asked: Query) -> None:
    """Let the audit say so; the name of a field that people added is a value to it."""
    told = [
        {f"{each.of.level}.own": f"{each.field.name} {each.value}"}
        if each.field.name.startswith(OWN)
        else {f"{each.field.level}.{each.field.name}": each.value}
        for each in _criteria(asked.where)
    ]
    with request.app.state.engine.begin() as connection:
        for some in (told[at : at + IN_ONE] for at in range(0, max(1, len(told)), IN_ONE)):
            about = "&".join(searched(request, **each) for each in some)
            record(request, connection, "search", f"{asked.kind.level}s?{about}")


def _read(body: bytes) -> Element:
    """The document as a tree. One with a document type is refused, so that there are no entities in it."""
    builder, depth = TreeBuilder(), 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise BadRequest("the search is nested too deeply")
        builder.start(f"{{{name}", attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(f"{{{name}")

    def refuse(*_: object) -> None:
        raise BadRequest("a search has no document type")

    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = builder.data, refuse
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise BadRequest(f"the search is no XML: line {error.lineno}, {expat.ErrorString(error.code)}") from None
    return builder.close()


def _query(bundle: Element) -> Query:
    kind = types.kind(_said(bundle, "root_element_name"))
    if bundle.tag != f"{XDAT}bundle" or kind is None:
        raise BadRequest("a search is an xdat:bundle whose root_element_name is a type of /data/search/elements")
    if {each.tag for each in bundle} - {XDAT + name for name in PARTS}:
        raise BadRequest(f"of a search {', '.join(PARTS)} are understood, and nothing else")
    wanted = [_column(bundle, each) for each in bundle.findall(f"{XDAT}search_field")]
    if not wanted:
        wanted = [(row["FIELD_ID"].lower(), _field(row)) for row in _rows() if row["of"] == kind.level]
    for name in ALWAYS[kind.level]:
        wanted.append((name.lower(), _field_named(kind, name)))
    parts = tuple(_conditions(each) for each in bundle.findall(f"{XDAT}search_where"))
    asked = Query(kind, dict(wanted), Group(True, parts))
    if len(asked.columns) > MOST or len(list(_criteria(asked.where))) > MOST:
        raise BadRequest(f"a search has at most {MOST} columns and conditions")
    return asked


def _column(bundle: Element, element: Element) -> tuple[str, Field]:
    """What a column is called, and its field."""
    type_name, name = _said(element, "element_name"), _said(element, "field_ID")
    _, found = _place(type_name, name.removeprefix(f"{type_name}/"))
    called = name.rpartition("/")[2].lower()
    if type_name != _said(bundle, "root_element_name"):
        called = f"{type_name.replace(':', '_').lower()}_{called}"
    return called, found


def _conditions(element: Element) -> Group:
    method = element.get("method", "AND").upper()
    if method not in ("AND", "OR"):
        raise BadRequest("conditions are joined by AND or OR")
    parts: list[Group | Criterion] = []
    for each in element:
        if each.tag == f"{XDAT}child_set":
            parts.append(_conditions(each))
        elif each.tag == f"{XDAT}criteria":
            parts.append(_criterion(each))
        else:
            raise BadRequest("conditions are criteria and child_set, and nothing else")
    return Group(method == "AND", tuple(parts))


def _criterion(element: Element) -> Criterion:
    kind, found = _place(*_split(_said(element, "schema_field")))
    operator = OPERATORS.get(_said(element, "comparison_type").upper())
    if operator is None:
        raise BadRequest(f"a comparison is one of {', '.join(OPERATORS)}")
    value = _said(element, "value")
    if len(value) > LONGEST:
        raise BadRequest(f"a value to compare with has at most {LONGEST} characters")
    if operator is Operator.LIKE:
        value = value.replace("*", "%")
    elif found == Field(Level.SESSION, "date"):
        value = _date(value)
    return Criterion(kind, found, operator, value)


def _place(type_name: str, name: str) -> tuple[Kind, Field]:
    """Things of a type, and their field of that name."""
    kind = types.kind(type_name)
    if kind is None:
        raise BadRequest("a field is of a type that /data/search/elements does not list")
    return kind, _field_named(kind, name)


def _field_named(kind: Kind, name: str) -> Field:
    if own := OF_PEOPLE.fullmatch(name):
        return Field(kind.level, f"{OWN}{own[1].lower()}")
    for row in _rows():
        if row["of"] == kind.level and row["FIELD_ID"] == name.upper():
            return _field(row)
    raise BadRequest("a field is none that /data/search/elements/TYPE lists for its type")


def _criteria(where: Group) -> Iterator[Criterion]:
    for each in where.parts:
        if isinstance(each, Criterion):
            yield each
        elif isinstance(each, Group):
            yield from _criteria(each)


def _date(text: str) -> str:
    for form in DATES:
        with suppress(ValueError):
            return datetime.strptime(text, form).date().isoformat()
    raise BadRequest("a date is written 2026-01-31 or 01/31/2026")


def _split(text: str) -> tuple[str, str]:
    type_name, _, name = text.partition("/")
    return type_name, name


def _said(element: Element, name: str) -> str:
    return (element.findtext(f"{XDAT}{name}") or "").strip()


def _field(row: dict[str, str]) -> Field:
    return Field(Level(row["level"]), row["field"])


@cache
def _rows() -> list[dict[str, str]]:
    with (FOLDER / "fields.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
