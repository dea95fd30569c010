"""Bringing a site back from a backup, into an empty place.

What always holds: rows come after every byte they name is in place and had its digest, and all at once; until the end
the store opens for nobody else. Killed anywhere, the same command goes on where it stood. Who was withdrawn since stays
withdrawn: their keys and objects are not put back, and the journal is replayed before the store opens.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any

from sqlalchemy import Connection, MetaData, Table, exists, select

from cohortium.archive import Archive, withdrawal
from cohortium.archive.storage import storage_of
from cohortium.backup import apart, manifest, rows
from cohortium.backup.apart import Journal
from cohortium.backup.copying import at_once, damaged, digest_of, through
from cohortium.backup.files import CONFIGURATION, SECRETS, home
from cohortium.backup.manifest import Manifest
from cohortium.backup.parts import Parts
from cohortium.backup.place import OBJECTS, UNFINISHED, Folder, Place
from cohortium.backup.where import objects_of
from cohortium.config import Config
from cohortium.errors import ConfigError, Corrupt, Refused
from cohortium.keys import SiteKey
from cohortium.prove import audit
from cohortium.store import RESTORING, open_store
from cohortium.store.migrate import revisions

__all__ = ["Progress", "Restored", "configure", "restore"]

Progress = Callable[[str, int, int], None]
MEGABYTE = 1_000_000
IGNORED = ("lost+found", RESTORING, UNFINISHED)


@dataclass(slots=True)
class Restored:
    """What came back, and what on purpose did not."""

    backup: str
    rows: int = 0
    files: int = 0
    objects: int = 0
    bytes: int = 0
    withdrawn: int = 0  # subjects of the journal
    withheld_objects: int = 0  # theirs
    broken: str = ""  # what is wrong with the audit, and was when the backup was made
    left: list[str] = field(default_factory=list)  # files beside the configuration that are there and differ
    seconds: float = 0.0


def configure(place: Place, key: SiteKey, file: Path, backup: str = "") -> None:
    """Put back the configuration `file`, with what lay beside it, for a machine that has nothing but the site's key."""
    manifest.demand(place, key)
    parts, folder = Parts(place, key), Folder(file.parent, str(file.parent))
    for record in _records(parts, manifest.named(place, key, backup)):
        if record["root"] == CONFIGURATION and not (file.parent / record["name"]).exists():
            folder.write(record["name"], _content(parts, record))
    folder.settle()
    if not file.exists():
        raise ConfigError(f"the backup holds no {file.name}; look in {file.parent} for its name")


def restore(
    config: Config, key: SiteKey, place: Place, journal: Journal, progress: Progress, backup: str = ""
) -> Restored:
    """Bring the site of `config` back as it was when the backup was made, but for who is in the journal."""
    started = perf_counter()
    manifest.demand(place, key)
    run = Run(config, key, place, manifest.named(place, key, backup), journal, progress)
    run.restore()
    run.restored.seconds = perf_counter() - started
    return run.restored


class Run:
    """One restore."""

    def __init__(
        self, config: Config, key: SiteKey, place: Place, made: Manifest, journal: Journal, progress: Progress
    ) -> None:
        self.config, self._key, self._place = config, key, place
        self._made, self._journal, self._progress = made, journal, progress
        self._parts = Parts(place, key)
        self._marker = config.site.data / RESTORING
        self.restored = Restored(made.name)

    def restore(self) -> None:
        """Everything, in the order that makes it safe to be killed anywhere."""
        self._begin()
        keys = apart.keys(self._place, self._key, self._journal, self._projects())
        self._objects({each["id"] for each in keys})
        self._files()
        self._rows(keys)
        self._withdraw_again()
        self._marker.unlink()

    def _begin(self) -> None:
        """Claim the data root and the store, if both are empty or were claimed for this backup before."""
        data = self.config.site.data
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        claimed = self._marker.read_text("utf-8").split() if self._marker.exists() else []
        if claimed and claimed[0] != self._made.name:
            raise Refused(
                f"a restore of backup {claimed[0]} has not ended here; finish it with `--backup {claimed[0]}`"
            )
        if not claimed:
            if any(entry.name not in IGNORED for entry in data.iterdir()):
                raise Refused(f"{data} is not empty; a restore overwrites nothing, so name or make an empty place")
            self._mark("")
        if claimed[1:] != ["empty"]:
            with self._opened() as connection:
                if any(connection.scalar(select(exists(select(table)))) for table in self._tables(connection)):
                    self._marker.unlink()
                    raise Refused("the store's database is not empty; a restore overwrites nothing, so make a new one")
            self._mark(" empty")

    def _mark(self, state: str) -> None:
        marker = Folder(self._marker.parent, "site.data")
        marker.write(self._marker.name, [f"{self._made.name}{state}".encode()])
        marker.settle()

    def _projects(self) -> dict[int, str]:
        lines = self._parts.get_lines(self._made.tables["project"])
        return {row["id"]: row["name"] for row in rows.rows(lines)}

    def _objects(self, keys: set[int]) -> None:
        target = objects_of(self.config)
        there = target.sizes("")
        records = [json.loads(line) for line in self._parts.get_lines(self._made.objects)]
        wanted = [record for record in records if _key_of(record[0]) in keys | {None}]
        self.restored.withheld_objects = len(records) - len(wanted)
        total = sum(size for _, size, _ in wanted)
        for (_, size, _), _ in at_once(wanted, lambda each: self._object(each, target, there)):
            self.restored.objects += 1
            self.restored.bytes += size
            self._progress("megabytes", self.restored.bytes // MEGABYTE, total // MEGABYTE)
        target.settle()

    def _object(self, record: list[Any], target: Place, there: Mapping[str, int]) -> None:
        name, size, digest = record
        if there.get(name) == size and digest_of(target.read(name)) == digest:
            return
        found = sha256()
        target.write(name, through(found, self._place.read(OBJECTS + name)))
        if found.hexdigest() != digest:
            target.delete(name)
            raise Corrupt(damaged(OBJECTS + name))

    def _files(self) -> None:
        for record in _records(self._parts, self._made):
            root, name = record["root"], record["name"]
            folder = home(self.config, root)
            path, target = folder / name, Folder(folder, str(folder))
            same = path.is_file() and digest_of(target.read(name)) == record["digest"]
            if path.is_file() and not same and root in (CONFIGURATION, SECRETS):
                self.restored.left.append(name)
                continue
            if not same:
                target.write(name, _content(self._parts, record))
                os.utime(path, ns=(record["changed"], record["changed"]))
                target.settle()
            self.restored.files += 1
            self.restored.bytes += record["size"]

    def _rows(self, keys: list[dict[str, Any]]) -> None:
        """All tables in one transaction; nothing where an earlier run came to its end."""
        total = sum(lines.count - 1 for lines in self._made.tables.values())
        with self._opened() as connection:
            tables = {table.name: table for table in self._tables(connection)}
            if unknown := self._made.tables.keys() - tables.keys():
                raise Corrupt(f"the backup holds tables that its release did not have: {', '.join(sorted(unknown))}")
            done = any(connection.scalar(select(exists(select(table)))) for table in tables.values())
            for name, table in tables.items():
                if name in self._made.tables and not done:
                    rows.load(connection, table, self._counted(self._parts.get_lines(self._made.tables[name]), total))
            if not done:
                apart.put_back(connection, keys)
                rows.renumber(connection, tables.values())
        self.restored.rows = total

    def _withdraw_again(self) -> None:
        """At this release's schema; who stood in the journal when the backup was made is withdrawn a second time."""
        engine = open_store(self.config, restoring="head")
        with engine.begin() as connection:
            withdrawal.replay(connection, self._journal.values())
            try:
                audit.verify_chain(connection)
            except Corrupt as error:  # as the backup had it: a broken audit is told, and keeps nobody from the images
                self.restored.broken = str(error)
            if not audit.says(connection, "restore", self._made.name):
                audit.record(connection, f"site {self.config.site.name}", "restore", self._made.name)
        Archive(engine, storage_of(self.config), self._key).collect()
        self.restored.withdrawn = len(self._journal)
        engine.dispose()

    def _counted(self, lines: Iterator[bytes], total: int) -> Iterator[bytes]:
        yield next(lines)
        for line in lines:
            yield line
            self.restored.rows += 1
            self._progress("rows", self.restored.rows, total)

    @contextmanager
    def _opened(self) -> Iterator[Connection]:
        """A writing connection to the store, at the schema of the backup or, later, at this release's."""
        if self._made.revision not in revisions():
            raise Refused(f"the backup was made by a newer release ({self._made.software}); restore it with that one")
        engine = open_store(self.config, restoring=self._made.revision)
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()

    def _tables(self, connection: Connection) -> list[Table]:
        found = MetaData()
        found.reflect(connection)
        return [table for table in found.sorted_tables if table.name != "alembic_version"]


def _records(parts: Parts, made: Manifest) -> Iterator[dict[str, Any]]:
    for line in parts.get_lines(made.files):
        yield json.loads(line)


def _content(parts: Parts, record: Mapping[str, Any]) -> Iterator[bytes]:
    digest = sha256()
    for part in record["parts"]:
        yield from through(digest, [parts.get(part, squeezed=False)])
    if digest.hexdigest() != record["digest"]:
        raise Corrupt("a file of the backup is not the one that was written")


def _key_of(name: str) -> int | None:
    """The data key under which an object of that name is sealed; None of an earlier release, which sealed none."""
    folders = name.split("/")
    return int(folders[1], 16) if len(folders) == 3 else None
