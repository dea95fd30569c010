"""What fsck finds in an archive in which everything that can happen to bytes has happened."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete, select

from cohortium.archive import Address, Archive, Destination, Kind, Level, fsck, packs
from cohortium.archive.fsck import Fault
from cohortium.archive.storage import Folder
from cohortium.store import schema

Make = Callable[..., bytes]


@pytest.fixture
def filled(archive: Archive, make: Make) -> Archive:
    """A packed series of three, an instance of another, and a mask."""
    for number in (1, 2, 3):
        archive.admit(make(number), "open", None, "ada")
    packs.pack_scan(archive.engine, archive.objects, 1)
    archive.admit(make(4, lambda dataset: setattr(dataset, "SeriesInstanceUID", "2.25.31")), "open", None, "ada")
    file = io.BytesIO()
    np.save(file, np.arange(3), allow_pickle=False)
    to = Destination(Level.PROJECT, None, Kind.MASK, "m", "m.npy")
    archive.attach(io.BytesIO(file.getvalue()), to, "open", "ada")
    return archive


def report(archive: Archive) -> fsck.Report:
    return fsck.check(archive.engine, archive.objects)


def places(archive: Archive) -> dict[str, str]:
    """Where the pack, the instance that lies alone and the mask are."""
    with archive.engine.begin() as connection:
        pack = connection.execute(select(schema.pack)).one()
        alone = connection.execute(select(schema.instance).where(schema.instance.c.pack_id.is_(None))).mappings().one()
        mask = connection.execute(select(schema.resource_file)).one()
    place = archive.objects.place
    return {
        f"pack {pack.id}": place(pack.key_id, f"pack {pack.id}"),
        alone["digest"]: place(alone["key_id"], alone["digest"]),
        mask.digest: place(mask.key_id, mask.digest),
    }


def test_a_whole_archive_is_whole(filled: Archive) -> None:
    found = report(filled)
    assert (found.objects, found.packs, found.faults, found.orphans) == (5, 1, [], [])
    assert found.bytes > 1000


@pytest.mark.parametrize("which", [0, 1, 2])
def test_each_kind_of_bytes_that_was_changed_or_is_gone_is_named(filled: Archive, which: int) -> None:
    name, place = list(places(filled).items())[which]
    content = bytearray(filled.objects.storage.read(place))
    content[len(content) // 2] ^= 1
    filled.objects.storage.replace(place, bytes(content))
    assert report(filled).faults == [Fault("open", name, "damaged")]
    filled.objects.storage.remove([place])
    assert report(filled).faults == [Fault("open", name, "missing")]


def test_what_nobody_names_is_listed_and_removed_once_it_is_old(filled: Archive) -> None:
    storage = filled.objects.storage
    assert isinstance(storage, Folder)
    key = filled.objects.keys.of(1, "0123456789ABCDEF")
    filled.objects.put(key, b"put, and its process was killed")
    left = f"{filled.objects.place(key, '0' * 64)}#1"  # as a writer leaves it that is killed
    storage.replace("ab/0000000000000001/lost", b"of a key that is not known")
    (storage.path / left).write_bytes(b"half a fi")
    found = report(filled)
    assert len(found.orphans) == 3
    assert fsck.sweep(filled.objects, found) == 0
    for place in found.orphans:
        os.utime(storage.path / place, times=(time.time() - 90_000,) * 2)
    assert fsck.sweep(filled.objects, found) == 3
    assert (report(filled).orphans, report(filled).faults) == ([], [])


def test_objects_in_the_clear_and_under_a_key_that_is_gone_are_looked_at_too(filled: Archive, make: Make) -> None:
    with filled.engine.begin() as connection:
        query = select(schema.instance).where(schema.instance.c.pack_id.is_(None))
        row = connection.execute(query).mappings().one()
        content = filled.objects.get(Address.of(row))
        connection.execute(schema.instance.update().where(schema.instance.c.id == row["id"]).values(key_id=None))
    digest = row["digest"]
    filled.objects.storage.write(f"{digest[:2]}/{digest}", content)
    found = report(filled)
    assert (found.objects, found.faults, len(found.orphans)) == (5, [], 1)
    with filled.engine.begin() as connection:
        connection.execute(delete(schema.data_key).where(schema.data_key.c.PatientID != ""))
    assert {fault.what for fault in report(filled).faults} == {"its key is gone"}


def test_the_command_says_so_by_its_exit_code(cohortium: Callable[..., object], tmp_path: Path) -> None:
    assert cohortium("init", cwd=tmp_path).returncode == 0
    done = cohortium("archive", "fsck", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert '"objects": 0' in done.stdout
