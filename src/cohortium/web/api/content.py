"""Bytes that the archive holds, as they leave it: whole or in ranges, named by their digest, or many in a zip."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from itertools import chain

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from cohortium.archive import Address, Archive
from cohortium.web.dicomweb.negotiation import range_of
from cohortium.web.meter import charge_frames
from cohortium.wire import zipped
from cohortium.wire.zipped import Member

__all__ = ["ANY", "DICOM", "OBJECT", "send", "send_zip"]

DICOM, OBJECT = "application/dicom", "application/octet-stream"
ANY = "*/*"  # whatever the file is
ENOUGH = 1 << 16  # bytes worth a piece of their own


def send(request: Request, project_id: int, at: Address, media_type: str) -> Response:
    """An object: its digest is its `ETag`, so that what was broken off can be gone on with (RFC 9110 13.1.5)."""
    tag = f'"{at.digest}"'
    headers = {"ETag": tag, "Accept-Ranges": "bytes", "Repr-Digest": f"sha-256=:{_in_base64(at.digest)}:"}
    if tag in (each.strip() for each in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    span = range_of(request, at.size) if request.headers.get("if-range", tag) == tag else None
    start, end = span or (0, at.size)
    charge_frames(request, project_id, end - start, at.digest)
    headers["Content-Length"] = str(end - start)
    if span:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{at.size}"
    archive: Archive = request.app.state.archive
    pieces = archive.objects.stream(at, start, end)
    first = next(pieces, b"")  # so that what is gone, or cold, is told before anything is sent
    return StreamingResponse(chain([first], pieces), 206 if span else 200, headers, media_type)


def send_zip(name: str, members: Iterable[Member]) -> Response:
    """A zip that is written as it is sent; `name` is safe.

    Where `members` counts each against a quota, the first is counted before anything is sent; where it ends later, the
    zip lacks its end, so that nobody takes it for whole.
    """
    members = iter(members)
    members = chain([first for first in [next(members, None)] if first], members)
    headers = {"Content-Disposition": f'attachment; filename="{name}.zip"'}
    return StreamingResponse(_pieces(zipped.zipped(members)), 200, headers, zipped.MEDIA_TYPE)


def _pieces(zip: Iterator[bytes]) -> Iterator[bytes]:
    """The first piece at once, then none so small that sending it costs more than it is worth."""
    kept: list[bytes] = []
    size = 0
    first = next(zip, b"")
    for piece in chain([first], zip):
        kept.append(piece)
        size += len(piece)
        if piece is first or size >= ENOUGH:
            yield b"".join(kept)
            kept, size = [], 0
    yield b"".join(kept)


def _in_base64(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode()
