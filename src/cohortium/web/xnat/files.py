"""Resources and their files, one by one or as a zip. A scan's images are its resource `DICOM`.

XNAT's rows carry MD5 sums, which nothing here is known by; `sha256` stands beside the empty `digest`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import quoteattr

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from cohortium import find
from cohortium.archive import Archive
from cohortium.archive.objects import Address
from cohortium.archive.resources import Level
from cohortium.find import places
from cohortium.find.places import Node
from cohortium.store.schema import project, scan, session, subject
from cohortium.web.api.content import send, send_zip
from cohortium.web.auth import reading, user
from cohortium.web.meter import charge
from cohortium.web.xnat import nodes
from cohortium.web.xnat.tables import item, table
from cohortium.web.xnat.types import RESOURCE
from cohortium.wire.names import safe
from cohortium.wire.zipped import Member

__all__ = ["all_files", "file", "files", "resource", "resources"]

DICOM = "DICOM"
COLUMNS = {Level.PROJECT: project.c.id, Level.SUBJECT: subject.c.id, Level.SESSION: session.c.id, Level.SCAN: scan.c.id}
RESOURCE_COLUMNS = (
    *("xnat_abstractresource_id", "label", "element_name", "category", "cat_id", "cat_desc"),
    *("file_count", "file_size", "tags", "content", "format"),
)
FILE_COLUMNS = (
    *("Name", "Size", "URI", "collection", "file_tags", "file_format", "file_content", "cat_ID", "digest", "sha256"),
)
CATALOG = '<?xml version="1.0" encoding="UTF-8"?>\n<cat:Catalog xmlns:cat="http://nrg.wustl.edu/catalog" ID={id}>\n'


@dataclass(frozen=True, slots=True)
class Files:
    """One resource of a place: what it is called, and what is in it."""

    of: Node
    id: str
    label: str
    format: str
    content: str
    count: int
    size: int
    rows: tuple[find.FileRow, ...]  # of none where these are images

    @property
    def address(self) -> str:
        return f"{nodes.address(self.of)}/resources/{self.id}"


@dataclass(frozen=True, slots=True)
class Held:
    """One file of a resource."""

    of: Files
    name: str
    at: Address
    media_type: str
    instances: int


def resources(request: Request, place: str) -> Response:
    """The resources of a place."""
    found = nodes.node(request, nodes.parts(place))
    rows = [_row(each) for each in _resources(request, found)]
    nodes.note(request, "list resources", found)
    return table(request, rows, RESOURCE_COLUMNS)


def resource(request: Request, place: str, resource: str) -> Response:
    """One resource; without `format=json` its catalogue, as XNAT has it."""
    one = _named(request, nodes.node(request, nodes.parts(place)), resource)
    nodes.note(request, "open resource", one.of, f"/{one.label}")
    if request.query_params.get("format") == "json":
        return item(RESOURCE, _row(one))
    entries = "".join(
        f"  <cat:entry name={quoteattr(each.name)} URI={quoteattr(each.name)} digest={quoteattr(each.at.digest)}/>\n"
        for each in _files(request, one)
    )
    body = f"{CATALOG.format(id=quoteattr(one.id))}<cat:entries>\n{entries}</cat:entries>\n</cat:Catalog>\n"
    return Response(body, media_type="text/xml")


def files(request: Request, place: str, resource: str) -> Response:
    """The files of a resource: their list, or all of them in a zip."""
    return _answer(request, [_named(request, nodes.node(request, nodes.parts(place)), resource)])


def all_files(request: Request, place: str) -> Response:
    """The files of every resource of a place, or of some or all scans of a session: their list, or a zip."""
    *above, word, names = nodes.parts(place)
    if word != "scans":
        found = nodes.node(request, [*above, word, names])
        return _answer(request, _resources(request, found))
    top = nodes.node(request, above)
    return _answer(request, [each for one in _scans(request, top, names) for each in _resources(request, one)])


def file(request: Request, place: str, resource: str, file: str) -> Response:
    """One file."""
    one = _named(request, nodes.node(request, nodes.parts(place)), resource)
    found = next((each for each in _files(request, one) if each.name == file), None)
    if found is None:
        raise HTTPException(404)
    nodes.note(request, "retrieve", one.of, f"/{one.label}/{file}")
    return send(request, one.of.project_id, found.at, found.media_type)


def _answer(request: Request, some: list[Files]) -> Response:
    if request.query_params.get("format") != "zip":
        rows = (_file_row(each) for one in some for each in _files(request, one))
        return table(request, rows, FILE_COLUMNS)
    if not some:
        raise HTTPException(404)
    archive: Archive = request.app.state.archive
    archive.objects.demand_warm(each.at for one in some for each in _files(request, one))
    for one in some:
        nodes.note(request, "retrieve", one.of, f"/{one.label}")
    members = (_member(request, each) for one in some for each in _files(request, one))
    return send_zip(safe(some[0].of.labels[-1]), members)


def _scans(request: Request, top: Node, names: str) -> list[Node]:
    """Scans of a session by `ALL`, or by labels or types with commas between them."""
    rows = places.below(reading(request), user(request), Level.SCAN, top)
    wanted = set(names.split(","))
    chosen = [
        row
        for row in rows
        if names.upper() == "ALL" or wanted & {row["scan_label"], row["scan_SeriesDescription"], row["scan_Modality"]}
    ]
    if not chosen and names.upper() != "ALL":
        raise HTTPException(404)
    return [Node(Level.SCAN, (*top.ids, row["scan_id"]), (*top.labels, row["scan_label"])) for row in chosen]


def _resources(request: Request, of: Node) -> list[Files]:
    found = []
    if of.level is Level.SCAN:
        for row in places.below(reading(request), user(request), Level.SCAN, of):
            if row["instances"]:
                found.append(Files(of, f"D{of.ids[-1]}", DICOM, DICOM, "RAW", row["instances"], row["size"], ()))
    with reading(request).connect() as connection:
        for each in find.resources(connection, user(request), of.project_id, of.level, of.of):
            size = sum(file.size for file in each.files)
            found.append(Files(of, str(each.id), each.label, "", each.kind, len(each.files), size, each.files))
    return found


def _named(request: Request, of: Node, name: str) -> Files:
    """A resource by label or number."""
    some = _resources(request, of)
    found = next((each for each in some if each.label == name), next((each for each in some if each.id == name), None))
    if found is None:
        raise HTTPException(404)
    return found


def _files(request: Request, one: Files) -> Iterator[Held]:
    if one.format != DICOM:
        yield from (Held(one, each.name, each.address, each.media_type, 0) for each in one.rows)
        return
    for each in find.members(reading(request), user(request), COLUMNS[one.of.level], one.of.ids[-1]):
        yield Held(one, f"{safe(each.SOPInstanceUID)}.dcm", each.at, "application/dicom", 1)


def _member(request: Request, each: Held) -> Member:
    """Where a file lies in a zip, as XNAT lays it out."""
    archive: Archive = request.app.state.archive
    charge(request, each.of.of.project_id, each.at.size, each.instances)
    top = each.of.of
    folders = [*map(safe, top.labels[2:3] or top.labels[-1:])]
    if top.level is Level.SCAN:
        folders += ["scans", safe(top.labels[3])]
    path = "/".join([*folders, "resources", safe(each.of.label), "files", each.name])
    return Member(path, each.at.size, lambda: archive.objects.stream(each.at))


def _row(one: Files) -> Mapping[str, Any]:
    scan_id = one.of.labels[-1] if one.of.level is Level.SCAN else ""
    return {
        "xnat_abstractresource_id": one.id,
        "label": one.label,
        "element_name": RESOURCE,
        "category": f"{nodes.WORD_OF[one.of.level]}",
        "cat_id": scan_id,
        "cat_desc": "",
        "file_count": str(one.count),
        "file_size": str(one.size),
        "tags": "",
        "content": one.content,
        "format": one.format,
    }


def _file_row(each: Held) -> Mapping[str, Any]:
    return {
        "Name": each.name.rsplit("/", 1)[-1],
        "Size": str(each.at.size),
        "URI": f"{each.of.address}/files/{each.name}",
        "collection": each.of.label,
        "file_tags": "",
        "file_format": each.of.format,
        "file_content": each.of.content,
        "cat_ID": each.of.id,
        "digest": "",
        "sha256": each.at.digest,
    }
