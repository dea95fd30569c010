"""Quiet series in packs: nothing is lost at any moment, and what is removed is in no pack any more.

Oracle: a dict of bytes by SOPInstanceUID. Sample: 25 sequences of admissions, packs, removals and versions; 500 with
COHORTIUM_TEST_FULL=1. A process that packs is killed 4 times; 40.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from sqlalchemy import func, select

import dying
import portal_site
from cohortium import keys
from cohortium.archive import Address, Archive, Removable, headers, packs, storage_of
from cohortium.archive.objects import find
from cohortium.config import Project
from cohortium.errors import Corrupt
from cohortium.keys import SiteKey
from cohortium.store import open_store, schema
from cohortium.values import Protocol, SubjectRule
from cohortium.worker import KINDS, Site

Make = Callable[..., bytes]
FULL = os.environ.get("COHORTIUM_TEST_FULL") == "1"
SERIES = "2.25.3"
PROTOCOL = Protocol("basic", "1", "", "2026c", (), SubjectRule(), {}, digest="ab" * 32)
TOMORROW = datetime.now(UTC) + timedelta(days=2)  # tests may begin long after this was read


def held(archive: Archive) -> dict[str, bytes]:
    found = addresses(archive)
    alone = {uid: archive.objects.get(at) for uid, at in found.items()}
    assert together(archive, found) == alone
    return alone


def together(archive: Archive, found: dict[str, Address]) -> dict[str, bytes]:
    return dict(zip(found, map(b"".join, archive.objects.streams(found.values())), strict=True))


def addresses(archive: Archive) -> dict[str, Address]:
    with archive.engine.begin() as connection:
        columns = schema.instance.c.SOPInstanceUID, *Address.columns(schema.instance)
        return {uid: Address(*at) for uid, *at in connection.execute(select(*columns))}


def texts(archive: Archive) -> list[bytes]:
    with archive.engine.begin() as connection:
        found = []
        for scan_id in connection.scalars(select(schema.scan.c.id)):
            of_scan = select(schema.instance.c.id).where(schema.instance.c.scan_id == scan_id)
            found += headers.read(connection, scan_id, connection.scalars(of_scan.order_by(schema.instance.c.id)).all())
    return found


def count(archive: Archive, table: object) -> int:
    with archive.engine.begin() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def names(archive: Archive) -> list[str]:
    return [name for name, _ in archive.objects.storage.names()]


def fill(archive: Archive, make: Make, numbers: range = range(1, 6)) -> dict[str, bytes]:
    contents = {f"2.25.4.{number}": make(number) for number in numbers}
    for content in contents.values():
        archive.admit(content, "open", None, "ada")
    return contents


def pack_all(archive: Archive) -> int:
    with archive.engine.begin() as connection:
        scans = connection.scalars(select(schema.scan.c.id)).all()
    return sum(packs.pack_scan(archive.engine, archive.objects, each) for each in scans)


def test_a_series_becomes_one_object_and_reads_as_before(archive: Archive, make: Make) -> None:
    contents = fill(archive, make)
    before = texts(archive)
    assert pack_all(archive) == 1
    assert held(archive) == contents
    assert texts(archive) == before
    assert len(names(archive)) == 1
    assert [count(archive, table) for table in (schema.header, schema.header_dictionary, schema.header_document)] == [
        0,
        0,
        1,
    ]
    assert pack_all(archive) == 0
    with archive.engine.begin() as connection:
        at = find(connection, 1, sha256(contents["2.25.4.3"]).hexdigest())
    assert at is not None
    assert archive.objects.read(at, 130, 140) == contents["2.25.4.3"][130:140]


def test_a_packed_series_is_read_at_once_and_each_image_of_it_verified(archive: Archive, make: Make) -> None:
    contents = fill(archive, make)
    pack_all(archive)
    found, asked = addresses(archive), []
    storage = archive.objects.storage
    ranges = storage.ranges
    storage.ranges = lambda name, spans: asked.append(spans) or ranges(name, spans)  # type: ignore[method-assign]
    assert together(archive, found) == contents
    assert [len(spans) for spans in asked] == [1]
    (name,) = names(archive)
    stored = bytearray(storage.read(name))
    stored[(found["2.25.4.3"].offset or 0) + 60] ^= 1
    storage.replace(name, bytes(stored))
    with pytest.raises(Corrupt, match="damaged"):
        together(archive, found)
    storage.replace(name, bytes(stored[: (found["2.25.4.5"].offset or 0) + 60]))
    with pytest.raises(Corrupt):
        together(archive, found)


def test_a_pack_tells_what_it_holds_and_its_digest(archive: Archive, make: Make) -> None:
    contents = fill(archive, make)
    pack_all(archive)
    with archive.engine.begin() as connection:
        row = connection.execute(select(schema.pack)).one()
    stored = archive.objects.storage.read(names(archive)[0])
    assert (sha256(stored).hexdigest(), len(stored)) == (row.digest, row.size)
    entries = packs.table_of(archive.objects, row.key_id, row.id, stored)
    assert {each.SOPInstanceUID: each.digest for each in entries} == {
        uid: sha256(content).hexdigest() for uid, content in contents.items()
    }
    for each in entries:
        at = Address(row.key_id, each.digest, each.size, row.id, each.offset)
        assert archive.objects.get(at) == contents[each.SOPInstanceUID]
    with pytest.raises(Corrupt):
        packs.table_of(archive.objects, row.key_id, row.id, stored[:-1])


def test_only_a_series_that_was_quiet_for_as_long_as_its_project_says_is_packed(archive: Archive, make: Make) -> None:
    fill(archive, make)
    assert packs.quiet(archive.engine) == []
    assert packs.quiet(archive.engine, TOMORROW) == [1]
    archive.open_project(Project("open", "Open", "check", pack_hours=0), PROTOCOL)
    assert packs.quiet(archive.engine, TOMORROW) == []
    archive.open_project(Project("open", "Open", "check", pack_hours=1), PROTOCOL)
    pack_all(archive)
    assert packs.quiet(archive.engine, TOMORROW) == []
    fill(archive, make, range(6, 8))
    assert packs.quiet(archive.engine, TOMORROW) == [1]


def test_a_worker_packs_what_is_quiet(tmp_path: Path, make: Make) -> None:
    settings = portal_site.configuration(tmp_path)
    archive = Archive(open_store(settings), storage_of(settings), keys.load(settings.site.key, settings.site.data))
    archive.open_project(Project("open", "", "check", pack_hours=1), PROTOCOL)
    contents = fill(archive, make)
    site = Site(settings, archive.engine, keys.load(settings.site.key, settings.site.data))
    KINDS["pack"].run(site, {})
    assert count(archive, schema.pack) == 0
    with archive.engine.begin() as connection:
        connection.execute(schema.scan.update().values(loose_since="2026-01-01T00:00:00.000000+00:00"))
    KINDS["pack"].run(site, {})
    assert count(archive, schema.pack) == 1
    assert held(archive) == contents


@pytest.mark.parametrize("gone", [["2.25.4.2"], ["2.25.4.1", "2.25.4.5"], [f"2.25.4.{n}" for n in range(1, 6)]])
def test_what_is_removed_is_in_no_pack_any_more(archive: Archive, make: Make, gone: list[str]) -> None:
    contents = fill(archive, make)
    pack_all(archive)
    before = archive.objects.storage.read(names(archive)[0]) if names(archive) else b""
    for uid in gone:
        archive.remove("open", Removable.INSTANCE, uid, who="olga", reason="x")
    left = {uid: content for uid, content in contents.items() if uid not in gone}
    assert held(archive) == left
    assert len(names(archive)) == bool(left)
    for name in names(archive):
        assert len(archive.objects.storage.read(name)) < len(before)
    assert count(archive, schema.pack) == bool(left)
    assert count(archive, schema.garbage) == 0
    assert not any(uid.encode() in text for uid in gone for text in texts(archive))


def test_who_read_where_it_was_before_it_moved_still_reads_it(archive: Archive, make: Make) -> None:
    contents = fill(archive, make)
    seen = [addresses(archive)]
    pack_all(archive)
    seen.append(addresses(archive))
    archive.remove("open", Removable.INSTANCE, "2.25.4.2", who="olga", reason="x")
    for places in seen:
        for uid, at in places.items():
            if uid != "2.25.4.2":
                assert archive.objects.get(at) == contents[uid]
                assert archive.objects.read(at, 5, 150) == contents[uid][5:150]
        rest = {uid: at for uid, at in places.items() if uid != "2.25.4.2"}
        assert together(archive, rest) == {uid: contents[uid] for uid in rest}
        with pytest.raises(Corrupt, match="missing"):
            archive.objects.get(places["2.25.4.2"])


def test_a_pack_with_a_flipped_bit_is_noticed_and_never_packed_anew(archive: Archive, make: Make) -> None:
    fill(archive, make)
    (first, *_) = names(archive)
    stored = bytearray(archive.objects.storage.read(first))
    stored[60] ^= 1
    archive.objects.storage.replace(first, bytes(stored))
    with pytest.raises(Corrupt, match="damaged"):
        pack_all(archive)
    assert count(archive, schema.pack) == 0
    assert len(names(archive)) == 5


@settings(
    max_examples=500 if FULL else 25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(steps=st.lists(st.tuples(st.sampled_from("aaaprvw"), st.integers(1, 5)), max_size=12))
def test_any_sequence_of_steps_agrees_with_a_dict(
    tmp_path_factory: pytest.TempPathFactory, make: Make, steps: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("archive")
    archive = Archive(open_store(folder), folder, SiteKey(bytes(32)))
    archive.open_project(Project("open", "", "check", same_uid="version", readmit=True), PROTOCOL)
    oracle: dict[str, bytes] = {}
    earlier: dict[str, list[bytes]] = {}
    withdrawn = False
    for step, number in steps:
        uid = f"2.25.4.{number}"
        if step in "av" and not withdrawn:
            content = make(number, version(number if step == "v" else 0))
            archive.admit(content, "open", None, "ada")
            if uid in oracle and content not in [oracle[uid], *earlier.get(uid, [])]:
                earlier.setdefault(uid, []).append(oracle[uid])
                oracle[uid] = content
            oracle.setdefault(uid, content)
        elif step == "p":
            pack_all(archive)
        elif step == "r" and uid in oracle:
            archive.remove("open", Removable.INSTANCE, uid, who="olga", reason="x")
            oracle.pop(uid)
            earlier.pop(uid, None)
        elif step == "w" and number == 5 and oracle:
            archive.withdraw("open", "0123456789ABCDEF", who="olga", reason="x")
            oracle, earlier, withdrawn = {}, {}, True
        assert held(archive) == oracle
    for content in (each for versions in earlier.values() for each in versions):
        with archive.engine.begin() as connection:
            at = find(connection, 1, sha256(content).hexdigest())
        assert at is not None
        assert archive.objects.get(at) == content
    assert len(texts(archive)) == len(oracle)
    if not oracle:
        assert names(archive) == []
    archive.engine.dispose()


def version(number: int) -> Callable[[Dataset], None]:
    return lambda dataset: setattr(dataset, "PixelData", bytes(31) + bytes([number]))


PACK = """
from pathlib import Path
from cohortium.archive import Archive, packs
from cohortium.keys import SiteKey
from cohortium.store import open_store
def act(place):
    archive = Archive(open_store(Path(place)), Path(place), SiteKey(bytes(32)))
    while True:
        packs.pack_scan(archive.engine, archive.objects, 1)
        with archive.engine.connect() as connection:
            pack_id = connection.exec_driver_sql("SELECT id FROM pack").scalar()
        packs.rewrite(archive.engine, archive.objects, pack_id)
        archive.collect()
"""


def test_killed_anywhere_nothing_is_lost(tmp_path: Path, make: Make, sample: Callable[[int, int], int]) -> None:
    archive = Archive(open_store(tmp_path), tmp_path, SiteKey(bytes(32)))
    archive.open_project(Project("open", "", "check", readmit=True), PROTOCOL)
    contents: dict[str, bytes] = {}
    with dying.at_work(PACK) as at_work:
        for round in range(sample(4, 40)):
            contents |= fill(archive, make, range(round * 5 + 1, round * 5 + 6))
            (moment,) = dying.moments(random.Random(round), 300, 1)
            assert at_work(tmp_path, at=moment) is None
            assert held(archive) == contents
            assert len(texts(archive)) == len(contents)
    packs.pack_scan(archive.engine, archive.objects, 1)
    archive.collect()
    assert held(archive) == contents
    whole = [name for name in names(archive) if "#" not in name]  # others were half written, for fsck to clear
    assert len(whole) == count(archive, schema.pack) + len(loose(archive)), "what the killed left was collected"


def loose(archive: Archive) -> list[int]:
    with archive.engine.begin() as connection:
        alone = select(schema.instance.c.id).where(schema.instance.c.pack_id.is_(None))
        return list(connection.scalars(alone))
