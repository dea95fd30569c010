"""Making a backup while the site works: rows of one moment, then files and objects, and the manifest when all is there.

Why nothing must stop: rows are read in one snapshot, the spool is held as it is at that moment, and objects never
change. An object that those rows name may be let go of before it is copied (its series was packed, its subject
withdrawn, it was removed): then the rows no longer name it, and reading them anew costs only what changed. So no
collection waits for a backup, nor a backup for a collection.

Killed anywhere it leaves parts and objects that no manifest names; the next backup finds them and goes on.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from time import perf_counter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Table, func, select

from cohortium import __version__
from cohortium.archive import Archive
from cohortium.archive.storage import Cold, storage_of
from cohortium.backup import apart, manifest, rows
from cohortium.backup.copying import at_once, digest_of, through
from cohortium.backup.files import File, of_site
from cohortium.backup.manifest import Manifest
from cohortium.backup.moment import WORK, moment
from cohortium.backup.named import named
from cohortium.backup.parts import Lines, Parts
from cohortium.backup.place import OBJECTS, Missing, Place
from cohortium.backup.pruning import prune
from cohortium.backup.where import objects_of
from cohortium.config import Config
from cohortium.errors import Unavailable
from cohortium.keys import SiteKey
from cohortium.prove import audit
from cohortium.store import schema
from cohortium.store.migrate import revisions

__all__ = ["Progress", "Taken", "back_up", "renew_keys"]

Progress = Callable[[str, int, int], None]
"""Called with a stage, how much of it is done, and how much there is."""

MEGABYTE = 1_000_000
TRIES = 3  # moments, before objects that rows name count as lost
PIECE = 4 << 20  # bytes of a file in one part


@dataclass(slots=True)
class Taken:
    """What a backup holds, and what of it was new at its target."""

    backup: str = ""
    rows: int = 0
    files: int = 0
    objects: int = 0
    bytes: int = 0  # of files and objects
    new_objects: int = 0
    new_bytes: int = 0  # of parts and objects
    missing: int = 0  # objects that rows name and that are not in the archive
    cold: int = 0  # packs in cold storage that the target lacks; they were asked for
    seconds: float = 0.0


class Object(NamedTuple):
    """An object as it lies, sealed: its name in storage, its size, and the SHA-256 of its sealed bytes."""

    name: str
    size: int
    digest: str
    new: bool = False
    cold: bool = False


def back_up(
    config: Config,
    engine: Engine,
    key: SiteKey,
    place: Place,
    progress: Progress = lambda *_: None,
    keep: int = 0,
) -> Taken:
    """Make a backup of the site at `place`; of those that are there then, let the `keep` newest stay (0: all)."""
    started = perf_counter()
    with _alone(config.site.data):
        manifest.claim(place, key)
        run = Run(config, engine, key, place, progress)
        run.take()
        if keep:
            prune(place, key, keep)
    run.taken.seconds = perf_counter() - started
    return run.taken


def renew_keys(config: Config, engine: Engine, key: SiteKey, place: Place) -> None:
    """Put data keys and journal anew at a target that has some: whoever was withdrawn has no key there any more."""
    with _alone(config.site.data), engine.execution_options(reading=True).begin() as connection:
        if manifest.is_target(place):
            manifest.demand(place, key)
            apart.keep(connection, place, key)
            place.settle()


class Run:
    """One backup as it is made."""

    def __init__(self, config: Config, engine: Engine, key: SiteKey, place: Place, progress: Progress) -> None:
        self._config, self._engine, self._key = config, engine, key
        self._place, self._progress = place, progress
        self._archive = Archive(engine, storage_of(config), key)
        self._parts = Parts(place, key)
        there = manifest.names(place)
        self._before = manifest.read(place, key, there[-1]) if there else None
        self._source = objects_of(config)
        self._held = place.sizes(OBJECTS)
        self.taken = Taken()

    def take(self) -> None:
        """Everything, and the manifest at last."""
        for _ in range(TRIES):
            tables, missing = self._rows()
            files = self._parts.put_lines(self._files())
            self.taken.files = files.count
            objects = self._parts.put_lines(self._objects(missing))
            if not missing:
                break
        self._place.settle()
        with self._engine.execution_options(reading=True).begin() as connection:
            apart.keep(connection, self._place, self._key)
        self.taken.backup = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{token_hex(2)}"
        made = Manifest(
            name=self.taken.backup,
            site=self._config.site.name,
            software=f"Cohortium {__version__}",
            revision=revisions()[-1],
            tables=tables,
            files=files,
            objects=objects,
        )
        manifest.write(self._place, self._key, made)
        self.taken.missing = len(missing)
        self.taken.new_bytes += self._parts.written
        with self._engine.begin() as connection:
            audit.record(connection, f"site {self._config.site.name}", "back up", made.name)

    def _rows(self) -> tuple[dict[str, Lines], set[str]]:
        """Every table, and the objects that are named in them."""
        with moment(self._engine, self._config.site.data) as connection:
            tables = rows.kept(schema.metadata)
            total = sum(connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables)
            self.taken.rows = 0
            lines = {table.name: self._table(connection, table, total) for table in tables}
            return lines, set(named(connection, self._archive.objects))

    def _table(self, connection: Connection, table: Table, total: int) -> Lines:
        kept = self._parts.put_lines(rows.dump(connection, table))
        self.taken.rows += kept.count - 1  # the first names the columns
        self._progress("rows", self.taken.rows, total)
        return kept

    def _files(self) -> Iterator[bytes]:
        known = {}
        if self._before:
            records = map(json.loads, self._parts.get_lines(self._before.files))
            known = {(each["root"], each["name"]): each for each in records}
        for file in of_site(self._config):
            found = file.path.stat()
            seen = known.get((file.root, file.name), {})
            if (seen.get("size"), seen.get("changed")) != (found.st_size, found.st_mtime_ns):
                seen = self._file(file, found.st_mtime_ns)
            yield rows.line(seen)

    def _file(self, file: File, changed: int) -> dict[str, Any]:
        digest, size, parts = sha256(), 0, []
        with file.path.open("rb") as content:
            while piece := content.read(PIECE):
                digest.update(piece)
                size += len(piece)
                parts.append(self._parts.put(piece, squeeze=False))
        record = {"root": file.root, "name": file.name, "size": size, "changed": changed}
        return record | {"digest": digest.hexdigest(), "parts": parts}

    def _objects(self, wanted: set[str]) -> Iterator[bytes]:
        """A line for each object, which is at the target then; takes its name out of `wanted`."""
        known = {}
        if self._before:
            records = map(json.loads, self._parts.get_lines(self._before.objects))
            known = {name: (size, digest) for name, size, digest in records}
        here = sorted(self._source.sizes("").items())
        self.taken.objects = self.taken.bytes = self.taken.cold = 0
        total = sum(size for _, size in here)
        for _, found in at_once(here, lambda object: self._object(*object, known)):
            if found and found.cold:
                self.taken.cold += 1
                wanted.discard(found.name)
            elif found:
                self.taken.objects += 1
                self.taken.bytes += found.size
                self.taken.new_objects += found.new
                self.taken.new_bytes += found.size * found.new
                self._progress("megabytes", self.taken.bytes // MEGABYTE, total // MEGABYTE)
                wanted.discard(found.name)
                yield rows.line(found[:3])

    def _object(self, name: str, size: int, known: Mapping[str, tuple[int, str]]) -> Object | None:
        """The object, copied unless the target has it; None where it was let go of meanwhile."""
        target, digest = OBJECTS + name, sha256()
        if self._held.get(target) == size:
            if name in known and known[name][0] == size:
                return Object(name, *known[name])
            return Object(name, size, digest_of(self._place.read(target)))  # of a backup that did not end
        try:
            self._place.write(target, through(digest, self._source.read(name)))
        except Missing:
            return None
        except Cold:
            self._archive.objects.storage.fetch(name)
            return Object(name, size, "", cold=True)
        return Object(name, size, digest.hexdigest(), new=True)


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """One backup of a site at a time; what it needs below the data root goes when it ends."""
    work = data / WORK
    work.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (work / "lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable("another backup of this site is being made; try again when it has ended") from None
        try:
            yield
        finally:
            for path in work.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                elif path.name != "lock":
                    path.unlink()
