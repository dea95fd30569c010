"""Packs in cold storage, on a real server that speaks S3: asked for, waited for, read; removed, withdrawn."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

import s3
from cohortium.archive import Address, Archive, Cold, Removable, cold, packs
from cohortium.archive.bucket import Bucket
from cohortium.archive.fsck import check
from cohortium.archive.objects import FETCH
from cohortium.config import Project, Store
from cohortium.errors import Refused
from cohortium.keys import SiteKey
from cohortium.store import jobs, open_store, schema
from cohortium.values import Protocol, SubjectRule

Make = Callable[..., bytes]
PROTOCOL = Protocol("basic", "1", "", "2026c", (), SubjectRule(), {}, digest="ab" * 32)
LATER = datetime.now(UTC) + timedelta(days=31)
FETCHED = timedelta(minutes=1)


@pytest.fixture
def archive(s3_server: s3.Server, tmp_path: Path, make: Make) -> Archive:
    """A series of three in a pack that is cold, in a bucket."""
    settings = s3_server.settings(tmp_path, cold_class="GLACIER")
    archive = Archive(open_store(tmp_path), Bucket(settings, tmp_path), SiteKey(bytes(32)))
    archive.open_project(Project("open", "", "check", cold_days=30), PROTOCOL)
    for number in (1, 2, 3):
        archive.admit(make(number), "open", None, "ada")
    packs.pack_scan(archive.engine, archive.objects, 1)
    assert cold.cool(archive.engine, archive.objects) == 0
    assert cold.cool(archive.engine, archive.objects, LATER) == 1
    assert cold.cool(archive.engine, archive.objects, LATER) == 0
    return archive


def places(archive: Archive) -> list[Address]:
    with archive.engine.begin() as connection:
        rows = connection.execute(select(*Address.columns(schema.instance)).order_by(schema.instance.c.id))
        return [Address(*row) for row in rows]


def do_what_was_asked(archive: Archive) -> int:
    """As the worker does; returns how many jobs there were."""
    done = 0
    while True:
        with archive.engine.begin() as connection:
            job = jobs.lease(connection, [FETCH], FETCHED)
        if job is None:
            return done
        cold.fetch(archive.objects, job.arguments["key"], job.arguments["name"])
        with archive.engine.begin() as connection:
            jobs.done(connection, job)
        done += 1


def test_what_is_cold_is_asked_for_once_and_then_read(archive: Archive, make: Make) -> None:
    for at in places(archive):
        with pytest.raises(Cold):
            archive.objects.get(at)
    with pytest.raises(Cold):
        archive.objects.demand_warm(places(archive))
    assert do_what_was_asked(archive) == 1
    archive.objects.demand_warm(places(archive))
    assert [archive.objects.get(at) for at in places(archive)] == [make(number) for number in (1, 2, 3)]


def test_what_is_removed_from_a_cold_pack_goes_once_it_was_fetched(archive: Archive, make: Make) -> None:
    archive.remove("open", Removable.INSTANCE, "2.25.4.2", who="olga", reason="x")
    assert len(places(archive)) == 2
    assert do_what_was_asked(archive) == 1
    archive.collect()
    assert [archive.objects.get(at) for at in places(archive)] == [make(1), make(3)]
    assert len(list(archive.objects.storage.names())) == 1


def test_withdrawal_does_not_wait_for_cold_storage(archive: Archive) -> None:
    archive.withdraw("open", "0123456789ABCDEF", who="olga", reason="x")
    assert list(archive.objects.storage.names()) == []


def test_a_withdrawal_stands_though_the_storage_is_away(archive: Archive, tmp_path: Path) -> None:
    away = Store(objects="s3://bucket", endpoint="http://127.0.0.1:9", credentials_file="s3.ini", cold_class="GLACIER")
    cut_off = Archive(archive.engine, Bucket(away, tmp_path), SiteKey(bytes(32)))
    cut_off.withdraw("open", "0123456789ABCDEF", who="olga", reason="x")
    assert places(archive) == []
    assert len(list(archive.objects.storage.names())) == 1
    assert archive.collect() == 1
    assert list(archive.objects.storage.names()) == []


def test_fsck_leaves_what_is_cold_alone(archive: Archive) -> None:
    found = check(archive.engine, archive.objects)
    assert (found.objects, found.packs, found.faults, found.orphans) == (3, 1, [], [])


def test_a_folder_has_no_cold_storage(tmp_path: Path, make: Make) -> None:
    archive = Archive(open_store(tmp_path), tmp_path, SiteKey(bytes(32)))
    assert cold.cool(archive.engine, archive.objects, LATER) == 0
    with pytest.raises(Refused, match="cold_class"):
        archive.objects.storage.cool("x")
