"""Bytes under data keys: named by digest, sealed, authenticated, durable.

Oracle: a dict of bytes. Sample: sequences of Hypothesis's usual number; see the profile.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert

from cohortium import sealed
from cohortium.archive import Address, Objects
from cohortium.archive.datakeys import DataKeys
from cohortium.archive.storage import Folder
from cohortium.errors import Corrupt, Malformed, Refused, Unavailable
from cohortium.keys import SiteKey, ephemeral
from cohortium.store import open_store, schema

PROJECT = {"title": "", "admit": "check", "protocol": "p", "protocol_digest": "d", "created": "t"}
SITE = SiteKey(bytes(32))


@pytest.fixture(scope="module")
def engine(module_place: Path | str) -> Iterator[Engine]:
    """A store with two projects."""
    engine = open_store(module_place)
    with engine.begin() as connection:
        for name in ("one", "two"):
            connection.execute(insert(schema.project).values(name=name, **PROJECT))
    yield engine
    engine.dispose()


@pytest.fixture
def objects(engine: Engine, tmp_path: Path) -> Objects:
    return Objects(Folder(tmp_path / "objects"), DataKeys(engine, SITE))


@pytest.fixture
def key(objects: Objects) -> int:
    return objects.keys.of(1, "S1")


def files(objects: Objects) -> list[Path]:
    return [path for path in objects.storage.path.rglob("*") if path.is_file()]


def test_an_object_is_named_by_its_digest_and_comes_back(objects: Objects, key: int) -> None:
    at = objects.put(key, memoryview(b"some bytes"))
    assert at == Address(key, sha256(b"some bytes").hexdigest(), 10)
    assert objects.get(at) == b"some bytes"


def test_nothing_of_it_can_be_read_in_storage(objects: Objects, key: int) -> None:
    at = objects.put(key, b"Doe^Jane" * 1000)
    (file,) = files(objects)
    assert b"Doe^Jane" not in file.read_bytes()
    assert at.digest not in str(file)


def test_the_same_bytes_of_two_subjects_and_of_two_projects_cannot_be_compared(objects: Objects) -> None:
    keys = [objects.keys.of(*subject) for subject in ((1, "S1"), (1, "S2"), (2, "S1"), (1, ""))]
    places = {objects.keys[key].place(objects.put(key, b"x" * 100).name) for key in keys}
    assert len({place.split("/")[-1] for place in places}) == len(set(keys)) == 4
    assert len({file.read_bytes()[40:] for file in files(objects)}) == 4


def test_storing_twice_writes_once(objects: Objects, key: int) -> None:
    objects.put(key, b"x")
    (path,) = files(objects)
    before = path.stat()
    objects.put(key, b"x")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@given(data=st.data())
def test_a_changed_byte_is_noticed_and_a_second_put_mends_it(engine: Engine, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        objects = Objects(Folder(Path(folder)), DataKeys(engine, SITE))
        at = objects.put(objects.keys.of(1, "S1"), b"abc" * 50)
        (path,) = files(objects)
        changed = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, len(changed) - 1))
        changed[place] ^= data.draw(st.integers(1, 255))
        whole = path.read_bytes()
        for damaged in (bytes(changed), whole[:place], whole + b"x"):
            path.write_bytes(damaged)
            with pytest.raises(Corrupt):
                objects.get(at)
        objects.put(at.key or 0, b"abc" * 50)
        assert objects.get(at) == b"abc" * 50


def test_an_object_in_anothers_place_does_not_open(objects: Objects, key: int) -> None:
    one, other = objects.put(key, b"one"), objects.put(key, b"two")
    paths = [objects.storage.path / objects.keys[key].place(at.name) for at in (one, other)]
    paths[0].write_bytes(paths[1].read_bytes())
    with pytest.raises(Corrupt, match="damaged"):
        objects.get(one)


def test_a_missing_object_is_corrupt(objects: Objects, key: int) -> None:
    with pytest.raises(Corrupt, match="missing"):
        objects.get(Address(key, "0" * 64, 1))


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "0" * 63, "0" * 63 + "G", "A" * 64, "0" * 64 + "\n", "/" + "0" * 63, "0" * 65]
)
def test_only_a_digest_names_an_object(objects: Objects, key: int, name: str) -> None:
    for held in (key, None):
        with pytest.raises(Malformed):
            objects.get(Address(held, name, 1))


@pytest.mark.parametrize("size", [0, 1, sealed.CHUNK - 1, sealed.CHUNK, sealed.CHUNK + 1, 11 * sealed.CHUNK + 7])
def test_any_part_is_read_alone(objects: Objects, key: int, size: int) -> None:
    content = (bytes(range(256)) * (size // 256 + 1))[:size]
    at = objects.put(key, content)
    assert objects.get(at) == content
    assert b"".join(objects.stream(at)) == content
    assert sealed.length(size) == files(objects)[0].stat().st_size
    for start in {0, size // 3, max(0, size - 2), min(size, sealed.CHUNK)}:
        for end in {start, min(size, start + 1), min(size, start + sealed.CHUNK), size}:
            assert objects.read(at, start, end) == content[start:end]


def test_a_full_disk_is_told_and_leaves_nothing(engine: Engine, tiny_disk: Path) -> None:
    objects = Objects(Folder(tiny_disk / "objects"), DataKeys(engine, SITE))
    with pytest.raises(Unavailable, match="no space left"):
        objects.put(objects.keys.of(1, "S1"), bytes(5_000_000))
    assert files(objects) == []


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_an_object_is_flushed_to_disk_before_write_returns(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from cohortium.archive.storage import Folder;"
        f"Folder(Path({str(tmp_path)!r})).write('ab/cd/ef', b'x')"
    )
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-y", "-e", "trace=fsync,link,linkat,rename", "-o", trace, sys.executable, "-c"]
    subprocess.run([*command, program], check=True, cwd=tmp_path)
    calls = trace.read_text()
    order = ["-0>)", '/ef"', "/cd>)", "/ab>)", f"{tmp_path}>)"]  # the file, named, its folders, the root
    assert [calls.index(text) for text in order] == sorted(calls.index(text) for text in order)


# --- data keys ----------------------------------------------------------------------------------------------------


def test_a_subject_has_one_key_whoever_asks_first(engine: Engine, objects: Objects, key: int) -> None:
    assert DataKeys(engine, SITE).of(1, "S1") == key
    at = objects.put(key, b"x")
    assert Objects(objects.storage, DataKeys(engine, SITE)).get(at) == b"x"


def test_another_site_key_opens_nothing(engine: Engine, objects: Objects, key: int) -> None:
    at = objects.put(key, b"x")
    with pytest.raises(Corrupt, match="another site key"):
        Objects(objects.storage, DataKeys(engine, ephemeral())).get(at)


def test_a_key_wrapped_for_another_does_not_open(engine: Engine, objects: Objects, key: int) -> None:
    other = objects.keys.of(1, "S9")
    with engine.begin() as connection:
        wrapped = schema.data_key.select().where(schema.data_key.c.id == other)
        stolen = connection.execute(wrapped).one().wrapped
        connection.execute(delete(schema.data_key).where(schema.data_key.c.id == other))
        row = {"id": 7, "project_id": 1, "PatientID": "S9", "wrapped": stolen, "created": ""}
        connection.execute(insert(schema.data_key).values(**row))
    with pytest.raises(Corrupt, match="was changed"):
        DataKeys(engine, SITE)[7]


def test_no_key_is_made_for_who_was_withdrawn(engine: Engine) -> None:
    with engine.begin() as connection:
        row = {"project_id": 2, "PatientID": "gone", "reason": "", "who": "", "time": ""}
        connection.execute(insert(schema.withdrawal).values(**row))
    with pytest.raises(Refused, match="withdrawn"):
        DataKeys(engine, SITE).of(2, "gone")
