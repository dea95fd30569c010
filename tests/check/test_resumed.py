"""A check that was stopped goes on where it was; what it keeps meanwhile is sealed, and gone when it is done."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

import deliveries
from cohortium import check
from cohortium.check import answers, scan
from cohortium.check import examine as examining
from cohortium.check.examine import examine
from cohortium.check.report import Report

DRAGON = check.load("dragon")


class Killed(BaseException):
    """As a signal would end it."""


class Reader:
    """Reads series, notes which, and is killed at one of them."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.dies_at = ""

    def __call__(self, root: Path, uid: str, names) -> scan.Scan:
        if uid == self.dies_at:
            raise Killed
        self.read.append(uid)
        return scan.read(root, uid, names)


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Reader:
    reader = Reader()

    class Scans:
        read = staticmethod(reader)

    monkeypatch.setattr(examining, "scan", Scans)
    return reader


@pytest.fixture
def delivery(tmp_path: Path) -> Path:
    made = deliveries.clean(patients=4)
    for rule in ("accuracy.slice-thickness", "geometry.position", "structure.readable", "uniqueness.instance"):
        deliveries.VIOLATIONS[rule](made)
    made.change(made.series(1), SeriesDescription="Mueller Hans")
    return made.write(tmp_path / "Mueller")


UIDS = [f"{deliveries.ROOT}.{patient}.1.1" for patient in range(1, 5)]


def report_on(delivery: Path, kept: Path | None, specification=DRAGON) -> Report:
    report = examine(delivery, specification, left_out=deliveries.SLOW, draw=True, resume=kept)
    return replace(report, checked="", delivery=replace(report.delivery, known={}))


def killed_at(reader: Reader, uid: str, delivery: Path, kept: Path) -> None:
    reader.dies_at = uid
    with pytest.raises(Killed):
        report_on(delivery, kept)
    reader.dies_at = ""
    reader.read.clear()


@pytest.mark.parametrize("listed", [answers.LISTED, 1])
def test_it_goes_on_where_it_was_and_finds_the_same(reader, delivery, tmp_path, monkeypatch, listed):
    monkeypatch.setattr(answers, "LISTED", listed)
    whole = report_on(delivery, None)
    killed_at(reader, UIDS[3], delivery, tmp_path / "kept")
    assert report_on(delivery, tmp_path / "kept") == whole
    assert reader.read == UIDS[3:]
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_series_that_changed_is_looked_at_again(reader, delivery, tmp_path):
    killed_at(reader, UIDS[3], delivery, tmp_path / "kept")
    changed = next((delivery / "P002").rglob("*.dcm"))
    os.utime(changed, ns=(0, 0))
    report_on(delivery, tmp_path / "kept")
    assert reader.read == [UIDS[1], UIDS[3]]


def test_other_rules_look_at_everything(reader, delivery, tmp_path):
    killed_at(reader, UIDS[2], delivery, tmp_path / "kept")
    report_on(delivery, tmp_path / "kept", check.load("basic"))
    assert reader.read == UIDS


def test_what_is_kept_says_nothing_and_a_cut_file_does_no_harm(reader, delivery, tmp_path):
    killed_at(reader, UIDS[3], delivery, tmp_path / "kept")
    files = sorted((tmp_path / "kept").iterdir())
    assert len(files) == 3
    for path in files:
        assert path.stat().st_mode & 0o777 == 0o600 or os.name == "nt"
        for told in (b"Mueller", b"P001", b"P002", UIDS[0].encode(), b"finding"):
            assert told not in path.read_bytes() + os.fsencode(path.name)
        path.write_bytes(path.read_bytes()[:-1])
    report_on(delivery, tmp_path / "kept")
    assert reader.read == UIDS
