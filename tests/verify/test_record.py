"""The record of a run: sealed, private to its owner, and silent about patients."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import factory
from cohortium import keys
from cohortium.dicom.redact import Rectangle
from cohortium.errors import ConfigError, Corrupt
from cohortium.verify import record
from cohortium.verify.record import Blank, Entry, Record, blanks

KEY = keys.SiteKey(bytes(range(32)))
BAND, CORNER = Rectangle(0, 0, 640, 40), Rectangle(600, 440, 40, 40)
ENTRY = Entry("ab" * 32, "de-identified", "P/1.dcm", "cd" * 32, blanks=(Blank(0, 9, BAND),))
RECORD = Record(
    "study", "basic 1.0", "0" * 64, "0.1.0", (ENTRY,), {"StudyDate": "Z"}, {"1.2.3": {"SourceImageSequence": "U"}}
)

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    record.write(tmp_path / "run.record", KEY, RECORD)
    assert record.read(tmp_path / "run.record", KEY) == RECORD
    assert (tmp_path / "run.record").stat().st_mode & 0o777 == 0o600


def test_equal_rectangles_of_many_frames_are_told_once() -> None:
    areas = {0: (BAND, BAND), 1: (BAND, CORNER), 2: (BAND,), 5: (BAND,)}
    assert set(blanks(areas)) == {Blank(0, 2, BAND), Blank(1, 1, CORNER), Blank(5, 5, BAND)}
    assert list(blanks({})) == []


def test_another_site_and_a_changed_byte_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "run.record"
    record.write(path, KEY, RECORD)
    with pytest.raises(Corrupt):
        record.read(path, keys.SiteKey(bytes(32)))
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(Corrupt):
        record.read(path, KEY)


def test_a_record_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        record.read(tmp_path / "none", KEY)


def test_marks_differ_by_key() -> None:
    assert record.mark(b"slice", record.marking_key(KEY)) == record.mark(b"slice", record.marking_key(KEY))
    assert record.mark(b"slice", record.marking_key(KEY)) != record.mark(b"slice", bytes(32))


def test_a_run_records_every_input_and_tells_nothing(cohortium: Run, tmp_path: Path) -> None:
    assert cohortium("init", cwd=tmp_path).returncode == 0
    (tmp_path / "incoming" / "MUELLER.dcm").write_bytes(factory.ct())
    (tmp_path / "incoming" / "notes.txt").write_text("no DICOM")
    (tmp_path / "incoming" / "cut.dcm").write_bytes(factory.ct()[:700])
    made = cohortium("deidentify", "incoming", "out", "--record", "run.record", "--jobs", 2, "--json", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    site = keys.load(tmp_path / "keys" / "site.key", tmp_path / "data")
    found = record.read(tmp_path / "run.record", site)
    assert sorted(each.state for each in found.entries) == ["de-identified", "not DICOM", "quarantined"]
    (entry,) = (each for each in found.entries if each.output)
    assert entry.source == record.mark(factory.ct(), record.marking_key(site))
    assert (tmp_path / "out" / entry.output).is_file()
    assert found.actions["StudyDate"] == "Z"
    assert found.sequences["1.2.840.10008.5.1.4.1.1.88.22"]["ReferencedStudySequence"] == "Z"
    assert found.actions.keys().isdisjoint({"Rows", "KVP", "SpecificCharacterSet"})
    assert not factory.planted_in(json.dumps([each.source + each.output for each in found.entries]).encode())
    assert not factory.planted_in((tmp_path / "run.record").read_bytes())


@pytest.mark.parametrize("place", ["incoming/run.record", "out/run.record"])
def test_a_record_never_lies_among_the_data(cohortium: Run, tmp_path: Path, place: str) -> None:
    assert cohortium("init", cwd=tmp_path).returncode == 0
    (tmp_path / "incoming" / "slice.dcm").write_bytes(factory.ct())
    refused = cohortium("deidentify", "incoming", "out", "--record", place, cwd=tmp_path)
    assert refused.returncode == 3
    assert "it is a secret" in refused.stderr
    assert not (tmp_path / "out").exists()
