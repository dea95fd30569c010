"""A tree into a tree: every file has one outcome, outputs are whole, and running again writes nothing twice."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

from cohortium.deidentify import contents, load_protocol, placing, tree
from cohortium.errors import Refused, Unavailable
from cohortium.keys import SiteKey
from cohortium.values import Reason, State

KEY = SiteKey(bytes(range(32)))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Ten slices of one series, one of them twice, and a text file."""
    folder = tmp_path / "in"
    folder.mkdir()
    dataset = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    for number in range(10):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        dataset.save_as(folder / f"{number}.dcm")
    (folder / "again.dcm").write_bytes((folder / "0.dcm").read_bytes())
    (folder / "notes.txt").write_text("no DICOM at all")
    return folder


def task(destination: Path, **options: object) -> tree.Task:
    return tree.Task(load_protocol("basic"), KEY, "project", destination, **options)  # type: ignore[arg-type]


def files(source: Path) -> Iterator[tree.File]:
    return ((path, "") for path in sorted(source.iterdir()))


def outputs(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def states(outcomes: Iterator[tree.Outcome]) -> Counter[State]:
    return Counter(outcome.state for outcome in outcomes)


def test_every_file_has_one_outcome_and_the_tree_has_three_tiers(source: Path, tmp_path: Path) -> None:
    found = list(tree.run(task(tmp_path / "out", digests=True), files(source)))
    assert states(iter(found)) == {State.DEIDENTIFIED: 10, State.DUPLICATE: 1, State.NOT_DICOM: 1}
    made = outputs(tmp_path / "out")
    assert sorted(made) == sorted({outcome.output for outcome in found if outcome.output})
    for path, content in made.items():
        patient, study, series, name = path.split("/")
        dataset = pydicom.dcmread(tmp_path / "out" / path)
        assert (dataset.PatientID, dataset.StudyInstanceUID) == (patient, study)
        assert (dataset.SeriesInstanceUID, f"{dataset.SOPInstanceUID}.dcm") == (series, name)
        assert len(content) > 30_000


def test_the_digest_is_that_of_the_file(source: Path, tmp_path: Path) -> None:
    import hashlib

    for outcome in tree.run(task(tmp_path / "out", digests=True), files(source)):
        if outcome.output:
            written = (tmp_path / "out" / outcome.output).read_bytes()
            assert hashlib.sha256(written).hexdigest() == outcome.digest


def test_running_again_writes_nothing_twice(source: Path, tmp_path: Path) -> None:
    first = list(tree.run(task(tmp_path / "out"), files(source)))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.dcm")}
    second = list(tree.run(task(tmp_path / "out"), files(source)))
    assert len(first) == len(second)
    assert states(iter(second)) == {State.DUPLICATE: 11, State.NOT_DICOM: 1}
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.dcm")} == before


def test_many_processes_make_the_same_bytes_as_one(source: Path, tmp_path: Path) -> None:
    list(tree.run(task(tmp_path / "one"), files(source)))
    with ProcessPoolExecutor(2) as executor:
        found = list(tree.run(task(tmp_path / "two"), files(source), executor))
    assert [outcome.path for outcome in found] == [path for path, _ in files(source)]
    assert outputs(tmp_path / "one") == outputs(tmp_path / "two")


def test_what_a_killed_run_left_half_done_is_gone_after_the_next(source: Path, tmp_path: Path) -> None:
    staging = tmp_path / "out" / tree.STAGING
    staging.mkdir(parents=True)
    (staging / "4711").write_bytes(b"half a file")
    list(tree.run(task(tmp_path / "out"), files(source)))
    assert not staging.exists()
    assert len(outputs(tmp_path / "out")) == 10


def test_other_bytes_under_the_same_uid_never_replace_what_is_there(source: Path, tmp_path: Path) -> None:
    list(tree.run(task(tmp_path / "out"), files(source)))
    before = outputs(tmp_path / "out")
    dataset = pydicom.dcmread(source / "0.dcm")
    dataset.PixelData = bytes(len(dataset.PixelData))
    dataset.save_as(source / "0.dcm")
    outcome = next(tree.run(task(tmp_path / "out"), [(source / "0.dcm", "")]))
    assert outcome.aside is not None
    assert outcome.aside.reason is Reason.OTHER_BYTES
    assert outputs(tmp_path / "out") == before


def test_a_file_that_is_gone_or_cannot_be_read_is_told_and_the_others_go_on(source: Path, tmp_path: Path) -> None:
    listed = [(source / "gone.dcm", ""), (source / "1.dcm", "a link that leads nowhere"), (source / "2.dcm", "")]
    found = list(tree.run(task(tmp_path / "out"), listed))
    assert [outcome.state for outcome in found] == [State.QUARANTINED, State.QUARANTINED, State.DEIDENTIFIED]
    assert all(outcome.aside and outcome.aside.reason is Reason.UNREADABLE for outcome in found[:2])
    assert not any(str(source) in str(outcome.aside) for outcome in found)


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.dcm").touch()
    outcome = next(tree.run(task(tmp_path / "out"), [(tmp_path / "empty.dcm", "")]))
    assert outcome.aside is not None
    assert outcome.aside.reason is Reason.EMPTY


def test_source_and_destination_must_not_overlap(tmp_path: Path) -> None:
    for one, other in (("a", "a"), ("a", "a/b"), ("a/b", "a"), ("a", "a/../a/c")):
        with pytest.raises(Refused, match="in one another"):
            tree.refuse_overlap(tmp_path / one, tmp_path / other)
    tree.refuse_overlap(tmp_path / "a", tmp_path / "ab")


def test_a_full_disk_stops_the_run_and_the_next_one_ends_it(source: Path, tmp_path: Path, tiny_disk: Path) -> None:
    filler = tiny_disk / "filler"
    filler.write_bytes(bytes(1_950_000))
    with pytest.raises(Unavailable, match="make room"):
        list(tree.run(task(tiny_disk / "out"), files(source)))
    filler.unlink()
    list(tree.run(task(tiny_disk / "out"), files(source)))
    list(tree.run(task(tmp_path / "roomy"), files(source)))
    assert outputs(tiny_disk / "out") == outputs(tmp_path / "roomy")


def test_a_write_that_writes_short_is_finished(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = os.writev
    monkeypatch.setattr(os, "writev", lambda descriptor, pieces: real(descriptor, [bytes(pieces[0])[:7]]))
    slices: list[bytes | memoryview] = [b"0123456789", memoryview(b"abcdefghijk"), b"xyz"] * 3
    descriptor = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    placing.write(descriptor, slices)
    os.close(descriptor)
    assert (tmp_path / "file").read_bytes() == b"".join(slices)


def test_a_file_that_is_mapped_makes_the_same_bytes(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(tree.run(task(tmp_path / "read"), files(source)))
    monkeypatch.setattr(contents, "MAPPED", 1000)
    list(tree.run(task(tmp_path / "mapped"), files(source)))
    assert outputs(tmp_path / "read") == outputs(tmp_path / "mapped")
