"""A folder as a destination, and what can go wrong with one."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cohortium.deposit.laid as laid
from cohortium.deposit import Confirmed, Folder, How, Parcel
from cohortium.errors import Refused, Unavailable
from outgoing import made, parcel, parcels


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def renamed(PatientID: str) -> Parcel:
    """A parcel whose pseudonym is that, whoever gave it."""
    one = parcel(made(1)[0])
    return replace(one, instance=replace(one.instance, PatientID=PatientID))


def test_three_tiers_each_file_whole_and_the_same_again_changes_nothing(tmp_path: Path) -> None:
    contents = made(3)
    sent, there = parcels(contents), Folder(tmp_path)
    assert [each.how for each in there.send("lung", sent) if isinstance(each, Confirmed)] == [How.READ_BACK] * 3
    before = {path: path.stat().st_mtime_ns for path in files(tmp_path)}
    assert all(isinstance(each, Confirmed) for each in there.send("lung", sent))
    assert {path: path.stat().st_mtime_ns for path in files(tmp_path)} == before
    of = sent[0].instance
    assert {path.parent for path in before} == {tmp_path / of.PatientID / of.StudyInstanceUID / of.SeriesInstanceUID}
    assert sorted(path.read_bytes() for path in before) == sorted(contents)


@given(st.text(min_size=1, max_size=64).filter(str.strip))
def test_no_pseudonym_leads_out_of_the_folder(PatientID: str) -> None:
    place = Path(laid.place(renamed(PatientID).instance))
    assert len(place.parts) == 4
    assert not place.is_absolute()
    assert not [part for part in place.parts if part.startswith(".") or set(part) & set('\\:*?"<>|\0')]


@pytest.mark.parametrize("PatientID", ["..", "../../etc", "/etc/passwd", "a\0b", "C:\\x", ".hidden", "a/b", " "])
def test_hostile_pseudonyms(tmp_path: Path, PatientID: str) -> None:
    root = tmp_path / "share"
    root.mkdir()
    (answer,) = Folder(root).send("lung", [renamed(PatientID)])
    assert isinstance(answer, Confirmed)
    assert len(files(root)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["share"]


def test_a_pseudonym_that_no_folder_can_be_called_is_refused_alone(tmp_path: Path) -> None:
    answers = Folder(tmp_path).send("lung", [renamed("ü" * 64), renamed("S-2")])
    assert [type(each) for each in answers] == [Refused, Confirmed]


def test_a_folder_is_asked_whether_it_is_there(tmp_path: Path) -> None:
    Folder(tmp_path).probe()
    assert files(tmp_path) == []
    with pytest.raises(Unavailable, match="not there"):
        Folder(tmp_path / "away").probe()


def test_other_bytes_under_its_uid_are_never_replaced(tmp_path: Path) -> None:
    one = parcel(made(1)[0])
    path = tmp_path / laid.place(one.instance)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"other")
    (answer,) = Folder(tmp_path).send("lung", [one])
    assert isinstance(answer, Refused)
    assert path.read_bytes() == b"other"


def test_a_new_version_leaves_the_earlier_one_beside_it(tmp_path: Path) -> None:
    old, new = made(2)
    first, second = parcel(old), replace(parcel(new), instance=replace(parcel(new).instance, **uid_of(old)))
    Folder(tmp_path).send("lung", [first])
    (answer,) = Folder(tmp_path).send("lung", [replace(second, earlier=frozenset({first.instance.digest}))])
    assert isinstance(answer, Confirmed)
    path = tmp_path / laid.place(first.instance)
    assert path.read_bytes() == new
    assert [each.read_bytes() for each in files(tmp_path) if each != path] == [old]


def uid_of(content: bytes) -> dict[str, str]:
    return {"SOPInstanceUID": parcel(content).instance.SOPInstanceUID}


def test_a_share_that_vanishes_and_one_that_leaves_its_mount_point(tmp_path: Path) -> None:
    root = tmp_path / "share"
    with pytest.raises(Unavailable, match="mount it"):
        Folder(root).send("lung", parcels(made(1)))
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system")
    root.symlink_to(shared)
    there = Folder(root)
    there._demand_there()
    root.unlink()
    root.mkdir()
    with pytest.raises(Unavailable, match="another disk"):
        there.send("lung", parcels(made(1)))
    assert files(root) == []


def test_a_mount_point_at_which_nothing_is_mounted_is_not_written_to(tiny_disk: Path) -> None:
    there, (first, second) = Folder(tiny_disk, mounted=True), parcels(made(2))
    there.send("lung", [first])
    subprocess.run(["umount", str(tiny_disk)], check=True)
    for each in (there, Folder(tiny_disk, mounted=True)):
        with pytest.raises(Unavailable, match="nothing is mounted"):
            each.send("lung", [second])
    assert files(tiny_disk) == []
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(tiny_disk)], check=True)
    Folder(tiny_disk, mounted=True).send("lung", [second])
    assert len(files(tiny_disk)) == 1


FILL = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, "tests")
from outgoing import made, parcels
from cohortium.deposit import Folder
from cohortium.errors import Unavailable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
sent = parcels(made(2))
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    Folder(Path(sys.argv[1])).send("lung", sent)
except Unavailable as error:
    print(error)
"""


def test_a_disk_that_takes_no_more_leaves_no_half_file(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    told = subprocess.run([sys.executable, "-c", FILL, tmp_path], cwd=root, capture_output=True, text=True, check=True)
    assert "cannot be written" in told.stdout
    assert files(tmp_path) == []


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, "tests")
import cohortium.deposit.laid as laid
from outgoing import parcel
real, left = os.fsync, [int(sys.argv[3])]
def fsync(descriptor):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    real(descriptor)
os.fsync = fsync
laid.Folder(Path(sys.argv[1])).send("lung", [parcel(path.read_bytes()) for path in sorted(Path(sys.argv[2]).iterdir())])
"""


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_killed_in_the_middle_no_file_is_half_and_the_next_run_completes(tmp_path: Path, step: int) -> None:
    share, source = tmp_path / "share", tmp_path / "source"
    share.mkdir()
    source.mkdir()
    contents = made(3)
    for number, content in enumerate(contents):
        (source / f"{number}.dcm").write_bytes(content)
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", KILLED, share, source, str(step)], cwd=root, check=False)
    assert ended.returncode == -signal.SIGKILL
    whole = [path.read_bytes() for path in files(share) if not path.name.startswith(".")]
    assert all(content in contents for content in whole)
    Folder(share).send("lung", parcels(contents))
    assert sorted(path.read_bytes() for path in files(share)) == sorted(contents)
    assert [path.name for path in share.iterdir()] == ["S-0001"]
