"""What an earlier release left otherwise than this one does: brought up to date while the archive stays open.

Killed anywhere, the next run goes on: a row is changed only after what it will name is durable, and what it named
before goes only after that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine, func, select, update

from cohortium.archive import collection, index
from cohortium.archive.objects import Address, Objects
from cohortium.dicom import elements
from cohortium.errors import Corrupt
from cohortium.store import now
from cohortium.store.schema import instance, scan, session, subject
from cohortium.wire import dicomjson

__all__ = ["Renewed", "renew"]

AT_ONCE = 200  # instances a transaction


@dataclass(frozen=True, slots=True)
class Renewed:
    """How many headers were read, how many objects sealed, and how many could not be because they are damaged."""

    headers: int
    sealed: int
    damaged: int


def renew(engine: Engine, objects: Objects, progress: Callable[[str, int, int], None] = lambda *_: None) -> Renewed:
    """Keep headers that are missing in the index, and seal objects that lie in the clear."""
    sealed, damaged = _seal(engine, objects, progress)
    collection.collect(engine, objects)
    return Renewed(_headers(engine, objects), sealed, damaged)


def _headers(engine: Engine, objects: Objects) -> int:
    done = 0
    while True:
        with engine.execution_options(reading=True).connect() as connection:
            rows = index.without_header(connection, AT_ONCE)
        if not rows:
            return done
        read = [(row, dicomjson.document(elements.read(objects.get(Address.of(row))).elements)) for row in rows]
        with engine.begin() as connection:
            for row, document in read:
                index.refresh(connection, row, document)
        done += len(read)


def _seal(engine: Engine, objects: Objects, progress: Callable[[str, int, int], None]) -> tuple[int, int]:
    query = (
        select(instance, subject.c.PatientID)
        .join(scan, scan.c.id == instance.c.scan_id)
        .join(session, session.c.id == scan.c.session_id)
        .join(subject, subject.c.id == session.c.subject_id)
        .where(instance.c.key_id.is_(None))
    )
    with engine.execution_options(reading=True).connect() as connection:
        count = select(func.count()).select_from(instance).where(instance.c.key_id.is_(None))
        total = connection.scalar(count) or 0
    done, damaged, last = 0, 0, 0
    while True:
        with engine.execution_options(reading=True).connect() as connection:
            some = query.where(instance.c.id > last).order_by(instance.c.id).limit(AT_ONCE)
            rows = connection.execute(some).mappings().all()
        if not rows:
            return done, damaged
        last, stored = rows[-1]["id"], []
        for row in rows:
            try:
                content = objects.get(Address.of(row))
            except Corrupt:
                damaged += 1
                continue
            stored.append((row, objects.put(objects.keys.of(row["project_id"], row["PatientID"]), content)))
        with engine.begin() as connection:
            for row, at in stored:
                connection.execute(update(instance).where(instance.c.id == row["id"]).values(key_id=at.key))
                connection.execute(update(scan).where(scan.c.id == row["scan_id"]).values(loose_since=now()))
            collection.discard(connection, (Address.of(row) for row, _ in stored))
        done += len(stored)
        progress("seal", done + damaged, total)
