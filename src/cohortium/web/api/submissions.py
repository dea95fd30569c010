"""A dataset version's clinical tables as a package for submission, made when it is asked for.

What always holds: tables and package lie in memory, never on a disk unsealed, and before the first byte is sent they
have no name there any more.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

from fastapi import Query, Request, Response
from sqlalchemy import Connection
from starlette.exceptions import HTTPException

from cohortium.archive import Address, Archive, objects
from cohortium.archive.clinical import tables as clinical
from cohortium.archive.datasets import File, Version
from cohortium.errors import Malformed, Refused, Unavailable
from cohortium.web.api import content
from cohortium.web.api.datasets import version
from cohortium.web.auth import reading, record
from cohortium.web.meter import charge
from cohortium.wire.zipped import Member

__all__ = ["package"]

MEMORY = Path("/dev/shm")  # noqa: S108  what lies here is on no disk
LARGEST = 200_000_000  # bytes of tables
SECONDS = 600
APART = "cohortium.clinical.submission.apart"  # where polars may be
PIECE = 1 << 20
Form = Annotated[
    Literal["xport", "csv"], Query(alias="format", description="SAS transport files of version 5, or CSV.")
]
Guide = Annotated[Literal["3.3", "3.4"], Query(description="The SDTMIG that the tables follow.")]
Study = Annotated[str, Query(max_length=200, description="The study's name, where STUDYID does not tell it.")]


def package(
    request: Request, name: str, dataset: str, form: Form = "xport", sdtmig: Guide = "3.3", study: Study = ""
) -> Response:
    """SDTM and define.xml of a version's clinical tables, in one zip; 422 says what cannot be written."""
    with reading(request).connect() as connection:
        found = version(connection, request, name, dataset)
        held = list(_held(connection, found))
    if not held:
        raise Malformed(
            "the version has no clinical table: no file of it is called {partner}_{domain}.csv, .tsv or .xpt"
        )
    size = sum(each.size for each, _ in held)
    if not MEMORY.is_dir() or find_spec("polars") is None or find_spec("pyreadstat") is None:
        raise Refused("this archive has no means to write it: use `cohortium clinical export`")
    if size > LARGEST:
        raise Refused("its clinical tables are too large for that: use `cohortium clinical export`")
    charge(request, found.project_id, size)
    archive: Archive = request.app.state.archive
    archive.objects.demand_warm(at for _, at in held)
    about = {"form": form, "sdtmig": sdtmig, "study": study, "dataset": f"{name}/{found.name}", "digest": found.digest}
    with tempfile.TemporaryDirectory(prefix="cohortium-", dir=MEMORY) as folder:
        try:
            _lay(Path(folder, "tables"), archive, held)
        except OSError:
            raise Unavailable(
                "there is no room for it just now; try again, or use `cohortium clinical export`"
            ) from None
        files = _written(Path(folder), about)
    with request.app.state.engine.begin() as connection:
        record(request, connection, "retrieve submission", f"{name}/{found.digest}", found.project_id)
    return content.send_zip(f"{found.name}-submission", _members(files))


def _held(connection: Connection, found: Version) -> Iterator[tuple[File, Address]]:
    """The clinical tables of a version; 410 where one is gone, for the rest would not be the version's."""
    for each in list(clinical.files_of(connection, found)):
        at = objects.find(connection, found.project_id, each.digest)
        if at is None:
            raise HTTPException(410)
        yield each, at


def _lay(folder: Path, archive: Archive, held: Iterable[tuple[File, Address]]) -> None:
    for each, at in held:
        path = folder / each.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.writelines(archive.objects.stream(at))


def _written(folder: Path, wish: dict[str, str]) -> dict[str, BinaryIO]:
    """The package's files, open; what is not there to be written is `Malformed`."""
    into = folder / "package"
    asked = json.dumps({"folder": str(folder / "tables"), "into": str(into), **wish})
    command = [sys.executable, "-m", APART]
    try:
        done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=SECONDS, check=True)  # noqa: S603
    except subprocess.SubprocessError:  # what it says may quote data
        raise Unavailable("the package could not be made; try again, or use `cohortium clinical export`") from None
    if refused := json.loads(done.stdout)["refused"]:
        raise Malformed(refused)
    return {path.name: path.open("rb") for path in sorted(into.iterdir())}


def _members(files: dict[str, BinaryIO]) -> Iterator[Member]:
    """Each file, closed once it was sent, or once nobody wants it any more."""
    with ExitStack() as stack:
        for file in files.values():
            stack.enter_context(file)
        for name, file in files.items():
            yield Member(name, os.fstat(file.fileno()).st_size, partial(iter, partial(file.read, PIECE), b""))
