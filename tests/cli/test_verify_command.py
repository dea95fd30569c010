"""`cohortium verify`: the proof from two folders, and the exit code that a script reads."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

Run = Callable[..., subprocess.CompletedProcess[str]]
NAME = "Quellenhofer^Wilhelmine"


@pytest.fixture
def site(cohortium: Run, tmp_path: Path) -> Path:
    assert cohortium("init", cwd=tmp_path).returncode == 0
    slice_ = dcmread(str(get_testdata_file("CT_small.dcm")))
    slice_.PatientName = NAME
    slice_.save_as(tmp_path / "incoming" / "slice.dcm")
    return tmp_path


def test_what_was_de_identified_holds_nothing(cohortium: Run, site: Path) -> None:
    made = cohortium("deidentify", "incoming", "out", cwd=site)
    assert made.returncode == 0, made.stderr
    result = cohortium("verify", "incoming", "out", "--json", cwd=site)
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(result.stdout)
    assert report["hits"] == []
    assert report["values"] > 5
    assert report["outputs"] == 1


def test_a_copy_is_found_out_and_nothing_is_repeated(cohortium: Run, site: Path) -> None:
    result = cohortium("verify", "incoming", "incoming", cwd=site)
    assert result.returncode == 7
    assert "PatientName" in result.stdout
    assert "quellenhofer" not in (result.stdout + result.stderr).lower()


@pytest.mark.parametrize(("source", "destination"), [("incoming", "missing"), ("missing", "incoming")])
def test_a_folder_that_is_not_there(cohortium: Run, site: Path, source: str, destination: str) -> None:
    result = cohortium("verify", source, destination, cwd=site)
    assert result.returncode == 2
    assert "is not a folder" in result.stderr


def test_nothing_to_verify_is_no_success(cohortium: Run, site: Path) -> None:
    (site / "empty").mkdir()
    assert cohortium("verify", "incoming", "empty", cwd=site).returncode == 2
