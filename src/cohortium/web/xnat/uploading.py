"""Files beside the images, as XNAT's clients send and remove them: through `Archive.attach`, one by one.

XNAT knows no kinds of resources: one that is called like a kind is of that kind, another one is a document.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO, cast

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from cohortium import find
from cohortium.archive import Archive, Destination, Kind, incoming, resources
from cohortium.archive.typed import demand_label
from cohortium.errors import Refused
from cohortium.find.places import Node
from cohortium.spool import Scratch
from cohortium.web import uploads
from cohortium.web.auth import reading, record, user
from cohortium.web.errors import BadRequest
from cohortium.web.xnat import nodes
from cohortium.wire import packages

__all__ = ["make", "remove", "remove_file", "upload"]

REASON = "removed by an owner through an XNAT client"
DICOM = "DICOM"
TRUE = ("true", "1")


def make(request: Request, place: str, resource: str) -> Response:
    """Make a resource without files; one that is there stays as it is."""
    at = nodes.node(request, nodes.parts(place))
    if _held(request, at, resource) is not None or resource == DICOM:
        return PlainTextResponse("")
    to = _destination(at, _kind(resource), demand_label(resource, "resource"), "")
    with request.app.state.engine.begin() as connection:
        made = resources.opened(connection, at.project_id, to, None, user(request).name)
        record(request, connection, "make resource", f"{at.project}/{made}", at.project_id)
    return PlainTextResponse("", 201)


async def upload(request: Request, place: str, resource: str, file: str) -> Response:
    """Take a file under that name, or with `extract=true` what is packed in it under the names that it has there."""
    at = await run_in_threadpool(nodes.node, request, nodes.parts(place))
    with Scratch(request.app.state.config.site.data, request.app.state.intake.demand_room) as body:
        await uploads.fill(body, request)
        await run_in_threadpool(_take, request, at, resource, file, body)
    return PlainTextResponse("")


def remove(request: Request, place: str, resource: str) -> Response:
    """Remove a resource with all its files; tombstones stay."""
    return _remove(request, place, resource, None)


def remove_file(request: Request, place: str, resource: str, file: str) -> Response:
    """Remove a file in all its versions; a tombstone stays."""
    return _remove(request, place, resource, file)


def _take(request: Request, at: Node, resource: str, file: str, body: Scratch) -> None:
    archive: Archive = request.app.state.archive
    held = _held(request, at, resource)
    if held is None and resource in (DICOM, f"D{at.ids[-1]}"):
        raise Refused("images come in through /data/services/import or STOW-RS, which file them by what they say")
    kind, label = (held.kind, held.label) if held else (_kind(resource), resource)
    count, refused = 0, []
    with request.app.state.intake.holding() as taken:
        for name, content in _files(request, file, body):
            taken.now(len(content))
            count += 1
            to = _destination(at, kind, label, name)
            try:
                archive.attach(BytesIO(content), to, at.project, user(request).name, aside=True)
            except Refused as refusal:
                refused.append(refusal)
    if refused:
        raise type(refused[0])(f"{len(refused)} of {count} files did not come in. The first: {refused[0]}")
    if not count:
        raise BadRequest("it brings no file")


def _files(request: Request, file: str, body: Scratch) -> Iterator[tuple[str, bytes]]:
    limit = request.app.state.config.limits.file_megabytes * 1_000_000
    if request.query_params.get("extract") in TRUE:
        for name, content in packages.named(body, limit):
            yield name.removeprefix("./"), content
        return
    body.seek(0)
    yield file, incoming.read(cast(BinaryIO, body), limit)


def _held(request: Request, at: Node, name: str) -> find.ResourceRow | None:
    """The resource of that label or number right at the place; videos are none that XNAT's clients see."""
    with reading(request).connect() as connection:
        found = find.resources(connection, user(request), at.project_id, at.level, at.of)
    mine = [each for each in found if each.kind is not Kind.VIDEO]
    return next((each for each in mine if name in (each.label, str(each.id))), None)


def _kind(label: str) -> Kind:
    name = label.lower().removesuffix("s")
    found = next((each for each in Kind if each.value.removesuffix("s") == name), Kind.DOCUMENT)
    return Kind.DOCUMENT if found is Kind.VIDEO else found


def _destination(at: Node, kind: Kind, label: str, name: str) -> Destination:
    return Destination(at.level, at.of, kind, label, name)


def _remove(request: Request, place: str, resource: str, file: str | None) -> Response:
    at = nodes.node(request, nodes.parts(place))
    held = _held(request, at, resource)
    if held is None or (file is not None and file not in [each.name for each in held.files]):
        raise HTTPException(404)
    archive: Archive = request.app.state.archive
    archive.detach(held.id, file, who=user(request).name, reason=REASON)
    return PlainTextResponse("")
