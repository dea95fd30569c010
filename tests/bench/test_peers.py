"""The peers' benchmark counts what leaks: a program that copies leaks what is planted, Cohortium nothing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cohortium.demo import hospital

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def leaks(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    monkeypatch.syspath_prepend(str(BENCH))
    import peers

    yield peers.leaks
    for name in ("peers", "slices"):
        sys.modules.pop(name)


def test_a_copy_leaks_what_is_planted_and_an_empty_folder_nothing(leaks, tmp_path: Path) -> None:
    planted = hospital.make(tmp_path / "hospital", 2)
    shutil.copytree(tmp_path / "hospital" / "DISK_01" / "DICOM", tmp_path / "copied")
    mine, all_ = leaks(tmp_path / "hospital", tmp_path / "copied", planted)
    assert 50 < mine <= len(planted) <= all_ + len(planted)
    (tmp_path / "nothing").mkdir()
    assert leaks(tmp_path / "hospital", tmp_path / "nothing", planted) == (0, 0)
