"""Dataset versions: what a project held at one moment, frozen into a manifest whose SHA-256 names it for ever.

The manifest is JSON Lines: a line that says what it is, then a line for each file, by path. Its rows are only ever
added and its digest is computed again whenever it is read, so that what was cited cannot change unseen. Its files can
be read whatever is deposited, flagged or replaced later; those that the owner removed are told (`comparison.gone`).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import ColumnElement, Connection, delete, func, insert, literal, or_, select, update

from cohortium.archive import frozen, lists
from cohortium.errors import Corrupt, Refused
from cohortium.prove.canonical import canonical
from cohortium.store import now, total
from cohortium.store.schema import dataset, dataset_file

__all__ = ["File", "Version", "file", "files", "find", "freeze", "identified", "manifest", "newest", "versions"]

KIND = "cohortium dataset 1"
AT_ONCE = 5000  # rows a statement
LONGEST = 2000  # characters of a description
DIGEST = re.compile(r"[0-9a-f]{12,64}")  # or the beginning of one


@dataclass(frozen=True, slots=True)
class Version:
    """`source`: the list that was frozen, empty for the whole project; `digest` is the version's identifier."""

    id: int
    project_id: int
    name: str
    description: str
    digest: str
    source: str
    files: int
    size: int
    subjects: int
    series: int
    by: str
    created: str


@dataclass(frozen=True, slots=True)
class File:
    """A line of the manifest, and to whom and what it belongs."""

    path: str
    digest: str
    size: int
    PatientID: str
    SeriesInstanceUID: str


COLUMNS = tuple(dataset.c[field] for field in Version.__dataclass_fields__)
OF_FILE = tuple(dataset_file.c[field] for field in File.__dataclass_fields__)


def freeze(
    connection: Connection,
    project_id: int,
    name: str,
    by: str,
    *,
    source: lists.ScanList | None = None,
    description: str = "",
    with_unusable: bool = False,
) -> Version:
    """Freeze the project, or a saved list of its scans, with the files beside them, without what is flagged unusable.

    The same files again are the same version, under its first name. What is refused is to be rolled back.
    """
    if not lists.NAME.fullmatch(name) or DIGEST.fullmatch(name):
        raise Refused("a version's name has 1 to 64 letters, digits and . _ -, and does not look like a digest")
    if len(description) > LONGEST:
        raise Refused(f"a description has at most {LONGEST} characters")
    values = {"project_id": project_id, "name": name, "description": description.strip(), "by": by, "created": now()}
    values |= {"digest": secrets.token_hex(32), "source": source.name if source else ""}  # until it is computed
    values |= dict.fromkeys(("files", "size", "subjects", "series"), 0)
    taken = find(connection, project_id, name)
    if taken is not None:  # the name is given back where what was frozen turns out to be the same
        values["name"] = f".{secrets.token_hex(16)}"
    key = connection.execute(insert(dataset).values(**values).returning(dataset.c.id)).scalar_one()
    for some in frozen.entries(connection, project_id, source, with_unusable):
        connection.execute(insert(dataset_file), [{"dataset_id": key, **each} for each in some])
    version = _sealed(connection, key)
    if taken is not None and version != taken:
        raise Refused("another dataset version has that name, and a version never changes; choose another name")
    return version


def versions(connection: Connection, project_id: int) -> list[Version]:
    """The project's versions, newest first."""
    rows = connection.execute(select(*COLUMNS).where(dataset.c.project_id == project_id).order_by(dataset.c.id.desc()))
    return [Version(*row) for row in rows]


def newest(connection: Connection, projects: Collection[int]) -> dict[int, Version]:
    """The newest version of each of these projects that has any."""
    last = select(func.max(dataset.c.id)).where(dataset.c.project_id.in_(projects)).group_by(dataset.c.project_id)
    rows = connection.execute(select(*COLUMNS).where(dataset.c.id.in_(last)))
    return {row.project_id: Version(*row) for row in rows}


def find(connection: Connection, project_id: int, called: str) -> Version | None:
    """The project's version of that digest, of at least 12 characters, or of that name."""
    is_it: ColumnElement[bool] = dataset.c.name == called
    if DIGEST.fullmatch(called):
        is_it = or_(is_it, dataset.c.digest.startswith(called, autoescape=True))
    found = connection.execute(select(*COLUMNS).where(dataset.c.project_id == project_id, is_it)).all()
    return Version(*found[0]) if len(found) == 1 else None


def identified(connection: Connection, digest: str) -> Version | None:
    """The version of that digest, of at least 12 characters, in whichever project it was frozen first."""
    if not DIGEST.fullmatch(digest):
        return None
    wanted = select(*COLUMNS).where(dataset.c.digest.startswith(digest, autoescape=True)).order_by(dataset.c.id)
    found = [Version(*row) for row in connection.execute(wanted)]
    return found[0] if len({each.digest for each in found}) == 1 else None


def files(
    connection: Connection,
    version: Version,
    *,
    after: str = "",
    limit: int | None = None,
    endings: Collection[str] = ("",),
) -> Iterator[File]:
    """The files in the order of the manifest, behind the path `after`; those whose names end so, in lower case."""
    ends = or_(*(func.lower(dataset_file.c.path).endswith(each, autoescape=True) for each in endings))
    query = select(*OF_FILE).where(dataset_file.c.dataset_id == version.id, dataset_file.c.path > after)
    query = query.where(ends) if any(endings) else query
    query = query.order_by(dataset_file.c.path).limit(limit).execution_options(yield_per=AT_ONCE)
    return (File(*row) for row in connection.execute(query))


def file(connection: Connection, version: Version, digest: str) -> File | None:
    """A file of the version by its digest."""
    wanted = dataset_file.c.digest == digest, dataset_file.c.dataset_id == version.id
    row = connection.execute(select(*OF_FILE).where(*wanted).order_by(dataset_file.c.path).limit(1)).one_or_none()
    return File(*row) if row else None


def manifest(connection: Connection, version: Version) -> Iterator[bytes]:
    """The manifest's lines; `Corrupt`, after the last one, where they are not what was frozen."""
    digest = sha256()
    for line in _lines(version, files(connection, version)):
        digest.update(line)
        yield line
    if digest.hexdigest() != version.digest:
        raise Corrupt(f"dataset version {version.digest[:12]} is not what was frozen; restore it from a backup")


def _lines(version: Version, entries: Iterator[File]) -> Iterator[bytes]:
    head: dict[str, str | int] = {"files": version.files, "kind": KIND, "size": version.size}
    yield f"{canonical(head)}\n".encode()
    for each in entries:
        yield f"{canonical({'digest': each.digest, 'path': each.path, 'size': each.size})}\n".encode()


def _sealed(connection: Connection, key: int) -> Version:
    """Count the rows and name them by their manifest; the version that already has that name, if there is one."""
    count = dataset_file.c.dataset_id == key
    whose = func.count(func.nullif(dataset_file.c.PatientID, literal("")).distinct())
    of = func.count(func.nullif(dataset_file.c.SeriesInstanceUID, literal("")).distinct())
    columns = func.count().label("files"), total(dataset_file.c.size).label("size"), whose, of
    number, size, subjects, series = connection.execute(select(*columns).where(count)).one()
    if not number:
        raise Refused("there is nothing to freeze: no image and no file, or none that is not flagged unusable")
    counted = {"files": number, "size": size, "subjects": subjects, "series": series}
    made = update(dataset).where(dataset.c.id == key).values(**counted).returning(*COLUMNS)
    version = Version(*connection.execute(made).one())
    digest = _digest(_lines(version, files(connection, version)))
    same = find(connection, version.project_id, digest)
    if same is not None:
        connection.execute(delete(dataset).where(dataset.c.id == key))
        return same
    named = update(dataset).where(dataset.c.id == key).values(digest=digest).returning(*COLUMNS)
    return Version(*connection.execute(named).one())


def _digest(lines: Iterator[bytes]) -> str:
    digest = sha256()
    for line in lines:
        digest.update(line)
    return digest.hexdigest()
