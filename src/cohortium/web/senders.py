"""What other systems send to a `[[source.http]]` of this site: STOW-RS, forms, and single files, into the spool.

A sender shows the source's own token and learns nothing but what became of what it sent. No byte is written but sealed,
and whatever is answered as taken is durable, whether or not a gateway is at work.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from secrets import token_hex
from typing import Any

from fastapi import Request
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from cohortium import keys
from cohortium.acquire.intake import Intake
from cohortium.config import Config, Upload
from cohortium.errors import Refused
from cohortium.spool import Came, Scratch, Spool
from cohortium.web import uploads
from cohortium.web.auth import Access
from cohortium.web.dicomweb import store
from cohortium.web.dicomweb.negotiation import demand_json
from cohortium.web.dicomweb.scope import uids
from cohortium.web.route import Route
from cohortium.wire.multipart import Part, media_type
from cohortium.wire.packages import Opened, Package

__all__ = ["ROUTES", "Doors"]

ALONE = ("application/dicom", "application/zip", "application/octet-stream")


@dataclass(frozen=True, slots=True)
class Doors:
    """Each source by name: its intake, and the digest of its token."""

    intakes: Mapping[str, Intake]
    tokens: Mapping[str, bytes]

    @classmethod
    def of(cls, config: Config, engine: Engine, key: keys.SiteKey) -> Doors:
        """The doors that a configuration names; the spool is touched only where there is one."""
        sources = [each for each in config.sources if isinstance(each, Upload)]
        if not sources:
            return cls({}, {})
        spool, limits = Spool(engine, config.site.data / "spool", key), config.limits
        sizes = limits.file_megabytes * 1_000_000, limits.free_megabytes * 1_000_000
        return cls(
            {each.name: Intake(spool, Came(each.name, config.first_of(each.name)), *sizes) for each in sources},
            {each.name: _digest(_token(config, each)) for each in sources},
        )

    def opened(self, source: str, shown: str) -> Intake:
        """The intake that the token opens; 401 where the token differs, and just so where there is no such source."""
        is_right = hmac.compare_digest(_digest(shown), self.tokens.get(source, b"").ljust(32, b"\0"))
        if not is_right or source not in self.intakes:
            raise HTTPException(401)
        return self.intakes[source]


async def take(request: Request) -> Response:
    """Take what the body holds, in whichever form it comes."""
    intake: Intake = request.state.intake
    kind = media_type(request.headers.get("content-type", "")).name
    if kind == "multipart/related":
        return await _stow(request, intake)
    if request.path_params.get("study") or request.url.path.endswith("/studies"):
        raise HTTPException(415)
    if kind == "multipart/form-data":
        return await _form(request, intake)
    if kind in ALONE:
        return await _alone(request, intake)
    raise HTTPException(415)


async def _stow(request: Request, intake: Intake) -> Response:
    """STOW-RS (PS3.18 10.5); each part has its own answer."""
    demand_json(request)
    reader = store.reader_of(request)
    study = next(iter(uids(request)), "")
    answer = store.Answer()
    async for batch in store.batches(request, reader):
        await run_in_threadpool(_take_parts, intake, answer, study, batch)
    return store.response(request, answer)


def _take_parts(intake: Intake, answer: store.Answer, study: str, batch: list[Part]) -> None:
    for part in batch:
        if objection := store.objection(part, study):
            answer.failed.append(objection)
            continue
        made = store.described(part)
        try:
            intake.take(made.SOPInstanceUID if made else sha256(part.content).hexdigest(), [part.content])
        except Refused:
            answer.failed.append(store.failure(part, store.CANNOT_UNDERSTAND))
            continue
        if made is None:  # it lies in the spool for people to look at, and cannot be named in an answer
            answer.failed.append(store.failure(part, store.CANNOT_UNDERSTAND))
        else:
            answer.stored.append(store.reference(made))


async def _form(request: Request, intake: Intake) -> Response:
    """A form (RFC 7578) with any number of files, each a DICOM file or a zip of them."""
    found = []
    async for _, name, content in uploads.files(request):
        found.append(await run_in_threadpool(_one, intake, name, Opened(BytesIO(content), len(content))))
    return _said(found)


async def _alone(request: Request, intake: Intake) -> Response:
    """One file as the whole body, of any size; sealed in the spool until it is whole."""
    with Scratch(intake.spool.folder, intake.demand_room) as body:
        async for piece in request.stream():
            await run_in_threadpool(body.take, piece)
        await run_in_threadpool(body.finish)
        return _said([await run_in_threadpool(_one, intake, f"body {token_hex(16)}", body)])


def _one(intake: Intake, name: str, file: Package) -> dict[str, Any]:
    try:
        return {"taken": intake.take_any(name, file), "problem": ""}
    except Refused as error:
        return {"taken": 0, "problem": str(error)}


def _said(found: list[dict[str, Any]]) -> Response:
    """How many DICOM files each file brought, in the order in which they came."""
    refused = any(each["problem"] for each in found)
    status = 409 if not any(each["taken"] for each in found) else 202 if refused else 200
    return JSONResponse({"files": found}, status)


def _token(config: Config, source: Upload) -> str:
    return keys.read_token(config.file.parent / source.token_file, f"the token of source {source.name}")


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


ROUTES = tuple(
    Route("POST", f"/intake/{{source}}{path}", take, Access.SENDER) for path in ("", "/studies", "/studies/{study}")
)
