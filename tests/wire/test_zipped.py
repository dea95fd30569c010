"""Zips written as they are sent, read by two readers that are not ours."""

from __future__ import annotations

import shutil
import subprocess
import tracemalloc
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohortium.wire.names import safe
from cohortium.wire.zipped import Member, zipped

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(safe)
MIB = 1 << 20


def member(path: str, *pieces: bytes) -> Member:
    return Member(path, sum(map(len, pieces)), lambda: pieces)


@given(st.dictionaries(NAMES, st.lists(st.binary(max_size=100), max_size=3), max_size=5))
def test_what_goes_in_comes_out(contents: dict[str, list[bytes]]) -> None:
    made = b"".join(zipped(member(path, *pieces) for path, pieces in contents.items()))
    with ZipFile(BytesIO(made)) as found:
        assert found.testzip() is None
        assert {name: found.read(name) for name in found.namelist()} == {
            path: b"".join(pieces) for path, pieces in contents.items()
        }
    assert made == b"".join(zipped(member(path, *pieces) for path, pieces in contents.items()))


def test_a_member_is_read_when_its_turn_comes() -> None:
    asked: list[str] = []

    def member_of(path: str) -> Member:
        def read() -> Iterator[bytes]:
            asked.append(path)
            yield b"x"

        return Member(path, 1, read)

    pieces = zipped(map(member_of, "abc"))
    assert next(pieces)
    assert asked == ["a"]


def test_a_member_that_fails_leaves_no_zip_that_reads_as_whole() -> None:
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise OSError("a disk that went away")

    sent = bytearray()

    def send() -> None:
        for piece in zipped([member("a", b"good"), Member("b", 2, broken)]):
            sent.extend(piece)

    with pytest.raises(OSError, match="went away"):
        send()
    assert b"good" in sent
    assert b"PK\x01\x02" not in sent  # no directory


def test_more_than_zip_was_made_for(tmp_path: Path) -> None:
    """70,000 members, and one that stands beyond 4 GiB: a sparse file keeps it quick."""
    piece = bytes(64 * MIB)
    whole = tmp_path / "big.zip"
    large = Member("large", 66 * len(piece), lambda: (piece for _ in range(66)))
    with whole.open("wb") as file:
        tracemalloc.start()
        for each in zipped([large, *(member(f"{n}", b"") for n in range(70_000)), member("last", b"the end")]):
            file.write(each) if each is not piece else file.seek(len(piece), 1)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    with ZipFile(whole) as found:
        assert len(found.namelist()) == 70_002
        assert found.read("last") == b"the end"
        assert found.getinfo("large").file_size == 66 * len(piece)
        assert found.getinfo("last").header_offset > 1 << 32
    assert peak < 100 * MIB


@pytest.mark.skipif(shutil.which("unzip") is None, reason="no unzip on this machine")
def test_unzip_reads_it(tmp_path: Path) -> None:
    (tmp_path / "some.zip").write_bytes(b"".join(zipped([member("S-1/1.2/1.3/1.4.dcm", b"one", b"two")])))
    subprocess.run(["unzip", "-qt", tmp_path / "some.zip"], check=True)
