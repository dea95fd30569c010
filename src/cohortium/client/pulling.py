"""Files fetched many at a time into a folder, so that it can be broken off anywhere and gone on with.

A file comes under a name of its own beside its place, and is renamed once its digest is right; so what bears its name
is whole, a second run fetches only what is missing, and of a file that was broken off only the rest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from cohortium.client.connection import BrokenOff, Connection, Gone, whole
from cohortium.errors import Corrupt, Malformed, Unavailable

__all__ = ["Advance", "Pulled", "Wanted", "pull"]

PIECE = 1 << 20
TRIES = 5
PART = re.compile(r"[A-Za-z0-9_~%-][A-Za-z0-9._~%-]*")

Advance = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file: where it is on the server, where it goes below the folder, and what it must be."""

    url: str
    path: str
    digest: str
    size: int


@dataclass(slots=True)
class Pulled:
    """How many files are there now, how many of them and how many bytes this run fetched, and which are gone."""

    files: int = 0
    fetched: int = 0
    bytes: int = 0
    gone: list[str] = field(default_factory=list)


def pull(connection: Connection, wanted: Iterable[Wanted], folder: Path, *, jobs: int, advance: Advance) -> Pulled:
    """Fetch what is not there yet; `advance(files, bytes)` is told of each file that is done."""
    done = Pulled()
    with ThreadPoolExecutor(jobs) as pool:
        rest = iter(wanted)
        running: set[Future[tuple[Wanted, int | None]]] = set()
        try:
            while True:
                for each in islice(rest, 4 * jobs - len(running)):  # never a million futures at once
                    running.add(pool.submit(_fetch, connection, each, folder))
                if not running:
                    return done
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    _count(done, *future.result())
                    advance(done.files + len(done.gone), done.bytes)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _count(done: Pulled, one: Wanted, got: int | None) -> None:
    if got is None:
        done.gone.append(one.path)
        return
    done.files += 1
    done.fetched += got > 0
    done.bytes += got


def _fetch(connection: Connection, one: Wanted, folder: Path) -> tuple[Wanted, int | None]:
    """How many bytes it took, 0 where the file was there; None where it is gone."""
    target = folder.joinpath(*_parts(one.path))
    if target.is_file() and target.stat().st_size == one.size:
        return one, 0
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{one.digest[:16]}.part")  # the same bytes may lie here under two names
    held = _size(part)
    for _ in range(TRIES):
        try:
            _receive(connection, one, part)
        except Gone:
            part.unlink(missing_ok=True)
            return one, None
        except BrokenOff:
            continue  # what came is kept, and the rest is asked for
        if _digest(part) == one.digest:
            part.replace(target)
            return one, one.size - held
        part.unlink()
        held = 0
    if part.exists():
        raise Unavailable("the connection breaks off again and again; what came is kept, so run it again")
    raise Corrupt(f"what the server sends as {one.digest[:12]} is something else; tell its administrator")


def _receive(connection: Connection, one: Wanted, part: Path) -> None:
    """Append what is missing."""
    held = _size(part)
    if held >= one.size > 0:
        return
    headers = {"Range": f"bytes={held}-", "If-Range": f'"{one.digest}"'} if held else {}
    with (
        connection.stream("GET", one.url, headers=headers) as answer,
        part.open("ab" if answer.status_code == 206 else "wb") as file,
    ):
        for piece in whole(answer):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _digest(part: Path) -> str:
    found = sha256()
    with part.open("rb") as file:
        for piece in _pieces(file):
            found.update(piece)
    return found.hexdigest()


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece


def _parts(path: str) -> list[str]:
    """The path's parts; whatever a server says, none of them leads out of the folder."""
    parts = path.split("/")
    if not all(PART.fullmatch(part) for part in parts):
        raise Malformed("the server names a file in a way that is no safe path; tell its administrator")
    return parts
