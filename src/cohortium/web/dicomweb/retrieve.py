"""WADO-RS: instances, frames, metadata and bulk data (PS3.18 10.4).

Instances leave as they are stored where the client takes that. About `AHEAD` bytes are read and verified while those
before them are being sent, and little more than twice that is in memory. A client that is slow holds no thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import chain, groupby

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from cohortium import find
from cohortium.archive import Objects
from cohortium.dicom import transcode
from cohortium.find import Held
from cohortium.web.auth import reading
from cohortium.web.dicomweb import scope
from cohortium.web.dicomweb.negotiation import ANY, EXPLICIT, JSON, Taken, demand_json, range_of, taken
from cohortium.web.errors import BadRequest
from cohortium.web.meter import charge, charge_frames
from cohortium.web.pictures import Pictures
from cohortium.web.watch import note_read
from cohortium.wire import dicomjson
from cohortium.wire.multipart import Writer

__all__ = ["bulkdata", "frame_numbers", "frames", "instances", "metadata", "parts", "pictures", "record"]

DICOM = "application/dicom"
BYTES = "application/octet-stream"
MOST_FRAMES = 10_000  # of one request
PIECE = 1 << 20
AHEAD = 1 << 22  # bytes that are read by one thread while others are sent, or the piece that is larger


def instances(request: Request) -> Response:
    """A study, a series or an instance as DICOM files."""
    held = scope.held(request)
    single = len(scope.uids(request)) == 3
    for each in taken(request, Taken(DICOM, True, EXPLICIT)):
        if each.name != DICOM or not (each.multipart or single):
            continue
        some = [(one, syntax) for one in held if (syntax := _syntax(one, each.syntax))]
        if some:
            charge(request, held[0].project_id, sum(one.size for one, _ in some), len(some))
            scope.archive(request).objects.demand_warm(one.at for one, _ in some)
            record(request, "retrieve", held[0])
            if each.multipart:
                return _files(request, some, complete=len(some) == len(held))
            ((_, syntax),) = some
            (content,) = map(b"".join, _contents(scope.archive(request).objects, some))
            return _ranged(request, content, f"{DICOM}; transfer-syntax={syntax}")
    raise HTTPException(406)


def metadata(request: Request) -> Response:
    """The headers of the instances, as they were written down when they came."""
    demand_json(request)
    held = scope.held(request)
    record(request, "retrieve metadata", held[0])
    with reading(request).connect() as connection:  # so that what is missing is told before anything is sent
        next(find.header_texts(connection, held[:1]))
    return StreamingResponse(_metadata(request, held), media_type=JSON)


def bulkdata(request: Request) -> Response:
    """A value that the metadata refer to."""
    (held,) = scope.held(request)
    path = request.path_params["path"]
    dataset = pictures(request).dataset(held.at, held.NumberOfFrames)
    element = dicomjson.bulk(dataset, path) if dicomjson.BULK_PATH.fullmatch(path) else None
    if element is None:
        raise HTTPException(404)
    for each in taken(request, Taken(BYTES, "range" not in request.headers, ANY)):
        if each.name == BYTES:
            record(request, "retrieve bulk data", held)
            content = bytes(element.value)
            charge_frames(request, held.project_id, len(content), held.digest)
            return parts(BYTES, [(BYTES, content)]) if each.multipart else _ranged(request, content, BYTES)
    raise HTTPException(406)


def frames(request: Request) -> Response:
    """Frames of an instance: uncompressed, or as they are stored where the client takes that."""
    (held,) = scope.held(request)
    numbers = frame_numbers(request, held)
    stored = transcode.frame_type(held.TransferSyntaxUID)
    for each in taken(request, Taken(BYTES, True, EXPLICIT)):
        as_stored = each.name == stored != BYTES or (
            each.name == BYTES and each.syntax in (ANY, held.TransferSyntaxUID)
        )
        if not as_stored and (each.name != BYTES or each.syntax != EXPLICIT):
            continue
        if not each.multipart and len(numbers) > 1:
            continue
        note_read(request, held.project_id, held.project, held.SeriesInstanceUID)
        dataset = pictures(request).dataset(held.at, held.NumberOfFrames)
        read = transcode.stored_frame if as_stored else transcode.frame
        kind = stored if as_stored else BYTES
        syntax = held.TransferSyntaxUID if as_stored and stored != BYTES else EXPLICIT
        found = [(f"{kind}; transfer-syntax={syntax}", read(dataset, number - 1)) for number in numbers]
        size = sum(len(content) for _, content in found)
        charge_frames(request, held.project_id, size, held.digest)
        return parts(kind, found) if each.multipart else _ranged(request, found[0][1], found[0][0])
    raise HTTPException(406)


def frame_numbers(request: Request, held: Held) -> list[int]:
    """The numbers in the address, each of a frame that the instance has: else 404, or 400 where they are none."""
    texts = request.path_params["numbers"].split(",")
    if len(texts) > MOST_FRAMES or not all(each.isascii() and each.isdigit() and len(each) < 10 for each in texts):
        raise BadRequest("frames are named by their numbers, from 1, separated by commas")
    numbers = [int(each) for each in texts]
    if not all(1 <= each <= held.NumberOfFrames for each in numbers):
        raise HTTPException(404)
    return numbers


def _syntax(held: Held, wanted: str) -> str | None:
    """The transfer syntax in which the instance can be sent, None where not in any that is wanted."""
    if wanted in (ANY, held.TransferSyntaxUID):
        return held.TransferSyntaxUID
    return EXPLICIT if wanted == EXPLICIT and _is_decodable(held) else None


def _is_decodable(held: Held) -> bool:
    return held.TransferSyntaxUID == "1.2.840.10008.1.2" or transcode.frame_type(held.TransferSyntaxUID) != BYTES


def _contents(objects: Objects, some: Iterable[tuple[Held, str]]) -> Iterator[Iterable[bytes]]:
    """The bytes of each, in pieces, in that transfer syntax."""
    for as_stored, group in groupby(some, key=lambda each: each[1] == each[0].TransferSyntaxUID):
        if as_stored:
            yield from objects.streams(one.at for one, _ in group)
        else:
            yield from ([transcode.explicit(objects.get(one.at))] for one, _ in group)


def _files(request: Request, some: Sequence[tuple[Held, str]], *, complete: bool) -> Response:
    writer = Writer(DICOM)
    heads = [
        writer.head(f"{DICOM}; transfer-syntax={syntax}", scope.address(request, each.project, *each.uids))
        for each, syntax in some
    ]
    headers = {"Content-Type": writer.content_type}
    if all(syntax == each.TransferSyntaxUID for each, syntax in some):
        size = sum(each.size for each, _ in some) + sum(map(len, heads)) + len(writer.end())
        headers["Content-Length"] = str(size)
    contents = _contents(scope.archive(request).objects, some)
    parts = (chain((head,), content) for head, content in zip(heads, contents, strict=True))
    pieces = chain(chain.from_iterable(parts), (writer.end(),))
    return StreamingResponse(_streamed(_batches(pieces)), 200 if complete else 206, headers)


async def _streamed(batches: Iterator[list[bytes]]) -> AsyncIterator[bytes]:
    """The pieces, those of the next batch being read meanwhile."""
    ahead = asyncio.create_task(run_in_threadpool(next, batches, None))
    try:
        while (batch := await ahead) is not None:
            ahead = asyncio.create_task(run_in_threadpool(next, batches, None))
            for piece in batch:
                yield piece
    finally:
        ahead.cancel()


def _batches(pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The pieces of the body, at least `AHEAD` bytes of them together."""
    batch, size = [], 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece)
        if size >= AHEAD:
            yield batch
            batch, size = [], 0
    yield batch


def _metadata(request: Request, held: Sequence[Held]) -> Iterator[bytes]:
    """A JSON array in pieces; the documents are joined, not parsed."""
    piece, size, comma = [b"["], 1, b""
    with reading(request).connect() as connection:
        for each, text in find.header_texts(connection, held):
            piece += [comma, dicomjson.placed(text, scope.address(request, each.project, *each.uids))]
            size, comma = size + len(text), b","
            if size > PIECE:
                yield b"".join(piece)
                piece, size = [], 0
    yield b"".join([*piece, b"]"])


def _ranged(request: Request, content: bytes, media_type: str) -> Response:
    """A single part, or the bytes of it that are asked for."""
    span = range_of(request, len(content))
    headers = {"Accept-Ranges": "bytes"}
    if span is None:
        return Response(content, media_type=media_type, headers=headers)
    headers["Content-Range"] = f"bytes {span[0]}-{span[1] - 1}/{len(content)}"
    return Response(content[slice(*span)], 206, headers, media_type)


def parts(kind: str, contents: Sequence[tuple[str, bytes]]) -> Response:
    """Contents, each with its media type, as one multipart body."""
    writer = Writer(kind)
    body = b"".join(chain.from_iterable((writer.head(each), content) for each, content in contents)) + writer.end()
    return Response(body, headers={"Content-Type": writer.content_type})


def record(request: Request, what: str, held: Held) -> None:
    """The audit names the smallest thing in the address that holds all that is read."""
    uids = scope.uids(request)
    scope.record(request, what, f"{held.project}/{uids[-1]}", held.project_id)


def pictures(request: Request) -> Pictures:
    """What parses objects, and remembers the last of many frames."""
    found: Pictures = request.app.state.pictures
    return found
