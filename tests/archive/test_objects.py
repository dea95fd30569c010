from __future__ import annotations

import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from cohortium.archive import Objects
from cohortium.errors import Corrupt, Malformed, Unavailable


def test_an_object_is_named_by_its_digest_and_comes_back(tmp_path: Path) -> None:
    objects = Objects(tmp_path)
    digest = objects.put(memoryview(b"some bytes"))
    assert digest == sha256(b"some bytes").hexdigest()
    assert objects.get(digest) == b"some bytes"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / digest[:2] / digest]


def test_storing_twice_writes_once(tmp_path: Path) -> None:
    objects = Objects(tmp_path)
    path = tmp_path / objects.put(b"x")[:2] / sha256(b"x").hexdigest()
    before = path.stat()
    objects.put(b"x")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_changed_byte_is_noticed_and_a_second_put_mends_it(tmp_path: Path) -> None:
    objects = Objects(tmp_path)
    digest = objects.put(b"abc")
    (tmp_path / digest[:2] / digest).write_bytes(b"abd")
    with pytest.raises(Corrupt, match="damaged"):
        objects.get(digest)
    objects.put(b"abc")
    assert objects.get(digest) == b"abc"


def test_a_missing_object_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(Corrupt, match="missing"):
        Objects(tmp_path).get("0" * 64)


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "0" * 63, "0" * 63 + "G", "A" * 64, "0" * 64 + "\n", "/" + "0" * 63, "0" * 65]
)
def test_only_a_digest_names_an_object(tmp_path: Path, name: str) -> None:
    with pytest.raises(Malformed):
        Objects(tmp_path).get(name)


def test_what_a_killed_process_left_behind_is_removed(tmp_path: Path) -> None:
    objects = Objects(tmp_path)
    digest = sha256(b"abc").hexdigest()
    left = tmp_path / digest[:2] / f"{digest}#1"  # the temporary name obstore writes under
    left.parent.mkdir()
    left.write_bytes(b"a")
    objects.put(b"abc")
    assert not left.exists()


def test_a_full_disk_is_told_and_leaves_nothing(tiny_disk: Path) -> None:
    objects = Objects(tiny_disk / "objects")
    with pytest.raises(Unavailable, match="no space left"):
        objects.put(bytes(5_000_000))
    assert [path for path in tiny_disk.rglob("*") if path.is_file()] == []


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_an_object_is_flushed_to_disk_before_put_returns(tmp_path: Path) -> None:
    program = (
        f"from pathlib import Path; from cohortium.archive import Objects; Objects(Path({str(tmp_path)!r})).put(b'x')"
    )
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-y", "-e", "trace=fsync,rename,renameat,renameat2", "-o", trace, sys.executable, "-c"]
    subprocess.run([*command, program], check=True, cwd=tmp_path)
    calls, digest = trace.read_text(), sha256(b"x").hexdigest()
    order = [f'{digest}")', f"{digest}>)", f"/{digest[:2]}>)", f"{tmp_path}>)"]  # renamed, file, its folder, the root
    assert [calls.index(text) for text in order] == sorted(calls.index(text) for text in order)
