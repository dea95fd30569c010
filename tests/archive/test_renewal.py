"""An archive of an earlier release, brought up to date: its headers read, its objects sealed, none lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import dying
from cohortium.archive import Address, Archive
from cohortium.archive.renewal import Renewed, renew
from cohortium.errors import Corrupt
from cohortium.store import schema

Make = Callable[..., bytes]


def rows(archive: Archive, table: Any) -> list[dict[str, Any]]:
    with archive.engine.begin() as connection:
        return [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]


def test_what_an_earlier_release_indexed_gets_its_headers_and_columns(archive: Archive, make: Make) -> None:
    for number in (1, 2):
        archive.admit(make(number, lambda dataset: setattr(dataset, "AccessionNumber", "A1")), "open", None, who="anna")
    kept = {table: rows(archive, table) for table in (schema.header, schema.session, schema.scan, schema.instance)}
    assert kept[schema.session][0]["AccessionNumber"] == "A1"
    with archive.engine.begin() as connection:
        for table in (schema.header, schema.header_dictionary):
            connection.execute(table.delete())
        connection.execute(schema.session.update().values(AccessionNumber=""))
        connection.execute(schema.instance.update().values(Rows=None))
    assert renewed(archive) == Renewed(2, 0, 0)
    assert renewed(archive) == Renewed(0, 0, 0)
    kept[schema.scan] = rows(archive, schema.scan)
    assert kept == {table: rows(archive, table) for table in kept}


def unseal(archive: Archive) -> dict[str, bytes]:
    """Make the archive what the release before left; returns its bytes by digest."""
    contents = {row["digest"]: archive.objects.get(Address.of(row)) for row in rows(archive, schema.instance)}
    archive.objects.storage.remove([name for name, _ in archive.objects.storage.names()])
    for digest, content in contents.items():
        archive.objects.storage.write(f"{digest[:2]}/{digest}", content)
    with archive.engine.begin() as connection:
        connection.execute(schema.instance.update().values(key_id=None))
    return contents


def renewed(archive: Archive) -> Renewed:
    return renew(archive.engine, archive.objects)


def held(archive: Archive) -> dict[str, bytes]:
    return {row["digest"]: archive.objects.get(Address.of(row)) for row in rows(archive, schema.instance)}


def test_objects_in_the_clear_are_read_then_sealed(archive: Archive, make: Make) -> None:
    for number in range(1, 5):
        archive.admit(make(number), "open", None, who="anna")
    contents = unseal(archive)
    assert held(archive) == contents
    assert renewed(archive) == Renewed(0, 4, 0)
    assert held(archive) == contents
    assert len(list(archive.objects.storage.names())) == 4
    assert not any((archive.objects.storage.path / f"{digest[:2]}/{digest}").exists() for digest in contents)


def test_what_is_damaged_stays_as_it_is_and_is_counted(archive: Archive, make: Make) -> None:
    for number in (1, 2):
        archive.admit(make(number), "open", None, who="anna")
    first, second = unseal(archive)
    archive.objects.storage.replace(f"{first[:2]}/{first}", b"other bytes")
    assert renewed(archive) == Renewed(0, 1, 1)
    assert {row["digest"]: row["key_id"] is None for row in rows(archive, schema.instance)} == {
        first: True,
        second: False,
    }
    with pytest.raises(Corrupt, match="damaged"):
        held(archive)


RENEW = """
from pathlib import Path
from cohortium.archive import Archive, renewal
from cohortium.keys import SiteKey
from cohortium.store import open_store
renewal.AT_ONCE = 3
def act(place):
    archive = Archive(open_store(Path(place)), Path(place), SiteKey(bytes(32)))
    renewal.renew(archive.engine, archive.objects)
"""


def test_killed_anywhere_no_object_is_lost(
    archive: Archive, make: Make, tmp_path: Path, sample: Callable[[int, int], int]
) -> None:
    if not isinstance(archive.engine.url.database, str) or archive.engine.dialect.name != "sqlite":
        pytest.skip("the same code on both; the process that is killed opens SQLite")
    for number in range(1, 40):
        archive.admit(make(number), "open", None, who="anna")
    contents = unseal(archive)
    with dying.at_work(RENEW) as at_work:
        for seed in range(sample(4, 40)):
            (moment,) = dying.moments(random.Random(seed), 60, 1)
            assert at_work(tmp_path, at=moment) is None
            assert held(archive) == contents
    renewed(archive)
    assert held(archive) == contents
    names = [name for name, _ in archive.objects.storage.names()]
    assert len([name for name in names if "#" not in name]) == 39  # others were half written, for fsck to clear
