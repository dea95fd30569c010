"""Every object opened and every pack compared with its digest: what is damaged, what is missing, what nobody names.

Reads alone, subject by subject, so that memory stays flat. What seems wrong is looked at once more before it is
reported: the archive is in use meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from sqlalchemy import Connection, Engine, exists, func, select

from cohortium.archive import packs
from cohortium.archive.collection import HOLDERS, PACK, is_held
from cohortium.archive.datakeys import folder
from cohortium.archive.objects import Address, Objects
from cohortium.archive.storage import Cold
from cohortium.errors import Corrupt
from cohortium.store.schema import (
    data_key,
    earlier_version,
    instance,
    pack,
    prearchive,
    project,
    resource_file,
    scan,
    session,
    subject,
)

__all__ = ["Fault", "Report", "check", "sweep"]

AT_ONCE = 4  # objects that are read at a time
SOME = 500  # of those that lie in the clear, a query
YOUNG = timedelta(days=1)  # in which what nobody names may be about to be named
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """Bytes that are not what was put, named by their digest or as a pack, and what is wrong with them."""

    project: str
    name: str
    what: str


@dataclass(slots=True)
class Report:
    """How much was looked at; `orphans` are places in storage that no row names."""

    objects: int = 0
    packs: int = 0
    bytes: int = 0
    faults: list[Fault] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)


class Key(NamedTuple):
    """A data key, and whose it is."""

    id: int
    project_id: int
    PatientID: str
    project: str


class Pack(NamedTuple):
    id: int
    digest: str


@dataclass(frozen=True, slots=True)
class Named:
    """What rows say lies under one key: objects that lie alone, packs, and what is in them."""

    alone: tuple[Address, ...]
    packs: tuple[Pack, ...]
    packed: tuple[Address, ...]

    def places(self, objects: Objects, key: int) -> set[str]:
        names = [at.name for at in self.alone] + [f"{PACK}{row.id}" for row in self.packs]
        return {objects.place(key, name) for name in names}


def check(engine: Engine, objects: Objects, progress: Progress = lambda *_: None) -> Report:
    """Read everything that is held."""
    report = Report()
    columns = data_key.c.id, data_key.c.project_id, data_key.c.PatientID, project.c.name
    with engine.execution_options(reading=True).begin() as connection:
        query = select(*columns).join(project, project.c.id == data_key.c.project_id)
        keys = [Key(*row) for row in connection.execute(query)]
        held = [connection.scalar(select(func.count()).select_from(table)) or 0 for table in HOLDERS]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for key in keys:
            _check_key(engine, objects, key, report, pool)
            progress("fsck", report.objects, sum(held))
    _check_without_key(engine, objects, report)
    known = {folder(key.id) for key in keys}
    strays = [place for place, _ in objects.storage.names() if f"{place.rpartition('/')[0]}/" not in known]
    report.orphans += _unnamed(engine, strays)
    return report


def sweep(objects: Objects, report: Report) -> int:
    """Remove what nobody names and that has lain there for a day; returns how much that was."""
    before = datetime.now(UTC) - YOUNG
    old = [place for place in report.orphans if (moment := objects.storage.modified(place)) and moment < before]
    objects.storage.remove(old)
    return len(old)


def _check_key(engine: Engine, objects: Objects, key: Key, report: Report, pool: ThreadPoolExecutor) -> None:
    with engine.execution_options(reading=True).begin() as connection:
        named = _named(connection, key)
    faults = {at.name: what for at, what in zip(named.alone, pool.map(objects.fault, named.alone), strict=True)}
    faults |= {f"{PACK}{row.id}": _pack_fault(objects, key.id, row, named.packed) for row in named.packs}
    wrong = {name: what for name, what in faults.items() if what}
    report.objects += len(named.alone) + len(named.packed)
    report.packs += len(named.packs)
    report.bytes += sum(at.size for at in (*named.alone, *named.packed))
    expected = named.places(objects, key.id)
    beside = [place for place, _ in objects.storage.names(folder(key.id)) if place not in expected]
    if not wrong and not beside:
        return
    with engine.execution_options(reading=True).begin() as connection:
        still = {name: what for name, what in wrong.items() if is_held(connection, key.id, name)}
        expected = _named(connection, key).places(objects, key.id)
    report.faults += [Fault(key.project, name, what) for name, what in still.items()]
    report.orphans += [place for place in beside if place not in expected]


def _named(connection: Connection, key: Key) -> Named:
    of_subject = select(scan.c.id).join(session, session.c.id == scan.c.session_id)
    of_subject = of_subject.join(subject, subject.c.id == session.c.subject_id)
    scans = of_subject.where(subject.c.project_id == key.project_id, subject.c.PatientID == key.PatientID)
    below = instance.c.scan_id.in_(scans)
    versions = select(*Address.columns(earlier_version)).join_from(earlier_version, instance).where(below)
    found = {Address(*row) for row in connection.execute(select(*Address.columns(instance)).where(below))}
    found |= {Address(*row) for row in connection.execute(versions)}
    for table in (resource_file, prearchive):
        where = table.c.project_id == key.project_id, table.c.key_id == key.id
        rows = connection.execute(select(table.c.key_id, table.c.digest, table.c.size).where(*where))
        found |= {Address(*row) for row in rows}
    mine = sorted(at for at in found if at.key == key.id and at.pack is None)
    packed = tuple(at for at in found if at.key == key.id and at.pack is not None)
    written = connection.execute(select(pack.c.id, pack.c.digest).where(pack.c.scan_id.in_(scans)))
    return Named(tuple(mine), tuple(Pack(id, digest) for id, digest in written), packed)


def _pack_fault(objects: Objects, key: int, row: Pack, packed: tuple[Address, ...]) -> str:
    """What is wrong with a pack; its members were opened when it was written, so its digest speaks for them."""
    try:
        stored = objects.storage.read(objects.place(key, f"{PACK}{row.id}"))
        entries = {(each.digest, each.offset, each.size) for each in packs.table_of(objects, key, row.id, stored)}
    except FileNotFoundError:
        return "missing"
    except Cold:
        return ""  # its storage watches over it, and to read all that is cold would cost more than it keeps
    except Corrupt:
        return "damaged"
    inside = {(at.digest, at.offset, at.size) for at in packed if at.pack == row.id}
    if sha256(stored).hexdigest() != row.digest:
        return "damaged"
    return "" if inside <= entries else "holds other instances than its rows say"


def _check_without_key(engine: Engine, objects: Objects, report: Report) -> None:
    """What an earlier release left in the clear, and what is sealed under a key that is gone."""
    for at, name in _keyless(engine):
        report.objects += 1
        report.bytes += at.size
        if what := objects.fault(at) if at.key is None else "its key is gone":
            report.faults.append(Fault(name, at.digest, what))


def _keyless(engine: Engine) -> Iterator[tuple[Address, str]]:
    known = exists().where(data_key.c.id == instance.c.key_id)
    query = select(instance.c.id, project.c.name, *Address.columns(instance)).join(project).where(~known)
    last = 0
    while True:
        with engine.execution_options(reading=True).begin() as connection:
            rows = connection.execute(query.where(instance.c.id > last).order_by(instance.c.id).limit(SOME)).all()
        for id, name, *at in rows:
            last = id
            yield Address(*at), name
        if not rows:
            return


def _unnamed(engine: Engine, places: list[str]) -> list[str]:
    """Those among them that are no object of an earlier release that a row names."""
    with engine.execution_options(reading=True).begin() as connection:
        return [place for place in places if not is_held(connection, None, place.rpartition("/")[2])]
