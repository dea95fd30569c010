"""Forms that bring files (RFC 7578), read part by part: no file is ever written to disk but sealed, in the archive.

What the framework offers would keep large files in a folder for temporary ones, in the clear.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from cohortium.archive import Archive, Destination, Kind, Level, ResourceFile
from cohortium.errors import Malformed, Refused
from cohortium.govern.sites import demand_own_word
from cohortium.prove import receipts
from cohortium.spool import Scratch
from cohortium.web.auth import user
from cohortium.web.errors import BadRequest
from cohortium.wire.multipart import Part, Reader, TooLarge, media_type

__all__ = ["Taken", "destination", "files", "fill", "form", "take"]

LONGEST_FIELD = 4096
MOST_FIELDS = 32
UNHEARD = 1 << 27  # bytes of what is too large that are let pass by, so that who sends it hears the answer


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one file: it is in, or why not. Its name is known to who sent it, and is not repeated."""

    number: int
    file: ResourceFile | None
    problem: str = ""


async def files(request: Request) -> AsyncIterator[tuple[Mapping[str, str], str, bytes]]:
    """Each file with its name, and the fields that came before it; 415 for another kind of body.

    The field `receipt`, or the part's own header field, is of the one file that it comes with.
    """
    kind = media_type(request.headers.get("content-type", ""))
    if kind.name != "multipart/form-data":
        raise HTTPException(415)
    fields: dict[str, str] = {}
    largest = request.app.state.config.limits.file_megabytes * 1_000_000
    async for part in _parts(request, request.stream(), kind.parameters.get("boundary", ""), largest):
        about = media_type(part.headers.get("content-disposition", "")).parameters
        if "filename" in about:
            receipt = part.headers.get(receipts.HEADER) or fields.pop("receipt", "")
            yield {**fields, "receipt": receipt}, _utf8(about["filename"]), part.content
        elif len(part.content) > LONGEST_FIELD or len(fields) == MOST_FIELDS:
            raise BadRequest("a field of the form is too long, or there are too many")
        else:
            fields[about.get("name", "")] = part.content.decode("utf-8", "replace")


async def form(request: Request, largest: int) -> Mapping[str, bytes]:
    """The parts of a form by name, files too, each of at most so many bytes (`TooLarge`); of those of one name the
    last that is not empty."""
    kind = media_type(request.headers.get("content-type", ""))
    if kind.name != "multipart/form-data":
        raise HTTPException(415)
    found: dict[str, bytes] = {}
    count, pieces = 0, request.stream()
    try:
        async for part in _parts(request, pieces, kind.parameters.get("boundary", ""), largest):
            name = media_type(part.headers.get("content-disposition", "")).parameters.get("name", "")
            found[name] = part.content or found.get(name, b"")
            if (count := count + 1) > MOST_FIELDS:
                raise BadRequest("the form has too many fields")
    except TooLarge:
        passed = 0
        async for piece in pieces:
            if (passed := passed + len(piece)) > UNHEARD:
                break
        raise
    return found


async def fill(scratch: Scratch, request: Request) -> None:
    """Take the first file of a form, or a body of any other kind, and finish."""
    if media_type(request.headers.get("content-type", "")).name == "multipart/form-data":
        async for _, _, content in files(request):
            scratch.take(content)
            break
    else:
        async for piece in request.stream():
            scratch.take(piece)
    scratch.finish()


def destination(fields: Mapping[str, str], name: str) -> Destination:
    """Where the form says that a file goes."""
    try:
        level, kind = Level(fields.get("level") or "project"), Kind(fields.get("kind", ""))
        of = None if level is Level.PROJECT else int(fields.get("of", ""))
    except ValueError:
        raise BadRequest("level, of and kind say where a file goes and what it is") from None
    if of is not None and not 0 <= of < 1 << 63:
        raise BadRequest("`of` is the row of a subject, session or scan")
    return Destination(level, of, kind, fields.get("label", ""), name, fields.get("consent", ""))


async def take(
    request: Request, project: str, number: int, to: Destination, content: bytes, receipt: str = ""
) -> Taken:
    """Offer the file to the archive, with a site's word; what the check refuses goes to the project's prearchive."""
    archive: Archive = request.app.state.archive
    options: dict[str, Any] = {"who": user(request).name, "aside": True}
    try:
        options["receipt"] = found = receipts.parse(receipt) if receipt.strip() else None
        demand_own_word(user(request), found)
        made = await run_in_threadpool(archive.attach, BytesIO(content), to, project, **options)
    except Refused as refusal:
        return Taken(number, None, str(refusal))
    return Taken(number, made)


async def _parts(request: Request, pieces: AsyncIterator[bytes], boundary: str, largest: int) -> AsyncIterator[Part]:
    try:
        reader = Reader(boundary, largest)
        with request.app.state.intake.holding() as held:
            async for piece in pieces:
                held.now(reader.held + len(piece))
                for part in reader.feed(piece):
                    yield part
        reader.close()
    except TooLarge:
        raise
    except BadRequest:
        raise
    except Malformed as error:
        raise BadRequest(str(error)) from None


def _utf8(name: str) -> str:
    """Header fields are read as Latin-1; browsers write UTF-8."""
    try:
        return name.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return name
