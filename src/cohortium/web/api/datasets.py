"""Dataset versions: frozen, listed, compared, cited, and read file by file or as one zip."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

from fastapi import Query, Request, Response
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from cohortium.archive import Address, Archive, citation, comparison, datasets, lists, objects
from cohortium.archive.datasets import Version
from cohortium.govern import grants
from cohortium.govern.roles import May
from cohortium.web.api import content
from cohortium.web.api.paging import link_next
from cohortium.web.auth import reading, record, user
from cohortium.web.meter import charge
from cohortium.web.watch import note_read
from cohortium.wire import api
from cohortium.wire.zipped import Member

__all__ = [
    "cite",
    "compare",
    "dataset_zip",
    "differences",
    "file",
    "files",
    "freeze",
    "gone",
    "list_versions",
    "manifest",
    "one",
    "version",
]

LINE = 1200  # bytes that no line of a manifest exceeds
AT_ONCE = 500
JSON_LINES = "application/jsonl"
After = Annotated[str, Query(max_length=1024, description="Where the page begins, as the `Link` before had it.")]
Limit = Annotated[int, Query(ge=1, le=10_000)]


def list_versions(request: Request, name: str) -> list[api.Version]:
    """The project's dataset versions, newest first."""
    with reading(request).connect() as connection:
        found = datasets.versions(connection, _project(connection, request, name))
    return [api.Version.model_validate(each) for each in found]


def freeze(request: Request, name: str, wish: api.FreezeWish) -> api.Version:
    """Freeze the project, or a list of its scans, into a version. The same files again are the same version."""
    with request.app.state.engine.begin() as connection:
        project_id = grants.id_of(connection, user(request), name, May.WRITE)
        source = lists.find(connection, project_id, wish.list) if wish.list else None
        if wish.list and source is None:
            raise HTTPException(404)
        made = datasets.freeze(
            connection,
            project_id,
            wish.name,
            user(request).name,
            source=source,
            description=wish.description,
            with_unusable=wish.with_unusable,
        )
        record(request, connection, "freeze dataset", f"{name}/{made.digest}", project_id, May.WRITE)
    return api.Version.model_validate(made)


def one(request: Request, name: str, dataset: str) -> api.Version:
    """A version, by its digest (at least 12 characters of it) or by its name."""
    with reading(request).connect() as connection:
        return api.Version.model_validate(version(connection, request, name, dataset))


def manifest(request: Request, name: str, dataset: str) -> Response:
    """The manifest, as JSON Lines: its SHA-256 is the version's digest."""
    with reading(request).connect() as connection:
        found = version(connection, request, name, dataset)
    _record(request, "read manifest", name, found)
    headers = {"ETag": f'"{found.digest}"'}
    return StreamingResponse(_lines(request, found), 200, headers, JSON_LINES)


def files(
    request: Request, response: Response, name: str, dataset: str, after: After = "", limit: Limit = 1000
) -> list[api.DatasetFile]:
    """The files of a version, by path."""
    with reading(request).connect() as connection:
        found = version(connection, request, name, dataset)
        page = list(datasets.files(connection, found, after=after, limit=limit))
    if len(page) == limit:
        link_next(request, response, page[-1].path)
    return [api.DatasetFile.model_validate(each) for each in page]


def file(request: Request, name: str, dataset: str, digest: str) -> Response:
    """A file of a version by its digest; takes `Range`. 410 where it was removed since."""
    with reading(request).connect() as connection:
        found = version(connection, request, name, dataset)
        if datasets.file(connection, found, digest) is None:
            raise HTTPException(404)
        at = objects.find(connection, found.project_id, digest)
    if at is None:
        raise HTTPException(410)
    note_read(request, found.project_id, name, found.digest)
    return content.send(request, found.project_id, at, content.OBJECT)


def gone(request: Request, name: str, dataset: str) -> list[api.Gone]:
    """Files of a version that were removed or withdrawn since it was frozen."""
    with reading(request).connect() as connection:
        found = version(connection, request, name, dataset)
        return [api.Gone.model_validate(each) for each in comparison.gone(connection, found)]


def compare(request: Request, name: str, dataset: str, other: str) -> api.Comparison:
    """How much two versions share, and how much each has alone."""
    with reading(request).connect() as connection:
        pair = (version(connection, request, name, called) for called in (dataset, other))
        return api.Comparison.model_validate(comparison.compare(connection, *pair))


def differences(
    request: Request, response: Response, name: str, dataset: str, other: str, after: After = "", limit: Limit = 1000
) -> list[api.Difference]:
    """Files that are not the same in both versions, by path."""
    with reading(request).connect() as connection:
        first, second = (version(connection, request, name, called) for called in (dataset, other))
        page = comparison.differences(connection, first, second, after=after, limit=limit)
    if len(page) == limit:
        link_next(request, response, page[-1].path)
    return [api.Difference.model_validate(each) for each in page]


def cite(request: Request, name: str, dataset: str) -> api.Citation:
    """How to cite a version."""
    with reading(request).connect() as connection:
        found = version(connection, request, name, dataset)
        title = grants.shown(connection, found.project_id).title
    publisher = request.app.state.config.site.name
    text = citation.sentence(found, title, publisher)
    return api.Citation(text=text, datacite=citation.datacite(found, title, publisher))


def dataset_zip(request: Request, name: str, dataset: str) -> Response:
    """A version in one zip, written as it is sent: manifest.jsonl, then its files, less what is gone."""
    with reading(request).connect() as connection:
        found = version(connection, request, name, dataset)
    charge(request, found.project_id, found.size, found.files)
    archive: Archive = request.app.state.archive
    archive.objects.demand_warm(at for _, at in _held(request, found))
    _record(request, "retrieve dataset", name, found)
    return content.send_zip(found.name, _members(request, found))


def version(connection: Connection, request: Request, name: str, called: str) -> Version:
    """The version of a project that the caller may read, by digest or name; else 404."""
    found = datasets.find(connection, _project(connection, request, name), called)
    if found is None:
        raise HTTPException(404)
    return found


def _project(connection: Connection, request: Request, name: str) -> int:
    return grants.id_of(connection, user(request), name, May.READ)


def _lines(request: Request, found: Version) -> Iterator[bytes]:
    with reading(request).connect() as connection:
        yield from datasets.manifest(connection, found)


def _members(request: Request, found: Version) -> Iterator[Member]:
    archive: Archive = request.app.state.archive
    yield Member("manifest.jsonl", LINE * found.files, lambda: _lines(request, found))
    for each, at in _held(request, found):
        yield Member(f"files/{each.path}", each.size, partial(archive.objects.stream, at))


def _held(request: Request, found: Version) -> Iterator[tuple[datasets.File, Address]]:
    """The files that are not gone, a page at a time, so that no query is held open."""
    after: str | None = ""
    while after is not None:
        with reading(request).connect() as connection:
            page = list(datasets.files(connection, found, after=after, limit=AT_ONCE))
            places = [objects.find(connection, found.project_id, each.digest) for each in page]
        yield from ((each, at) for each, at in zip(page, places, strict=True) if at is not None)
        after = page[-1].path if page else None


def _record(request: Request, what: str, name: str, found: Version) -> None:
    with request.app.state.engine.begin() as connection:
        record(request, connection, what, f"{name}/{found.digest}", found.project_id)
