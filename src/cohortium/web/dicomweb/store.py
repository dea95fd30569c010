"""STOW-RS: instances come in through the archive's one door (PS3.18 10.5).

The body is read part by part; a batch of parts is admitted before more is read, so that a study of any size takes no
more memory than `BATCH` and its largest file.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from cohortium.archive import Offer
from cohortium.dicom import meta
from cohortium.errors import Malformed, Refused
from cohortium.govern import grants
from cohortium.govern.roles import May
from cohortium.govern.sites import demand_own_word
from cohortium.prove import receipts
from cohortium.values import Instance, Receipt
from cohortium.web.auth import grounds, reading, user
from cohortium.web.dicomweb import scope
from cohortium.web.dicomweb.negotiation import JSON, demand_json
from cohortium.web.errors import BadRequest
from cohortium.wire import private
from cohortium.wire.multipart import FOLLOWS, Part, Reader, media_type

__all__ = [
    "CANNOT_UNDERSTAND",
    "Answer",
    "batches",
    "described",
    "failure",
    "objection",
    "reader_of",
    "reference",
    "response",
    "store",
]

BATCH = 1 << 26  # bytes that are admitted together
MOST_IN_BATCH = 200
DICOM = "application/dicom"
NOT_AUTHORIZED, CANNOT_UNDERSTAND, OTHER_STUDY = 0x0124, 0xC000, 0xA900  # PS3.18 10.5.3, PS3.4 B.2.3
DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
UID = re.compile(r"[0-9.]{1,64}")


@dataclass(slots=True)
class Answer:
    """What became of each part, as the Store Instances Response has it; without a project, nothing can be retrieved."""

    project: str = ""
    stored: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)
    studies: set[str] = field(default_factory=set)


async def store(request: Request) -> Response:
    """Take the parts of the body; each has its own answer."""
    demand_json(request)
    study = next(iter(scope.uids(request)), "")
    answer = Answer(request.path_params["project"])
    async for batch in batches(request, reader_of(request)):
        await run_in_threadpool(_admit, request, answer, study, batch)
    return response(request, answer)


def reader_of(request: Request) -> Reader:
    """What reads the body; 415 where it is none of STOW-RS."""
    kind = media_type(request.headers.get("content-type", ""))
    if kind.name != "multipart/related" or kind.parameters.get("type", DICOM).lower() != DICOM:
        raise HTTPException(415)
    try:
        return Reader(kind.parameters.get("boundary", ""), request.app.state.config.limits.file_megabytes * 1_000_000)
    except Malformed as error:
        raise BadRequest(str(error)) from None


def response(request: Request, answer: Answer) -> Response:
    """The answer to the whole body."""
    if not answer.stored and not answer.failed:
        raise BadRequest("the body holds no part")
    status = 409 if not answer.stored else 202 if answer.failed else 200
    return JSONResponse(_document(request, answer), status, media_type=JSON)


async def batches(request: Request, reader: Reader) -> AsyncIterator[list[Part]]:
    """The parts of the body, as many at once as are to be taken in together."""
    batch: list[Part] = []
    size = 0
    with request.app.state.intake.holding() as held:
        try:
            async for piece in request.stream():
                held.now(size + reader.held + len(piece))
                for part in reader.feed(piece):
                    batch.append(part)
                    size += len(part.content)
                    if len(batch) >= MOST_IN_BATCH or size >= BATCH:
                        yield batch
                        batch, size = [], 0
            reader.close()
        except Malformed as error:
            if type(error) is Malformed:
                raise BadRequest(str(error)) from None
            raise
        if batch:
            yield batch


def _admit(request: Request, answer: Answer, study: str, batch: list[Part]) -> None:
    offers = []
    for part in batch:
        if wrong := objection(part, study):
            answer.failed.append(wrong)
            continue
        try:
            offers.append((part, Offer(part.content, _receipt(request, part), _follows(part))))
        except Refused as refusal:
            answer.failed.append(_refused(part, refusal))
    taken, who = (offer for _, offer in offers), user(request)
    with reading(request).connect() as connection:
        project_id = grants.id_of(connection, who, answer.project, May.DEPOSIT)
        under = grounds(request, grants.basis(connection, who, project_id, May.DEPOSIT))
    found = scope.archive(request).admit_all(
        taken, answer.project, who=who.name, aside=True, address=under["address"], basis=under["basis"]
    )
    for (part, _), one in zip(offers, found, strict=True):
        if isinstance(one, Refused):
            answer.failed.append(_refused(part, one))
        else:
            answer.studies.add(one.StudyInstanceUID)
            uids = (one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID)
            place = scope.address(request, answer.project, *uids)
            where = {"00081190": {"vr": "UR", "Value": [place]}}
            answer.stored.append(reference(one) | where | private.with_digest(one.digest))


def objection(part: Part, study: str) -> dict[str, Any] | None:
    """Why a part is not even offered, if so."""
    if media_type(part.headers.get("content-type", DICOM)).name != DICOM:
        return failure(part, CANNOT_UNDERSTAND)
    made = described(part) if study else None
    return failure(part, OTHER_STUDY) if study and (not made or made.StudyInstanceUID != study) else None


def failure(part: Part, reason: int) -> dict[str, Any]:
    """Why a part did not come in, as an item of FailedSOPSequence."""
    made = described(part)
    number = CANNOT_UNDERSTAND if made is None else reason
    said = {"00081197": {"vr": "US", "Value": [number]}}
    return said if made is None else reference(made) | said


def _refused(part: Part, refusal: Refused) -> dict[str, Any]:
    return failure(part, NOT_AUTHORIZED) | private.with_reason(str(refusal))


def described(part: Part) -> Instance | None:
    """What the part is; None where it cannot be read, or bears as its UIDs what is none and must not be repeated."""
    try:
        found = meta.describe(part.content, digest="")
    except Malformed:
        return None
    return found if all(UID.fullmatch(each) for each in (found.SOPClassUID, found.SOPInstanceUID)) else None


def reference(instance: Instance) -> dict[str, Any]:
    """Which instance is meant, within an item of a sequence."""
    return {
        "00081150": {"vr": "UI", "Value": [instance.SOPClassUID]},
        "00081155": {"vr": "UI", "Value": [instance.SOPInstanceUID]},
    }


def _receipt(request: Request, part: Part) -> Receipt | None:
    """A site's word for the part, in its own header field; `Refused` where it is broken, or another site's."""
    text = part.headers.get(receipts.HEADER)
    found = None if text is None else receipts.parse(text)
    demand_own_word(user(request), found)
    return found


def _follows(part: Part) -> frozenset[str]:
    """The digests of versions after which the sender says that the part comes."""
    return frozenset(DIGEST.findall(part.headers.get(FOLLOWS.lower(), "")))


def _document(request: Request, answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if len(answer.studies) == 1:
        place = scope.address(request, answer.project, *answer.studies)
        found["00081190"] = {"vr": "UR", "Value": [place]}
    for tag, items in (("00081198", answer.failed), ("00081199", answer.stored)):
        if items:
            found[tag] = {"vr": "SQ", "Value": items}
    return found
