"""Images come in as XNAT's import service takes them: one session in a zip or a tar, through the archive's one door.

All of a package is read before any of it is offered: one that is broken, holds something else, or is of another subject
or session than its sender says, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from cohortium.archive import Archive, Offer, labels, typed
from cohortium.archive.resources import Level
from cohortium.dicom import meta
from cohortium.errors import Malformed, Refused
from cohortium.find import places
from cohortium.govern.roles import May
from cohortium.store import now
from cohortium.store.schema import session
from cohortium.values import Instance
from cohortium.web import uploads
from cohortium.web.auth import reading, record, user
from cohortium.web.errors import BadRequest
from cohortium.web.scratch import Scratch
from cohortium.web.xnat import unpacking
from cohortium.wire.multipart import media_type

__all__ = [
    "WAITING",
    "Study",
    "Wish",
    "address_of",
    "demand_plain",
    "demand_project",
    "described",
    "name_session",
    "new_name",
    "stamp",
    "survey",
    "take",
    "waiting_at",
]

BATCH, MOST_IN_BATCH = 1 << 26, 200  # bytes, and files, that are admitted together
HANDLERS = ("", "DICOM-zip", "SI")
TRUE = ("true", "1")
PREARCHIVE, WAITING = "/prearchive", "waiting"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the query asks for."""

    project_id: int
    project: str
    subject: str
    session: str
    waits: bool  # in the prearchive
    leaves_out: bool  # what is no image


@dataclass(frozen=True, slots=True)
class Study:
    """The one session that a package is of."""

    PatientID: str
    StudyInstanceUID: str


async def take(request: Request) -> Response:
    """Take a package; the answer is the address of its session."""
    wish = _wish(request)
    with Scratch(request.app.state.config.site.data) as package:
        if media_type(request.headers.get("content-type", "")).name == "multipart/form-data":
            async for _, _, content in uploads.files(request):
                package.take(content)
                break
        else:
            async for piece in request.stream():
                package.take(piece)
        package.finish()
        return PlainTextResponse(await run_in_threadpool(_take, request, wish, package))


def demand_project(request: Request, name: str, may: May) -> int:
    """The project's id; 404, or 403 where it may only be seen."""
    with reading(request).connect() as connection:
        path = [(Level.PROJECT, name)]
        found = places.node(connection, user(request), path, may)
        if found is None:
            raise HTTPException(403 if places.node(connection, user(request), path, May.SEE) else 404)
    return found.project_id


def address_of(request: Request, project_id: int, StudyInstanceUID: str) -> str:
    """The address of a session that is there, as clients are told it."""
    where = session.c.project_id == project_id, session.c.StudyInstanceUID == StudyInstanceUID
    with reading(request).connect() as connection:
        found = connection.scalar(select(session.c.id).where(*where))
    return f"/data/experiments/{places.numbered(Level.SESSION, found or 0)}"


def waiting_at(project: str, moment: str) -> str:
    """Where clients find in the prearchive what came at that moment."""
    return f"/prearchive/projects/{project}/{stamp(moment)}/{WAITING}"


def stamp(moment: str) -> str:
    """A moment as clients read it in addresses of the prearchive."""
    return f"{datetime.fromisoformat(moment):%Y%m%d_%H%M%S%f}"


def demand_plain(request: Request) -> None:
    """Refuse what would change images that are there, or hide them."""
    if request.query_params.get("overwrite") == "delete" or request.query_params.get("quarantine") in TRUE:
        raise Refused("images are neither overwritten nor put in quarantine here: remove a session, or flag it")


def _wish(request: Request) -> Wish:
    query = request.query_params
    destination = query.get("dest", "").rstrip("/")
    words = destination.split("/")  # of /archive/projects/P/subjects/S/experiments/E, as far as it is said
    named = dict(zip(words[2::2], words[3::2], strict=False))
    project = query.get("project") or named.get("projects", "")
    project_id = demand_project(request, project, May.WRITE)
    if query.get("import-handler", "") not in HANDLERS:
        raise HTTPException(501)
    if destination and not destination.startswith(("/archive", PREARCHIVE)):
        raise BadRequest("a destination begins with /archive or /prearchive")
    demand_plain(request)
    subject_label = query.get("subject") or named.get("subjects", "")
    session_label = query.get("session") or named.get("experiments", "")
    leaves_out = query.get("Ignore-Unparsable") in TRUE
    return Wish(project_id, project, subject_label, session_label, destination.startswith(PREARCHIVE), leaves_out)


def _take(request: Request, wish: Wish, package: Scratch) -> str:
    archive: Archive = request.app.state.archive
    limit = request.app.state.config.limits.file_megabytes * 1_000_000
    study = survey(wish, (made for _, made in _described(package, limit)))
    name = new_name(request, wish, study)
    who, moment, taken = user(request).name, now(), 0
    refused: list[Refused] = []
    for batch in _batches(content for content, made in _described(package, limit) if made is not None):
        if wish.waits:
            taken += archive.put_aside(batch, wish.project, who, moment)
            continue
        answers = archive.admit_all((Offer(each, None) for each in batch), wish.project, who, aside=True)
        refused += [each for each in answers if isinstance(each, Refused)]
        taken += sum(isinstance(each, Instance) for each in answers)
    if taken and name and not wish.waits:
        name_session(request, wish, study, name)
    if refused:
        raise type(refused[0])(
            f"{len(refused)} of {taken + len(refused)} images did not come in. The first: {refused[0]}"
        )
    if wish.waits:
        return f"/data{waiting_at(wish.project, moment)}\r\n"
    return address_of(request, wish.project_id, study.StudyInstanceUID) + "\r\n"


def survey(wish: Wish, found: Iterable[Instance | None]) -> Study:
    """Whose session it is; refused unless all of it is of one, and of the subject that was named."""
    studies, others, count = set(), 0, 0
    for made in found:
        count += 1
        if made is None:
            others += 1
        else:
            studies.add(Study(made.PatientID, made.StudyInstanceUID))
    if others and (others == count or not wish.leaves_out):
        raise Malformed(
            f"nothing came in: {others} of {count} files are no DICOM images (Ignore-Unparsable drops them)"
        )
    if len(studies) != 1:
        raise Malformed(f"nothing came in: it holds images of {len(studies)} sessions; send each by itself")
    return studies.pop()


def new_name(request: Request, wish: Wish, study: Study) -> str:
    """What the session is to be called, where it is new; `Refused` unless subject and session are those of the wish."""
    who, project = user(request), (Level.PROJECT, wish.project)
    where = session.c.project_id == wish.project_id, session.c.StudyInstanceUID == study.StudyInstanceUID
    with reading(request).connect() as connection:
        held = connection.scalar(select(session.c.id).where(*where))
        of = places.node(connection, who, [project, (Level.SUBJECT, wish.subject)], May.WRITE)
        named = places.node(connection, who, [project, (Level.SESSION, wish.session)], May.WRITE)
    if wish.subject not in ("", study.PatientID) and (of is None or of.labels[1] != study.PatientID):
        raise Refused("nothing came in: the images are of another subject than the one that was named")
    if not wish.session or (named is not None and named.ids[-1] == held):
        return ""
    if held is not None or named is not None:
        raise Refused("nothing came in: the images are of another session than the one that was named")
    return typed.demand_label(wish.session, "session")


def name_session(request: Request, wish: Wish, study: Study, name: str) -> None:
    """Call the session so, now that it is there."""
    with request.app.state.engine.begin() as connection:
        labels.name_session(connection, wish.project_id, study.StudyInstanceUID, name)
        record(request, connection, "name session", f"{wish.project}/{name}", wish.project_id, May.WRITE)


def _described(package: Scratch, limit: int) -> Iterator[tuple[bytes, Instance | None]]:
    """Each file, and what image it is."""
    for content in unpacking.files(package, limit):
        yield content, described(content)


def described(content: bytes) -> Instance | None:
    """What image it is; None where it is none."""
    try:
        return meta.describe(content, digest="")
    except Malformed:
        return None


def _batches(contents: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for each in contents:
        batch.append(each)
        if len(batch) >= MOST_IN_BATCH or sum(map(len, batch)) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
