"""A frozen tree as one batch: what is frozen stays, what came twice is settled, and outputs agree with receipts."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

import factory
from cohortium.acquire.folder import walk
from cohortium.deidentify import batch, load_protocol, tree
from cohortium.deidentify.workfolder import Batch, WorkFolder, opened
from cohortium.errors import Corrupt, Refused
from cohortium.keys import SiteKey

SITE = SiteKey(bytes(range(32)))
MARKING = bytes(32)
PROTOCOL = load_protocol("chaimeleon-anonymise")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Twelve slices, one of them twice, one with other bytes under the same UID, one cut off, and a text."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number:02}.dcm").write_bytes(factory.ct(SOPInstanceUID=f"1.2.{number}"))
    (folder / "copy.dcm").write_bytes((folder / "03.dcm").read_bytes())
    (folder / "other.dcm").write_bytes(factory.ct(SOPInstanceUID="1.2.3", SliceThickness="9"))
    (folder / "short.dcm").write_bytes((folder / "05.dcm").read_bytes()[:700])
    (folder / "list.txt").write_text("notes of the curators")
    return folder


@pytest.fixture
def work(source: Path, tmp_path: Path) -> Iterator[WorkFolder]:
    bound = Batch(str(source), str(tmp_path / "out"), "project", PROTOCOL.digest, "0.1")
    with opened(tmp_path / "work", SITE, bound) as work:
        batch.freeze(work, SITE, MARKING, source, walk(source), lambda _: None)
        yield work


def carry_out(work: WorkFolder, source: Path, destination: Path, jobs: int = 1) -> None:
    task = tree.Task(PROTOCOL, work.key, "project", destination, digests=True, marking=MARKING)
    if jobs == 1:
        batch.carry_out(work, task, source, None, lambda _: None)
        return
    with ProcessPoolExecutor(jobs) as executor:
        batch.carry_out(work, task, source, executor, lambda _: None)


def accounted(work: WorkFolder) -> Counter[str]:
    return Counter(receipt.reason or receipt.state for _, _, receipt in work.receipts())


def outputs(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_file_is_accounted_for(work: WorkFolder, source: Path, tmp_path: Path, jobs: int) -> None:
    carry_out(work, source, tmp_path / "out", jobs)
    found = {"de-identified": 12, "duplicate": 1, "same SOPInstanceUID, other bytes": 1, "truncated": 1, "not DICOM": 1}
    assert accounted(work) == found
    dataset = batch.finish(work, tmp_path / "out", lambda _: None)
    assert (dataset.files, dataset.outputs) == (16, 12)
    assert dataset.output == batch.name_of(tmp_path / "out")


@pytest.mark.parametrize("change", ["changed", "gone", "new", "renamed"])
def test_a_tree_that_is_not_as_it_was_frozen_is_refused(work: WorkFolder, source: Path, change: str) -> None:
    one = source / "04.dcm"
    match change:
        case "changed":
            one.write_bytes(factory.ct(SOPInstanceUID="1.2.4", KVP="121"))
        case "gone":
            one.unlink()
        case "new":
            (source / "new.dcm").write_bytes(b"")
        case "renamed":
            one.rename(source / "renamed.dcm")
    with pytest.raises(Refused, match="not as it was frozen") as refused:
        batch.refuse_changed(work, MARKING, source, walk(source))
    assert "04" not in str(refused.value)


def test_a_file_that_is_touched_or_copied_back_is_as_it_was(work: WorkFolder, source: Path) -> None:
    shutil.copy(source / "04.dcm", source.parent)
    (source / "04.dcm").unlink()
    shutil.copy(source.parent / "04.dcm", source)
    batch.refuse_changed(work, MARKING, source, walk(source))


def test_what_changes_between_the_look_and_the_work_is_noticed(work: WorkFolder, source: Path, tmp_path: Path) -> None:
    (source / "04.dcm").write_bytes(factory.ct(SOPInstanceUID="1.2.4", KVP="121"))
    with pytest.raises(Refused, match="changed while the batch ran"):
        carry_out(work, source, tmp_path / "out")


def test_outputs_and_receipts_are_brought_to_agree(work: WorkFolder, source: Path, tmp_path: Path) -> None:
    """A file without its receipt, a receipt without its file, and half a file, as a power cut leaves them."""
    destination = tmp_path / "out"
    carry_out(work, source, destination)
    expected = outputs(destination)
    lost, half, *_ = sorted(expected)
    (destination / lost).unlink()
    (destination / half).write_bytes(b"half")
    (destination / lost).with_name("2.25.7.dcm").write_bytes(b"of a run that was killed")
    (destination / "dm.csv").write_bytes(b"of the same run")
    batch.settle(work, destination)
    carry_out(work, source, destination)
    assert outputs(destination) == expected
    assert accounted(work)["de-identified"] == 12
    batch.finish(work, destination, lambda _: None)


def test_files_of_others_in_the_destination_are_left_alone(work: WorkFolder, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(Refused, match="did not write"):
        batch.settle(work, tmp_path / "out")
    assert (tmp_path / "out" / "thesis.txt").exists()


def test_nothing_is_finished_on_damaged_outputs(work: WorkFolder, source: Path, tmp_path: Path) -> None:
    carry_out(work, source, tmp_path / "out")
    path = next((tmp_path / "out").rglob("*.dcm"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(Corrupt, match="not what was written"):
        batch.finish(work, tmp_path / "out", lambda _: None)


@pytest.mark.parametrize("name", ["chaimeleon-pseudonymise", "basic", "dragon"])
def test_protocols_that_leave_something_to_join_by_are_refused(name: str) -> None:
    with pytest.raises(Refused, match="joins outputs to inputs"):
        batch.refuse_joinable(load_protocol(name))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('StudyInstanceUID = "keep"', "UIDs are kept"),
        ('FrameOfReferenceUID = "keep"', "UIDs are kept"),
        ('times = "keep"', "times of day are kept"),
        ('kind = "keyed"', "fresh"),
    ],
)
def test_each_thing_to_join_by_is_named(tmp_path: Path, line: str, reason: str) -> None:
    text = (Path(batch.__file__).parent / "protocols" / "chaimeleon-anonymise.toml").read_text("utf-8")
    key = line.split()[0]
    changed = re.sub(f"^{key} = .*", line, text, flags=re.MULTILINE)
    if changed == text:
        changed = text.replace("[elements]", f"[elements]\n{line}")
    (tmp_path / "own.toml").write_text(changed, "utf-8")
    with pytest.raises(Refused, match=reason):
        batch.refuse_joinable(load_protocol(tmp_path / "own.toml"))
