"""Objects in a bucket, backups in a bucket, and from either to a folder and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import s3
from cohortium import backup, config
from cohortium.backup import place_at, target_of
from cohortium.backup.place import LARGE, Bucket, Missing
from cohortium.errors import ConfigError, Refused


@pytest.fixture
def bucket(s3_server: s3.Server, tmp_path: Path) -> Bucket:
    return Bucket(s3_server.bucket(tmp_path), "the target")


def test_a_bucket_keeps_what_a_folder_keeps(bucket: Bucket) -> None:
    large = bytes(range(256)) * (LARGE // 256) + b"end"
    bucket.write("parts/aa/one", [b"on", b"e"])
    bucket.write("parts/bb/large", [large])
    bucket.settle()
    assert bucket.sizes("") == {"parts/aa/one": 3, "parts/bb/large": len(large)}
    assert bucket.sizes("objects/") == {}
    assert b"".join(bucket.read("parts/aa/one")) == b"one"
    assert list(map(len, bucket.read("parts/bb/large"))) == [LARGE, 3]
    bucket.delete("parts/aa/one")
    with pytest.raises(Missing, match="missing in the target"):
        list(bucket.read("parts/aa/one"))


def test_a_site_goes_by_way_of_a_bucket_into_a_bucket(site: Any, s3_server: s3.Server, tmp_path: Path) -> None:
    store = s3_server.settings(tmp_path)
    access = config.Backup(endpoint=store.endpoint, credentials_file=store.credentials_file)
    place = place_at(store.objects, access, tmp_path, "the target")
    small = replace(site, kept=place)
    small.back_up()
    assert small.back_up(keep=1).new_objects == 0
    assert small.check() == []
    objects = s3_server.settings(tmp_path)
    found = small.restore(tmp_path / "found", objects=objects)
    assert found.rows() == site.rows()
    assert not (tmp_path / "found" / "data" / "objects").exists()
    assert len(list(found.archive.objects.storage.names())) == 5
    again = replace(found, kept=None, target=tmp_path / "folder")
    assert again.back_up().objects == 5
    assert again.restore(tmp_path / "again", objects=config.Store()).rows() == site.rows()


def test_what_is_cold_is_asked_for_and_comes_with_a_later_backup(
    site: Any, s3_server: s3.Server, tmp_path: Path
) -> None:
    site.back_up()
    store = s3_server.settings(tmp_path, cold_class="GLACIER")
    found = site.restore(tmp_path / "found", objects=store)
    storage = found.archive.objects.storage
    name = min(name for name, _ in storage.names())
    storage.cool(name)
    assert replace(found, target=site.target).back_up().cold == 0, "what the target has is not read again"
    elsewhere = replace(found, target=tmp_path / "elsewhere")
    first = elsewhere.back_up()
    assert (first.cold, first.missing, first.objects) == (1, 0, 4)
    second = elsewhere.back_up()
    assert (second.cold, second.missing, second.objects) == (0, 0, 5)
    assert elsewhere.restore(tmp_path / "again", objects=config.Store()).rows() == site.rows()


def test_a_target_is_the_configured_one_and_lies_apart(site: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name a target"):
        target_of(site.settings)
    settings = replace(site.settings, backup=config.Backup(target="away"))
    backup.back_up(settings, site.engine, site.key, target_of(settings), lambda *_: None)
    assert (settings.file.parent / "away" / "backups").is_dir()
    for wrong in (settings.site.data / "x", settings.file.parent, settings.site.key.parent):
        with pytest.raises(Refused, match="one inside the other"):
            target_of(settings, str(wrong))
    with pytest.raises(ConfigError, match="expected"):
        target_of(settings, "s3://")
