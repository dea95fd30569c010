"""Packs: a quiet series as one object, so that a billion instances are a few million things to keep, copy and check.

A pack is the sealed objects of its instances one after the other, as they were, then a sealed table of them (digest,
place, UID) and of their headers, then that table's length. An instance is read out of it by one range. Nothing is
let go of before the pack was read back and every row names it, so that a kill anywhere loses nothing.
"""

from __future__ import annotations

import json
import secrets
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import accumulate

from sqlalchemy import Connection, Engine, Table, delete, insert, select, update

from cohortium import sealed
from cohortium.archive import headers
from cohortium.archive.collection import HELD, PACK, collect, discard
from cohortium.archive.objects import Address, Objects
from cohortium.archive.storage import Cold
from cohortium.errors import Corrupt
from cohortium.store import now
from cohortium.store.schema import earlier_version, garbage, instance, pack, project, scan

__all__ = ["MAGIC", "Entry", "pack_quiet", "pack_scan", "quiet", "rewrite", "table_of", "trim"]

MAGIC = b"COHPACK1"
LENGTH = 8  # bytes that say how long the sealed table is
MOST = 1 << 27  # bytes of one pack
FEWEST = 2  # instances that make a pack worth while
Progress = Callable[[str, int, int], None]  # a stage, how much of it is done, and of how much
NAMED = {"instance": instance, "earlier version": earlier_version}


@dataclass(frozen=True, slots=True)
class Member:
    """A row that names bytes: which, of what table, and of which SOPInstanceUID."""

    kind: str
    id: int
    uid: str
    at: Address

    @property
    def table(self) -> Table:
        return NAMED[self.kind]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a pack's own table."""

    SOPInstanceUID: str
    digest: str
    offset: int
    size: int


def quiet(engine: Engine, moment: datetime | None = None) -> list[int]:
    """The scans into which nothing has come for as long as their project says, and that are not packed."""
    moment = moment or datetime.now(UTC)
    found: list[int] = []
    with engine.execution_options(reading=True).begin() as connection:
        for row in connection.execute(select(project.c.id, project.c.pack_hours).where(project.c.pack_hours > 0)):
            before = (moment - timedelta(hours=row.pack_hours)).isoformat(timespec="microseconds")
            loose = scan.c.project_id == row.id, scan.c.loose_since > "", scan.c.loose_since < before
            found += connection.scalars(select(scan.c.id).where(*loose))
    return found


def pack_quiet(engine: Engine, objects: Objects, progress: Progress = lambda *_: None) -> int:
    """Pack every quiet scan; returns how many packs were made."""
    scans, made = quiet(engine), 0
    for done, scan_id in enumerate(scans, start=1):
        made += pack_scan(engine, objects, scan_id)
        progress("pack", done, len(scans))
    return made


def pack_scan(engine: Engine, objects: Objects, scan_id: int) -> int:
    """Put the scan's instances that lie alone into packs; returns how many."""
    with engine.execution_options(reading=True).begin() as connection:
        since = connection.scalar(select(scan.c.loose_since).where(scan.c.id == scan_id))
        loose = instance.c.scan_id == scan_id, instance.c.pack_id.is_(None), instance.c.key_id.is_not(None)
        members = _members(connection, *loose)
    portions = list(_portions(members))
    made = sum(_seal(engine, objects, scan_id, some) for some in portions)
    if made == len(portions):  # else something went or came meanwhile: the next time
        with engine.begin() as connection:
            still = scan.c.id == scan_id, scan.c.loose_since == since
            connection.execute(update(scan).where(*still).values(loose_since=""))
    collect(engine, objects)
    return made


def rewrite(engine: Engine, objects: Objects, pack_id: int) -> None:
    """Write the pack anew with those alone whom a row still names; the old one is garbage then."""
    with engine.execution_options(reading=True).begin() as connection:
        row = connection.execute(select(pack).where(pack.c.id == pack_id)).one_or_none()
        if row is None:
            return
        members = _members(connection, instance.c.scan_id == row.scan_id, instance.c.pack_id == pack_id)
        members += _versions(connection, row.scan_id, pack_id)
    if members:
        _seal(engine, objects, row.scan_id, members, old=pack_id)
        return
    with engine.begin() as connection:
        if not _members(connection, instance.c.scan_id == row.scan_id, instance.c.pack_id == pack_id):
            connection.execute(delete(pack).where(pack.c.id == pack_id))


def trim(engine: Engine, objects: Objects) -> int:
    """Write those packs anew out of which something was removed; returns how many there were."""
    with engine.execution_options(reading=True).begin() as connection:
        names = set(connection.scalars(select(garbage.c.name).where(HELD)))
    for name in names:
        with suppress(Cold):  # it was asked for, and is trimmed once it is there
            rewrite(engine, objects, int(name.removeprefix(PACK)))
    return len(names)


def table_of(objects: Objects, key: int, pack_id: int, stored: memoryview) -> list[Entry]:
    """What a pack says it holds; `Corrupt` where it is no whole pack."""
    length, magic = stored[-LENGTH - len(MAGIC) : -len(MAGIC)], stored[-len(MAGIC) :]
    end = len(stored) - LENGTH - len(MAGIC)
    start = end - int.from_bytes(length, "big")
    if magic != MAGIC or start < 0:
        raise Corrupt("not a pack, or cut")
    body = stored[start:end]
    size = int.from_bytes(body[:LENGTH], "big")
    head = body[LENGTH : LENGTH + sealed.HEAD]
    secret = objects.keys[key].seals(_table_name(pack_id))
    text = b"".join(sealed.opened(secret, size, head, body[LENGTH + sealed.HEAD :]))
    return [Entry(**each) for each in json.loads(zlib.decompress(text))["instances"]]


def _members(connection: Connection, *where: object) -> list[Member]:
    columns = instance.c.id, instance.c.SOPInstanceUID, *Address.columns(instance)
    in_order = instance.c.InstanceNumber, instance.c.id  # as a series is retrieved, so that it is read from end to end
    rows = connection.execute(select(*columns).where(*where).order_by(*in_order))  # type: ignore[arg-type]
    return [Member("instance", row[0], row[1], Address(*row[2:])) for row in rows]


def _versions(connection: Connection, scan_id: int, pack_id: int) -> list[Member]:
    columns = earlier_version.c.id, instance.c.SOPInstanceUID, *Address.columns(earlier_version)
    query = select(*columns).join_from(earlier_version, instance)
    rows = connection.execute(query.where(instance.c.scan_id == scan_id, earlier_version.c.pack_id == pack_id))
    return [Member("earlier version", row[0], row[1], Address(*row[2:])) for row in rows]


def _portions(members: Sequence[Member]) -> Iterator[list[Member]]:
    """As many as make one pack, each time; what is left over and not worth a pack stays as it is."""
    some: list[Member] = []
    size = 0
    for each in members:
        if some and (size + each.at.size > MOST or each.at.key != some[0].at.key):
            if len(some) >= FEWEST:
                yield some
            some, size = [], 0
        some.append(each)
        size += each.at.size
    if len(some) >= FEWEST:
        yield some


def _seal(engine: Engine, objects: Objects, scan_id: int, members: Sequence[Member], old: int | None = None) -> int:
    key, pack_id = members[0].at.key or 0, secrets.randbits(63)
    with engine.execution_options(reading=True).begin() as connection:
        ids = [each.id for each in members if each.kind == "instance"]
        texts = dict(zip(ids, headers.read(connection, scan_id, ids), strict=True))
    pieces = [objects.sealed(each.at) for each in members]  # each opened, so that no damage is carried on
    offsets = [0, *accumulate(len(piece) for piece in pieces)][:-1]
    table = _table(objects, key, pack_id, members, offsets, texts)
    content = b"".join([*pieces, *table])
    named = Address(key, "", len(content), pack_id)
    with engine.begin() as connection:
        discard(connection, [named])  # unless it comes to be named
    place = objects.place(key, named.name)
    objects.storage.write(place, content)
    digest = sha256(content).hexdigest()
    if sha256(objects.storage.read(place)).hexdigest() != digest:
        raise Corrupt("a pack was not stored as it was written; look at the storage")
    with engine.begin() as connection:
        if not all(_is_as_before(connection, each) for each in members):
            return 0  # something was removed or replaced meanwhile
        objects.demand(named)
        row = {"id": pack_id, "scan_id": scan_id, "key_id": key, "digest": digest, "size": len(content)}
        connection.execute(insert(pack).values(**row, created=now()))
        for each, offset in zip(members, offsets, strict=True):
            moved = update(each.table).where(each.table.c.id == each.id)
            connection.execute(moved.values(pack_id=pack_id, pack_offset=offset))
        headers.gather(connection, pack_id, scan_id, texts)
        mine = garbage.c.key_id == key, garbage.c.name == named.name
        connection.execute(delete(garbage).where(*mine))
        discard(connection, (each.at for each in members))
        connection.execute(delete(pack).where(pack.c.id == old))
    return 1


def _is_as_before(connection: Connection, member: Member) -> bool:
    query = select(*Address.columns(member.table)).where(member.table.c.id == member.id)
    row = connection.execute(query).one_or_none()
    return row is not None and Address(*row) == member.at


def _table(
    objects: Objects,
    key: int,
    pack_id: int,
    members: Sequence[Member],
    offsets: Sequence[int],
    texts: dict[int, bytes],
) -> list[bytes]:
    """The sealed table with its length: what makes a pack tell what it holds, were all rows lost."""
    pairs = zip(members, offsets, strict=True)
    lines = [
        {"SOPInstanceUID": each.uid, "digest": each.at.digest, "offset": offset, "size": each.at.size}
        for each, offset in pairs
    ]
    document = {"instances": lines, "headers": [json.loads(text) for text in texts.values()]}
    text = zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 6)
    body = len(text).to_bytes(LENGTH, "big") + sealed.sealed(objects.keys[key].seals(_table_name(pack_id)), text)
    return [body, len(body).to_bytes(LENGTH, "big"), MAGIC]


def _table_name(pack_id: int) -> str:
    return f"{PACK}{pack_id} table"
