"""What a project or a dataset version holds, as a delivery: named as in a folder that it is pulled into.

Objects are sealed, and programs that judge them want files. So a series lies open in a folder of the run, which only
this user can read, while it is looked at, and no longer; clinical tables and the metadata table do until the run ends.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, select

from cohortium import keys
from cohortium.archive import Address, Archive, comparison, datasets, frozen, objects, storage_of
from cohortium.archive.datasets import Version
from cohortium.check import naming
from cohortium.check.delivery import FIRST_LINE, Delivery, Here, Kind, Place, Table, kind_of
from cohortium.config import Config
from cohortium.store import open_store
from cohortium.store.room import room
from cohortium.store.schema import dataset_file, instance, scan, session, subject
from cohortium.wire.names import instance_path

__all__ = ["Shelf", "opened"]

FOLDER = ".checks"  # below the data root; no backup takes what begins with a dot
TABLES = "tables"
SUFFIXES = (".csv", ".xpt")
PARTS = 4  # of an instance's path: subject, study, series, object
Files = Mapping[str, str]  # digests by path


@dataclass(frozen=True, slots=True)
class Shelf:
    """A project, or a version of it, as workers take series from it; `folder` is where they lie open."""

    config: Config
    project_id: int
    dataset_id: int | None
    folder: Path

    @contextmanager
    def at_hand(self, place: Place, most: int | None = None) -> Iterator[Here]:
        """Those that the archive still holds, written down while the block runs."""
        names = tuple(islice(place.names(), most))
        with TemporaryDirectory(dir=self.folder) as name:
            root = Path(name)
            with _archive(self.config) as archive:
                with archive.engine.execution_options(reading=True).begin() as connection:
                    held = self._held(connection, place.SeriesInstanceUID, names)
                _write(archive, root, held)
            yield Here(root, tuple(held))

    def _held(self, connection: Connection, SeriesInstanceUID: str, names: Iterable[str]) -> dict[str, Address]:
        if self.dataset_id is None:
            every = _of_series(connection, self.project_id, SeriesInstanceUID)
            return {name: every[name] for name in names if name in every}
        digests = _of_version(connection, self.dataset_id, SeriesInstanceUID)
        found = {name: objects.find(connection, self.project_id, digests[name]) for name in names}
        return {name: at for name, at in found.items() if at is not None}


@contextmanager
def opened(config: Config, run_id: int, project_id: int, version: Version | None) -> Iterator[tuple[Delivery, int]]:
    """What the project holds, or the version where one is given, and how many of its files are not held any more.

    What a run of that number left, which was killed, is removed first.
    """
    folder = config.site.data / FOLDER / str(run_id)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    try:
        shelf = Shelf(config, project_id, version.id if version else None, folder)
        with _archive(config) as archive:
            series, beside, gone = _listed(archive, project_id, version)
            of_kind = _tables(archive, project_id, beside, folder / TABLES)
        yield (
            Delivery(
                root=folder / TABLES,
                source=shelf,
                places=tuple(_place(uid, names) for uid, names in sorted(series.items())),
                tables=tuple(_table(folder / TABLES, path) for path in of_kind[Kind.TABLE]),
                metadata=tuple(of_kind[Kind.METADATA]),
                associations=tuple(of_kind[Kind.ASSOCIATION]),
                strays=(),
                broken=(),
            ),
            gone,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _archive(config: Config) -> Iterator[Archive]:
    engine = open_store(config)
    try:
        yield Archive(engine, storage_of(config), keys.load(config.site.key, config.site.data))
    finally:
        engine.dispose()


def _listed(archive: Archive, project_id: int, version: Version | None) -> tuple[dict[str, list[str]], Files, int]:
    """Names of the objects of each series, the files beside them, and how many files are not held any more."""
    series: dict[str, list[str]] = defaultdict(list)
    beside: dict[str, str] = {}
    with archive.engine.execution_options(reading=True).begin() as connection:
        lost = {each.path for each in comparison.gone(connection, version)} if version else set()
        _demand_warm(archive, connection, project_id)
        for path, digest, SeriesInstanceUID in _files(connection, project_id, version):
            if path in lost:
                continue
            if SeriesInstanceUID and path.count("/") == PARTS - 1:
                series[SeriesInstanceUID].append(path)
            else:
                beside[path] = digest
    return series, beside, len(lost)


def _files(connection: Connection, project_id: int, version: Version | None) -> Iterator[tuple[str, str, str]]:
    """Path, digest and SeriesInstanceUID of each; of a project what would be frozen now."""
    if version:
        for each in datasets.files(connection, version):
            yield each.path, each.digest, each.SeriesInstanceUID
    else:
        for some in frozen.entries(connection, project_id, None, with_unusable=True):
            for entry in some:
                yield str(entry["path"]), str(entry["digest"]), str(entry["SeriesInstanceUID"])


def _demand_warm(archive: Archive, connection: Connection, project_id: int) -> None:
    """Ask for all that is in cold storage at once; `Cold` where anything is."""
    if archive.objects.storage.has_cold:
        packed = instance.c.project_id == project_id, instance.c.pack_id.is_not(None)
        rows = connection.execute(select(*Address.columns(instance)).where(*packed))
        archive.objects.demand_warm(Address(*row) for row in rows)


def _tables(archive: Archive, project_id: int, beside: Files, root: Path) -> Mapping[Kind, list[str]]:
    """Clinical tables, metadata and association tables among the files, written below `root`, by their kind."""
    held: dict[str, Address] = {}
    of_kind: dict[Kind, list[str]] = defaultdict(list)
    with archive.engine.execution_options(reading=True).begin() as connection:
        for path in sorted(path for path in beside if path.lower().endswith(SUFFIXES)):
            at = objects.find(connection, project_id, beside[path])
            if at is None:
                continue
            kind = kind_of(PurePosixPath(path).name, archive.objects.read(at, 0, FIRST_LINE))
            if kind is not Kind.STRAY:
                of_kind[kind].append(path)
                held[path] = at
    _write(archive, root, held)
    return of_kind


def _table(root: Path, path: str) -> Table:
    partner, domain = naming.table(PurePosixPath(path).name) or ("", "")
    return Table(root / path, path, partner, domain)


def _write(archive: Archive, root: Path, held: Mapping[str, Address]) -> None:
    for name, pieces in zip(held, archive.objects.streams(held.values()), strict=True):
        path = root / name
        with room():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with path.open("wb") as file:
                for piece in pieces:
                    file.write(piece)


def _of_series(connection: Connection, project_id: int, SeriesInstanceUID: str) -> dict[str, Address]:
    query = (
        select(subject.c.PatientID, session.c.StudyInstanceUID, instance.c.SOPInstanceUID, *Address.columns(instance))
        .join(scan, scan.c.id == instance.c.scan_id)
        .join(session, session.c.id == scan.c.session_id)
        .join(subject, subject.c.id == session.c.subject_id)
        .where(scan.c.project_id == project_id, scan.c.SeriesInstanceUID == SeriesInstanceUID)
    )
    rows = connection.execute(query)
    return {instance_path(patient, study, SeriesInstanceUID, uid): Address(*at) for patient, study, uid, *at in rows}


def _of_version(connection: Connection, dataset_id: int, SeriesInstanceUID: str) -> dict[str, str]:
    columns = dataset_file.c.path, dataset_file.c.digest
    here = dataset_file.c.dataset_id == dataset_id, dataset_file.c.SeriesInstanceUID == SeriesInstanceUID
    return dict(connection.execute(select(*columns).where(*here)).all())


def _place(SeriesInstanceUID: str, paths: Iterable[str]) -> Place:
    parts: dict[str, list[str]] = defaultdict(list)
    for path in sorted(paths):
        folder, _, name = path.rpartition("/")
        parts[folder].append(name)
    return Place(SeriesInstanceUID, {folder: tuple(names) for folder, names in parts.items()})
