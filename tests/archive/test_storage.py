"""A folder and a bucket keep bytes alike. The bucket is on a real server that speaks S3, on the loopback."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

import s3
from cohortium.archive.bucket import Bucket
from cohortium.archive.storage import Folder, Storage
from cohortium.config import Store
from cohortium.errors import ConfigError, Corrupt, Refused, Unavailable

NAME = "ab/0123/4567"


@pytest.fixture(params=["folder", "bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    if request.param == "folder":
        yield Folder(tmp_path / "objects")
    else:
        yield request.getfixturevalue("s3_server").bucket(tmp_path)


def test_what_is_written_once_stays_until_it_is_replaced_or_removed(storage: Storage) -> None:
    assert not storage.has(NAME)
    assert storage.write(NAME, b"first")
    assert not storage.write(NAME, b"other")
    assert (storage.has(NAME), bytes(storage.read(NAME))) == (True, b"first")
    storage.replace(NAME, b"second")
    assert bytes(storage.read(NAME)) == b"second"
    assert [bytes(part) for part in storage.ranges(NAME, [(0, 2), (3, 6)])] == [b"se", b"ond"]
    storage.remove([NAME, "ab/0123/none"])
    storage.remove([])
    assert not storage.has(NAME)


def test_what_is_not_there_is_told_alike(storage: Storage) -> None:
    for read in (lambda: storage.read(NAME), lambda: storage.ranges(NAME, [(0, 1)])):
        with pytest.raises(FileNotFoundError):
            read()


def test_what_ends_too_soon_is_told_alike(storage: Storage) -> None:
    storage.write(NAME, b"eleven more")
    assert bytes(storage.ranges(NAME, [(5, 99)])[0]) == b"n more"
    with pytest.raises(Corrupt, match="too soon"):
        storage.ranges(NAME, [(50, 99)])


def test_names_are_listed_below_a_folder(storage: Storage) -> None:
    for name in ("ab/01/x", "ab/01/y", "ab/02/z", "cd/01/x"):
        storage.write(name, name.encode())
    assert sorted(storage.names()) == [(name, 7) for name in ("ab/01/x", "ab/01/y", "ab/02/z", "cd/01/x")]
    assert sorted(name for name, _ in storage.names("ab/01/")) == ["ab/01/x", "ab/01/y"]
    assert list(storage.names("ef/")) == []


def test_of_many_that_write_one_name_one_is_first(storage: Storage) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: storage.write(NAME, b"%d" % n), range(8)))
    assert answers.count(True) == 1
    assert bytes(storage.read(NAME)) == b"%d" % answers.index(True)


def test_an_independent_client_finds_the_bytes_below_the_prefix(s3_server: s3.Server, tmp_path: Path) -> None:
    settings = s3_server.settings(tmp_path)
    Bucket(settings, tmp_path).write(NAME, b"bytes")
    bucket = settings.objects.split("/")[2]
    found = s3_server.client().get_object(Bucket=bucket, Key=f"some/prefix/{NAME}")["Body"].read()
    assert found == b"bytes"


def test_no_error_tells_a_credential_or_an_address(s3_server: s3.Server, tmp_path: Path) -> None:
    settings = s3_server.settings(tmp_path)
    wrong = (
        replace(settings, objects="s3://no-such-bucket"),
        replace(settings, endpoint="http://127.0.0.1:9"),
    )
    for each in wrong:
        with pytest.raises(Unavailable) as error:
            Bucket(each, tmp_path).write(NAME, b"x")
        shown = f"{error.value!r} {error.value.__cause__} {error.getrepr(style='long', chain=False)}"
        assert not any(text in str(error.value) for text in (s3.SECRET, "AKID", "127.0.0.1", "no-such"))
        assert s3.SECRET not in shown


def test_credentials_that_others_can_read_or_that_are_none_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "s3.ini"
    settings = Store(objects="s3://bucket", credentials_file="s3.ini")
    file.write_text(s3.CREDENTIALS)
    file.chmod(0o644)
    with pytest.raises(Refused, match="others can read"):
        Bucket(settings, tmp_path)
    file.chmod(0o600)
    Bucket(settings, tmp_path)
    for text in ("nothing", f"[default]\naws_secret_access_key = {s3.SECRET}\n"):
        file.write_text(text)
        with pytest.raises(ConfigError, match="is expected") as error:
            Bucket(settings, tmp_path)
        assert s3.SECRET not in str(error.value)


def test_credentials_come_from_the_environment_too(
    s3_server: s3.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(s3_server.settings(tmp_path), credentials_file="")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.SECRET)
    assert Bucket(settings, tmp_path).write(NAME, b"x")
