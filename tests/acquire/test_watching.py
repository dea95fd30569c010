"""A folder that is looked through for years: files that grow, come and go, and a share that vanishes and returns."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

import pytest

from cohortium.acquire.intake import Intake
from cohortium.acquire.removing import EMPTY_FOR
from cohortium.acquire.watching import AGAIN, Watch
from cohortium.config import Watched
from cohortium.dicom import filemeta
from cohortium.errors import Unavailable
from cohortium.spool import Came, Spool, summarise
from cohortium.values import State

DICOM = bytes(128) + b"DICM" + b"\2\0\0\0UL\4\0\0\0\0\0"
DIRECTORY = filemeta.build("1.2.840.10008.1.3.10", "1.2.3", "1.2.840.10008.1.2.1")
SETTLE = 5.0


class Clock:
    """One that goes as the test says."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(source: Path, spool: Spool, clock: Clock) -> Watch:
    return opened(source, spool, clock)


def opened(source: Path, spool: Spool, clock: Clock, **more: bool) -> Watch:
    return Watch(Watched("in", source, int(SETTLE), **more), Intake(spool, Came("in", "ct"), 10_000, 0), clock)


def look(watch: Watch, clock: Clock, after: float = SETTLE) -> int:
    """How many files were taken in, or tried, by a look some seconds later."""
    clock.now += after
    return len(list(watch.look()))


def counts(spool: Spool) -> dict[str, int]:
    with spool.reading() as connection:
        summary = summarise(connection, 0.0, (0, 0))
    states = {state: number for state, number in summary.states.items() if number and state != "quarantined"}
    return states | dict(summary.quarantined)


def test_a_file_is_taken_when_it_stays_as_it_is_whatever_its_time_stamp_says(
    source: Path, spool: Spool, watch: Watch, clock: Clock
) -> None:
    file = source / "grows"
    for number in range(4):
        file.write_bytes(DICOM + bytes(number))
        os.utime(file, (1, 1))  # a copy that keeps the times of what it is a copy of
        assert look(watch, clock) == 0
    assert look(watch, clock, SETTLE / 2) == 0
    assert look(watch, clock, SETTLE / 2) == 1
    assert counts(spool) == {"received": 1}
    assert look(watch, clock) == 0
    file.write_bytes(DICOM + b"other bytes")
    assert [look(watch, clock), look(watch, clock), look(watch, clock)] == [0, 1, 0]
    assert counts(spool) == {"received": 2}


def test_files_come_and_go_and_change_their_names(source: Path, spool: Spool, watch: Watch, clock: Clock) -> None:
    (source / "goes").write_bytes(DICOM + b"1")
    (source / "x.part").write_bytes(DICOM + b"2")
    look(watch, clock)
    (source / "goes").unlink()
    (source / "x.part").rename(source / "x.dcm")
    assert [look(watch, clock), look(watch, clock)] == [0, 1]
    (source / "x.dcm").rename(source / "y.dcm")
    assert [look(watch, clock), look(watch, clock)] == [0, 1]
    assert counts(spool) == {"received": 1, "duplicate": 1}
    (source / "y.dcm").unlink()
    look(watch, clock)
    assert watch._known == set()  # nothing is kept in mind of what is gone
    assert watch._since == {}


def test_a_file_that_goes_while_it_is_looked_at_is_no_file(
    source: Path, spool: Spool, watch: Watch, clock: Clock
) -> None:
    for name in range(40):
        (source / str(name)).write_bytes(DICOM + bytes([name]))
    look(watch, clock)
    clock.now += SETTLE
    steps = watch.look()
    next(steps)
    for path in source.iterdir():
        path.unlink()
    list(steps)
    assert counts(spool) == {"received": 1}


def test_a_share_that_vanishes_and_returns(source: Path, spool: Spool, watch: Watch, clock: Clock) -> None:
    (source / "sub").mkdir()
    (source / "sub" / "one").write_bytes(DICOM)
    look(watch, clock)
    source.rename(source.with_name("away"))
    for _ in range(2):
        with pytest.raises(Unavailable):
            look(watch, clock)
    source.with_name("away").rename(source)
    look(watch, clock)
    look(watch, clock)
    assert counts(spool) == {"received": 1}


def test_a_share_that_vanishes_in_the_middle_of_a_look(source: Path, spool: Spool, watch: Watch, clock: Clock) -> None:
    for name in range(40):
        (source / str(name)).write_bytes(DICOM + bytes([name]))
    look(watch, clock)
    clock.now += SETTLE
    steps = watch.look()
    next(steps)
    source.rename(source.with_name("away"))
    with pytest.raises(Unavailable):
        list(steps)
    source.with_name("away").rename(source)
    look(watch, clock)
    look(watch, clock)
    assert counts(spool) == {"received": 40}


def test_what_cannot_be_read_is_tried_again_after_a_while(
    source: Path, spool: Spool, watch: Watch, clock: Clock
) -> None:
    (source / "dead").symlink_to("nowhere")
    assert [look(watch, clock) for _ in range(4)] == [0, 1, 0, 0]
    assert counts(spool) == {"file cannot be read": 1}
    assert look(watch, clock, AGAIN + SETTLE) == 1
    assert counts(spool) == {"file cannot be read": 1}


def test_what_a_full_disk_kept_out_comes_in_later(source: Path, spool: Spool, watch: Watch, clock: Clock) -> None:
    (source / "one").write_bytes(DICOM)
    with ZipFile(source / "two.zip", "w") as package:
        package.writestr("2", DICOM + b"2")
    look(watch, clock)
    names = spool.folder / "incoming"
    names.rename(spool.folder / "elsewhere")
    with pytest.raises(OSError, match="incoming"):
        look(watch, clock)
    (spool.folder / "elsewhere").rename(names)
    look(watch, clock)
    look(watch, clock)
    assert counts(spool) == {"received": 2, "container": 1}


def test_after_a_restart_nothing_is_read_again(source: Path, spool: Spool, watch: Watch, clock: Clock) -> None:
    (source / "one").write_bytes(DICOM)
    (source / "letter").write_bytes(b"x")
    look(watch, clock)
    assert look(watch, clock) == 2
    again = opened(source, spool, clock)
    assert [look(again, clock), look(again, clock)] == [0, 0]
    assert counts(spool) == {"received": 1, "not DICOM": 1}


@contextmanager
def opening() -> Iterator[list[object]]:
    """What this process opens in the block, each time."""
    opened: list[object] = []
    is_over = False
    sys.addaudithook(lambda name, of: opened.append(of[0]) if name == "open" and not is_over else None)
    yield opened
    is_over = True


def test_many_files_that_are_known_cost_little(
    source: Path, spool: Spool, watch: Watch, clock: Clock, sample: Callable[[int, int], int]
) -> None:
    number = sample(3_000, 100_000)
    for name in range(number):
        (source / str(name)).write_bytes(b"letter")
    look(watch, clock)
    with opening() as opened_first:
        assert look(watch, clock) == number
    assert len(opened_first) >= number
    with opening() as opened_again:
        assert look(watch, clock) == 0
    assert len(opened_again) < 20, "known files are not opened"
    assert next(spool.waiting(State.RECEIVED), None) is None


def there(source: Path) -> set[str]:
    return {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}


def test_what_was_taken_in_is_removed_and_everything_else_stays(source: Path, spool: Spool, clock: Clock) -> None:
    watch = opened(source, spool, clock, remove=True)
    (source / "sub").mkdir()
    contents = {"sub/1": DICOM + b"1", "2": DICOM + b"2", "DICOMDIR": DIRECTORY}
    staying = {"letter": b"hello", "empty": b"", "large": DICOM + bytes(20_000), "broken.zip": b"PK\3\4" + bytes(80)}
    for name, content in (contents | staying).items():
        (source / name).write_bytes(content)
    with ZipFile(source / "whole.zip", "w") as package:
        package.writestr("3", DICOM + b"3")
    (source / "dead").symlink_to("nowhere")
    assert look(watch, clock) == 0
    clock.now += SETTLE
    steps = watch.look()
    next(steps)
    assert {"sub/1", "2", "DICOMDIR"} <= there(source), "nothing is durable before the batch is"
    list(steps)
    assert there(source) == staying.keys()
    assert counts(spool)["received"] == 3
    assert [look(watch, clock), look(watch, clock)] == [0, 0]
    assert (source / "dead").is_symlink()


def test_what_could_not_be_made_durable_is_not_removed(source: Path, spool: Spool, clock: Clock) -> None:
    watch = opened(source, spool, clock, remove=True)
    (source / "one").write_bytes(DICOM)
    look(watch, clock)
    names = spool.folder / "incoming"
    names.rename(spool.folder / "elsewhere")
    with pytest.raises(OSError, match="incoming"):
        look(watch, clock)
    assert there(source) == {"one"}
    (spool.folder / "elsewhere").rename(names)
    look(watch, clock)
    look(watch, clock)
    assert there(source) == set()
    assert counts(spool) == {"received": 1}


def test_another_file_under_the_name_of_one_that_was_taken_is_not_removed(
    source: Path, spool: Spool, clock: Clock
) -> None:
    watch = opened(source, spool, clock, remove=True)
    for name in "12":
        (source / name).write_bytes(DICOM + name.encode())
    look(watch, clock)
    clock.now += SETTLE
    steps = watch.look()
    next(steps)
    (source / "1").write_bytes(DICOM + b"3")
    list(steps)
    assert there(source) == {"1"}
    look(watch, clock)
    look(watch, clock)
    assert there(source) == set()
    assert counts(spool) == {"received": 3}


def test_a_name_is_used_again_with_size_and_time_of_what_was_removed(source: Path, spool: Spool, clock: Clock) -> None:
    watch = opened(source, spool, clock, remove=True)
    for content in (b"1", b"2", b"3"):
        (source / "000001.dcm").write_bytes(DICOM + content)
        os.utime(source / "000001.dcm", (1, 1))
        look(watch, clock)
        look(watch, clock)
        assert there(source) == set()
        look(watch, clock)
    assert counts(spool) == {"received": 3}


def test_killed_before_it_could_remove_it_removes_later(source: Path, spool: Spool, watch: Watch, clock: Clock) -> None:
    """To the spool it is the same as a folder from which nothing was to be removed, until now."""
    (source / "one").write_bytes(DICOM)
    look(watch, clock)
    look(watch, clock)
    assert there(source) == {"one"}
    again = opened(source, spool, clock, remove=True)
    look(again, clock)
    look(again, clock)
    assert there(source) == set()
    assert counts(spool) == {"received": 1}


def test_folders_that_were_emptied_go_when_nothing_comes_any_more(source: Path, spool: Spool, clock: Clock) -> None:
    watch = opened(source, spool, clock, remove=True)
    for name in ("a/b", "c"):
        (source / name).mkdir(parents=True)
        (source / name / "1").write_bytes(DICOM + name.encode())
    look(watch, clock)
    look(watch, clock)
    look(watch, clock, EMPTY_FOR - SETTLE)
    assert (source / "a" / "b").is_dir()
    (source / "c" / "2").write_bytes(b"letter")
    for _ in range(3):
        look(watch, clock, EMPTY_FOR)
    assert sorted(path.name for path in source.iterdir()) == ["c"]
    assert source.is_dir()


def test_a_folder_that_does_not_let_its_files_be_removed_is_told(tiny_disk: Path, spool: Spool, clock: Clock) -> None:
    watch = opened(tiny_disk, spool, clock, remove=True)
    (tiny_disk / "one").write_bytes(DICOM)
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    look(watch, clock)
    clock.now += SETTLE
    steps = watch.look()
    next(steps)
    clock.now += 10
    with pytest.raises(Unavailable, match=r"cannot be removed from a source's folder \(Read-only"):
        list(steps)
    assert counts(spool) == {"received": 1}
    subprocess.run(["mount", "-o", "remount,rw", str(tiny_disk)], check=True)
    with pytest.raises(Unavailable, match="Read-only"):
        look(watch, clock, 89)  # or a folder that takes long would be looked through all the time
    look(watch, clock, 1)
    assert there(tiny_disk) == set()


@pytest.mark.parametrize("restarted", [False, True])
def test_an_empty_mount_point_is_no_empty_folder(
    tiny_disk: Path, spool: Spool, clock: Clock, *, restarted: bool
) -> None:
    """While the gateway runs it knows what was one; after a restart the configuration says so."""
    watch = opened(tiny_disk, spool, clock)
    (tiny_disk / "one").write_bytes(DICOM)
    look(watch, clock)
    subprocess.run(["umount", str(tiny_disk)], check=True)
    watch = opened(tiny_disk, spool, clock, mount_point=True) if restarted else watch
    with pytest.raises(Unavailable, match="nothing is mounted"):
        look(watch, clock)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(tiny_disk)], check=True)
    (tiny_disk / "two").write_bytes(DICOM)
    look(watch, clock)
    assert look(watch, clock) == 1
    assert counts(spool) == {"received": 1}
