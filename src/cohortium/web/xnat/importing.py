"""Images come in as XNAT's import service takes them: one session in a zip or a tar, through the archive's one door.

All of a package is read before any of it is offered, and all of its images come in or none: one that is broken, or
holds several sessions, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from cohortium.archive import Archive, Wish
from cohortium.archive.resources import Level
from cohortium.dicom import filemeta, meta
from cohortium.errors import Malformed, Refused
from cohortium.find import places
from cohortium.govern.roles import May
from cohortium.spool import Scratch
from cohortium.store import now
from cohortium.store.schema import session
from cohortium.web import uploads
from cohortium.web.auth import reading, record, user
from cohortium.web.errors import BadRequest
from cohortium.wire import packages

__all__ = ["address_of", "demand_plain", "demand_project", "folder", "stamp", "take", "waiting_at", "wish_of"]

HANDLERS = ("", "DICOM-zip", "SI")
TRUE = ("true", "1")
ONE_BY_ONE = "DICOM-zip"  # the handler that takes images alone
PREARCHIVE, WAITING = "/prearchive", "waiting"
DIRECTORY = "1.2.840.10008.1.3.10"  # a DICOMDIR, which lists images and is none


@dataclass(frozen=True, slots=True)
class Asked:
    """What the query asks for."""

    project_id: int
    project: str
    wish: Wish
    waits: bool  # in the prearchive
    leaves_out: bool  # what cannot be read
    one_by_one: bool  # every file has to be an image


async def take(request: Request) -> Response:
    """Take a package; the answer is the address of its session."""
    asked = _asked(request)
    with Scratch(request.app.state.config.site.data, request.app.state.intake.demand_room) as package:
        await uploads.fill(package, request)
        return PlainTextResponse(await run_in_threadpool(_take, request, asked, package))


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


def waiting_at(project: str, moment: str, wish: Wish) -> str:
    """Where clients find in the prearchive what came at that moment."""
    return f"/prearchive/projects/{project}/{stamp(moment)}/{folder(wish)}"


def folder(wish: Wish) -> str:
    """What a session is called while it waits."""
    return wish.session or WAITING


def stamp(moment: str) -> str:
    """A moment as clients read it in addresses of the prearchive."""
    return f"{datetime.fromisoformat(moment):%Y%m%d_%H%M%S%f}"


def demand_plain(request: Request) -> None:
    """Refuse what would change images that are there, or hide them."""
    if request.query_params.get("overwrite") == "delete" or request.query_params.get("quarantine") in TRUE:
        raise Refused("images are neither overwritten nor put in quarantine here: remove a session, or flag it")


def _asked(request: Request) -> Asked:
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
    wish = wish_of(request, project, subject_label, session_label)
    waits, leaves_out = destination.startswith(PREARCHIVE), query.get("Ignore-Unparsable") in TRUE
    return Asked(project_id, project, wish, waits, leaves_out, query.get("import-handler") == ONE_BY_ONE)


def _take(request: Request, asked: Asked, package: Scratch) -> str:
    archive: Archive = request.app.state.archive
    images = _Images(package, request.app.state.config.limits.file_megabytes * 1_000_000, asked)
    left_out = images.survey()
    who, moment = user(request).name, now()
    if asked.waits:
        archive.put_aside(images, asked.project, who, moment, asked.wish)
        answer = f"/data{waiting_at(asked.project, moment, asked.wish)}"
    else:
        (study,) = archive.admit_whole(images, asked.project, who, asked.wish, aside=True)
        answer = address_of(request, asked.project_id, study)
    if left_out:
        with request.app.state.engine.begin() as connection:
            about = f"{asked.project}: {left_out} files that are no images"
            record(request, connection, "leave out of import", about, asked.project_id, May.WRITE)
    return f"{answer}\r\n"


def wish_of(request: Request, project: str, subject: str, session: str) -> Wish:
    """Subject and session as the archive calls them, where clients name them by label or by number."""
    who, top = user(request), (Level.PROJECT, project)
    with reading(request).connect() as connection:
        of = places.node(connection, who, [top, (Level.SUBJECT, subject)], May.WRITE) if subject else None
        named = places.node(connection, who, [top, (Level.SESSION, session)], May.WRITE) if session else None
    return Wish(of.labels[-1] if of else subject, named.labels[-1] if named else session)


class _Images:
    """The images in a package, however often they are gone through.

    What never was an image, as a snapshot, is left out, unless files are taken one by one; a broken image on demand.
    """

    def __init__(self, package: Scratch, limit: int, asked: Asked) -> None:
        self._package, self._limit, self._asked = package, limit, asked
        self._left_out: set[int] = set()

    def __iter__(self) -> Iterator[bytes]:
        files = enumerate(packages.files(self._package, self._limit))
        return (content for number, content in files if number not in self._left_out)

    def survey(self) -> int:
        """How many files are left out; `Malformed` unless all others are images of one session."""
        studies: set[tuple[str, str]] = set()
        others = []
        for number, content in enumerate(packages.files(self._package, self._limit)):
            try:
                made = meta.describe(content, digest="")
            except Malformed:
                others.append(number)
                if self._may_stay_out(content):
                    self._left_out.add(number)
            else:
                studies.add((made.PatientID, made.StudyInstanceUID))
        if len(others) > len(self._left_out) or not studies:
            raise Malformed(f"nothing came in: {len(others)} files are no DICOM images (Ignore-Unparsable drops them)")
        if len(studies) != 1:
            raise Malformed(f"nothing came in: it holds images of {len(studies)} sessions; send each by itself")
        return len(self._left_out)

    def _may_stay_out(self, content: bytes) -> bool:
        if self._asked.leaves_out:
            return True
        if not filemeta.is_dicom(content[:256]):
            return not self._asked.one_by_one
        try:
            return filemeta.read(content).MediaStorageSOPClassUID == DIRECTORY
        except Malformed:
            return False
