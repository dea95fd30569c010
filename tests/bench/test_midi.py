"""The MIDI-B benchmark on a small sample: full marks for Cohortium, and none for a program that copies."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from pydicom import dcmread

from cohortium.deidentify import load_protocol
from cohortium.dicom import reading

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def midi(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(BENCH))
    import midi

    yield midi
    for name in ("midi", "midi_key", "midi_objects", "midi_pictures", "ocr"):
        sys.modules.pop(name)


@pytest.mark.parametrize("protocol", ["basic", "dragon"])
def test_nothing_is_lost_and_nothing_is_left(
    midi: ModuleType, tmp_path: Path, protocol: str, sample: Callable[[int, int], int]
) -> None:
    scores, aside, failed = midi.bench(tmp_path, sample(3, 10), protocol)
    assert failed == []
    assert [score.action for score in scores] == [*midi.ACTIONS, midi.BESIDE]
    for score in scores:
        if score.action not in ("pixels_hidden", midi.BESIDE):
            assert score.percent == 100, score
            assert score.rows - score.quarantined >= 30, score
    assert all("pixels" in reason for reason in aside)


@pytest.mark.skipif(not reading.available(), reason="the extra ocr is not installed")
def test_pictures_that_leave_lose_what_is_written_on_them(
    midi: ModuleType, tmp_path: Path, sample: Callable[[int, int], int]
) -> None:
    scores, aside, _ = midi.bench(tmp_path, sample(1, 10), str(BENCH / "pixels.toml"))
    percents = {score.action: score.percent for score in scores if score.rows > score.quarantined}
    assert percents.keys() == {*midi.ACTIONS, midi.BESIDE}
    assert all(percents[action] == 100 for action in midi.ACTIONS if action != "pixels_hidden")
    assert percents["pixels_hidden"] >= 90
    assert percents[midi.BESIDE] >= 75
    assert set(aside) == {"pixels not reviewed"}


def test_the_set_is_as_large_as_it_says(midi: ModuleType) -> None:
    assert sum(count for _, count, _, _ in midi.OBJECTS.values()) * 10 >= 200
    assert set(midi.OBJECTS) == {"CT", "MR", "US", "CR", "MG", "PT", "SR", "RTSTRUCT", "SEG", "SC"}


def test_a_copy_fails_wherever_something_was_to_change(midi: ModuleType, tmp_path: Path) -> None:
    protocol = load_protocol("basic")
    key = midi.make(tmp_path, 1, protocol)
    shutil.copytree(tmp_path / "in", tmp_path / "out")
    pairs = [(path, tmp_path / "out" / path.name) for path in (tmp_path / "in").iterdir()]
    scorer = midi.Scorer(pairs, protocol)
    passed = {True: Counter(), False: Counter()}
    for row in key:
        passed[scorer.passes(row)][row.action] += 1
    assert set(passed[True]) == {
        "tag_retained", "text_notnull", "text_retained", "uid_consistent", "patid_consistent", "pixels_retained",
        "scan_retained",
    }  # fmt: skip
    assert set(passed[False]) == {"text_removed", "date_shifted", "uid_changed", "pixels_hidden"}


def test_emptied_objects_fail_wherever_something_was_to_stay(midi: ModuleType, tmp_path: Path) -> None:
    protocol = load_protocol("basic")
    key = midi.make(tmp_path, 1, protocol)
    (tmp_path / "out").mkdir()
    for path in (tmp_path / "in").iterdir():
        dataset = dcmread(path)
        for element in list(dataset):
            del dataset[element.tag]
        dataset.PatientID, dataset.SOPInstanceUID = path.name[:3], "1.2.3"
        dataset.save_as(tmp_path / "out" / path.name)
    pairs = [(path, tmp_path / "out" / path.name) for path in (tmp_path / "in").iterdir()]
    scorer = midi.Scorer(pairs, protocol)
    failed = {row.action for row in key if row.where != "PixelData" and not scorer.passes(row)}
    assert failed == {"tag_retained", "text_notnull", "text_retained"}
