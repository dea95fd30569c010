"""Walking a folder and taking its files in; what becomes of them afterwards is in stories/."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from cohortium.acquire import folder
from cohortium.dicom import filemeta
from cohortium.errors import Unavailable
from cohortium.spool import BATCH, Came, Spool, summarise
from cohortium.values import State

DICOM = bytes(128) + b"DICM" + b"\2\0\0\0UL\4\0\0\0\0\0"
DICOMDIR = filemeta.build("1.2.840.10008.1.3.10", "1.2.3", "1.2.840.10008.1.2.1") + b"Gr\xfcnwald"


def counts(spool: Spool) -> dict[str, int]:
    with spool.reading() as connection:
        summary = summarise(connection, 0.0, (0, 0))
    states = {state: number for state, number in summary.states.items() if number and state != "quarantined"}
    return states | dict(summary.quarantined)


def test_files_come_in_one_order_whatever_the_folder_says(source: Path) -> None:
    for name in ("b/2", "a/1", "10", "9", "b/1/x"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    assert [str(path.relative_to(source)) for path, _ in folder.walk(source)] == ["10", "9", "a/1", "b/2", "b/1/x"]


def test_links_inside_are_left_out_and_links_out_are_told(source: Path, tmp_path: Path) -> None:
    (source / "file").touch()
    (tmp_path / "secret").touch()
    for name, target in (("same", "file"), ("loop", "."), ("out", tmp_path / "secret"), ("dead", "nowhere")):
        (source / name).symlink_to(target)
    os.mkfifo(source / "pipe")
    assert {path.name: problem for path, problem in folder.walk(source)} == {
        "file": "",
        "out": "a link that leads out of the source folder",
        "dead": "a link that leads nowhere",
        "pipe": "neither a file nor a folder",
    }


def test_a_source_that_is_no_folder_is_told_without_its_name(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        list(folder.walk(tmp_path / "Grünwald"))
    assert "Grünwald" not in str(caught.value)


def test_each_kind_of_file_is_accounted_for(source: Path, spool: Spool) -> None:
    for name, content in (("empty", b""), ("text", b"letter"), ("one", DICOM), ("large", DICOM + bytes(2000))):
        (source / name).write_bytes(content)
    assert len(list(folder.acquire(source, spool, Came("in", "ct"), 1000))) == folder.count(source) == 4
    assert counts(spool) == {"empty file": 1, "not DICOM": 1, "received": 1, "larger than the limit": 1}


def test_more_files_than_a_batch_holds_are_all_there_and_known_the_next_time(source: Path, spool: Spool) -> None:
    number = 2 * BATCH + 1
    for name in range(number):
        (source / str(name)).write_bytes(DICOM + name.to_bytes(2, "little"))
    for _ in range(2):
        assert len(list(folder.acquire(source, spool, Came("in", "ct"), 1000))) == number
    assert counts(spool) == {"received": number}


def test_who_stops_listening_keeps_what_was_taken(source: Path, spool: Spool) -> None:
    for name in range(3):
        (source / str(name)).write_bytes(DICOM + bytes([name]))
    steps = folder.acquire(source, spool, Came("in", "ct"), 1000)
    next(steps)
    next(steps)
    steps.close()
    assert counts(spool) == {"received": 2}


def test_a_zip_brings_its_files_one_by_one_and_a_dicomdir_is_not_passed_on(source: Path, spool: Spool) -> None:
    with ZipFile(source / "export.zip", "w") as package:
        for name, content in (("1", DICOM + b"1"), ("cd/2", DICOM + b"2"), ("DICOMDIR", DICOMDIR), ("readme", b"hi")):
            package.writestr(name, content)
    (source / "DICOMDIR").write_bytes(DICOMDIR)
    for _ in range(2):
        list(folder.acquire(source, spool, Came("in", "ct"), 1000))
        assert counts(spool) == {"received": 2, "container": 3, "not DICOM": 1}


def test_a_broken_zip_is_set_aside_whole_with_its_bytes(source: Path, spool: Spool) -> None:
    buffer = BytesIO()
    with ZipFile(buffer, "w") as package:
        for name in range(3):
            package.writestr(str(name), DICOM + bytes([name]) * 20)
    broken = bytearray(buffer.getvalue())
    broken[broken.rindex(bytes([2]) * 20)] ^= 1  # of the last file alone
    (source / "export.zip").write_bytes(broken)
    list(folder.acquire(source, spool, Came("in", "ct"), 1000))
    assert counts(spool) == {"a package that cannot be unpacked": 1}
    (item,) = next(spool.waiting(State.QUARANTINED))
    assert spool.incoming(item) == broken


@pytest.mark.parametrize("name", ["../out", "/etc/out", "C:/out"])
def test_a_zip_that_reaches_out_of_itself_brings_nothing(source: Path, spool: Spool, name: str) -> None:
    with ZipFile(source / "export.zip", "w") as package:
        package.writestr("1", DICOM)
        package.writestr(name, DICOM + b"2")
    list(folder.acquire(source, spool, Came("in", "ct"), 1000))
    assert counts(spool) == {"a package that cannot be unpacked": 1}


def test_a_zip_within_a_zip_and_a_file_beyond_the_limit_are_not_unpacked(source: Path, spool: Spool) -> None:
    inner = BytesIO()
    with ZipFile(inner, "w") as package:
        package.writestr("1", DICOM)
    with ZipFile(source / "nested.zip", "w") as package:
        package.writestr("inner.zip", inner.getvalue())
        package.writestr("2", DICOM + b"2")
    with ZipFile(source / "bomb.zip", "w", ZIP_DEFLATED) as package:
        package.writestr("1", DICOM + bytes(100_000))
    list(folder.acquire(source, spool, Came("in", "ct"), 1000))
    assert counts(spool) == {"a package that cannot be unpacked": 2, "received": 1, "container": 1}
