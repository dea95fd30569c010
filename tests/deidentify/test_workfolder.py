"""The work folder of a batch: sealed, bound to its batch and to one process, and gone without a trace at the end."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cohortium.deidentify import workfolder
from cohortium.deidentify.workfolder import Batch, Frozen, Receipt, WorkFolder, opened
from cohortium.errors import Corrupt, Refused, Unavailable
from cohortium.keys import SiteKey

SITE = SiteKey(bytes(range(32)))
BATCH = Batch("/curated", "/released", "project", "digest", "0.1")
OTHER = Batch("/curated", "/elsewhere", "project", "digest", "0.1")
PATH, OUTPUT = "SUBJECT77/scan.dcm", "NEWNAME88/2.25.1.dcm"


def fill(work: WorkFolder, count: int = 3) -> None:
    with work.freezing():
        for number in range(count):
            work.freeze(Frozen(number, f"{number}{PATH}", "", 7, 8, "MARK99"), f"1.2.{number}")
        work.say("frozen", {"files": count})
    for place, frozen in work.waiting(again=False):
        work.note(place, Receipt("de-identified", 7, f"{frozen.number}{OUTPUT}", 9, "digest", findings=("a.b",)))


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")))


def test_what_was_noted_is_there_again(tmp_path: Path) -> None:
    with opened(tmp_path / "work", SITE, BATCH) as work:
        fill(work)
        key = work.key.fingerprint()
    with opened(tmp_path / "work", SITE, BATCH) as work:
        assert work.key.fingerprint() == key != SITE.fingerprint()
        found = sorted((frozen.path, receipt.output, receipt.findings) for _, frozen, receipt in work.receipts())
        assert found == [(f"{number}{PATH}", f"{number}{OUTPUT}", ("a.b",)) for number in range(3)]
        assert not list(work.waiting(again=False))
        assert work.has_made(f"1{OUTPUT}")
        assert not work.has_made(f"4{OUTPUT}")


def test_nothing_in_it_can_be_read_and_nobody_else_gets_in(tmp_path: Path) -> None:
    with opened(tmp_path / "work", SITE, BATCH) as work:
        fill(work)
        assert {path.stat().st_mode & 0o077 for path in (tmp_path / "work", *(tmp_path / "work").iterdir())} == {0}
    found = contents(tmp_path / "work")
    assert not any(text.encode() in found for text in (PATH, OUTPUT, "/curated", "MARK99", "de-identified"))
    with pytest.raises(Corrupt), opened(tmp_path / "work", SiteKey(bytes(32)), BATCH):
        pass


def test_it_goes_on_with_no_other_batch(tmp_path: Path) -> None:
    with opened(tmp_path / "work", SITE, BATCH):
        pass
    with (
        pytest.raises(Refused, match="another batch"),
        opened(tmp_path / "work", SITE, OTHER),
    ):
        pass
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("mine")
    with pytest.raises(Refused, match="neither empty nor"), opened(tmp_path / "home", SITE, BATCH):
        pass


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with (
        opened(tmp_path / "work", SITE, BATCH),
        pytest.raises(Unavailable, match="another run"),
        opened(tmp_path / "work", SITE, BATCH),
    ):
        pass


def test_one_file_of_an_instance_comes_first_and_the_others_after_all(tmp_path: Path) -> None:
    with opened(tmp_path / "work", SITE, BATCH) as work, work.freezing():
        for number in range(40):
            work.freeze(Frozen(number, f"{number}"), f"1.2.{number // 2}")
        first, again = ([each.number for _, each in work.waiting(again=again)] for again in (False, True))
        assert sorted(first) == list(range(0, 40, 2))
        assert sorted(again) == list(range(1, 40, 2))
        assert first != sorted(first), "the order tells nothing"


def test_rows_are_overwritten_and_the_journal_cut(tmp_path: Path) -> None:
    """`secure_delete` leaves no sealed value in the file, which the key's destruction has made unreadable already."""
    path = tmp_path / "work" / workfolder.STATE
    with opened(tmp_path / "work", SITE, BATCH) as work:
        fill(work, 300)
    with closing(sqlite3.connect(path)) as connection:
        values = [row[0] for row in connection.execute("SELECT sealed FROM receipt UNION SELECT sealed FROM file")]
    assert len(values) == 600
    assert all(value[:40] in contents(tmp_path / "work") for value in values)
    with closing(workfolder._connect(path)) as connection:
        workfolder.empty(connection)
        assert not any(value[:40] in contents(tmp_path / "work") for value in values)
        assert path.with_name(f"{path.name}-wal").stat().st_size == 0


def test_destroyed_but_for_the_conclusion_then_altogether(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    with opened(folder, SITE, BATCH) as work:
        fill(work)
    workfolder.conclude(folder, SITE, {"output": "digest"})
    for _ in range(2):  # killed in between, or not
        workfolder.destroy(folder)
        assert [path.name for path in folder.iterdir()] == [workfolder.CONCLUSION]
    assert workfolder.conclusion(folder, SITE) == {"output": "digest"}
    workfolder.forget(folder)
    assert not folder.exists()


def test_only_its_own_files_are_ever_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    with opened(folder, SITE, BATCH):
        pass
    (folder / "thesis.txt").write_text("mine")
    workfolder.destroy(folder)
    with pytest.raises(Unavailable, match="cannot be removed"):
        workfolder.forget(folder)
    assert (folder / "thesis.txt").read_text() == "mine"
