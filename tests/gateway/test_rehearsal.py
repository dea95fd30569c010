"""What another protocol would change, tried on what waits: told by attribute, and nothing is changed by it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import Dataset

from cohortium import gateway, keys
from cohortium.config import load
from cohortium.deidentify.rows import path_of
from hospital import PLANTED, slice_of

Run = Callable[..., subprocess.CompletedProcess[str]]

CONFIGURATION = """
[[project]]
name = "study"
[[pipeline]]
name = "all"
source = "incoming"
project = "study"
hold = true
"""
OTHER = """
name = "other"
version = "1"
title = "Keeps a word, gives random pseudonyms"
base = "basic"
edition = "2026c"
options = []
[elements]
KVP = "remove"
SliceThickness = "empty"
[subject]
kind = "random"
"""


def described(dataset: Dataset) -> None:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "T-1", "SRT", "thorax"
    dataset.AnatomicRegionSequence = [item]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    keys.create(tmp_path / "keys" / "site.key")
    (tmp_path / "cohortium.toml").write_text(CONFIGURATION)
    (tmp_path / "other.toml").write_text(OTHER)
    (tmp_path / "incoming").mkdir()
    for number in range(1, 5):
        (tmp_path / "incoming" / f"{number}.dcm").write_bytes(slice_of(number, described))
    (tmp_path / "incoming" / "cut.dcm").write_bytes(slice_of(9, series=2)[:-100])
    gateway.run(load(tmp_path / "cohortium.toml"), lambda *_: None)
    return tmp_path


def test_what_differs_is_told_by_attribute_without_a_value(cohortium: Run, site: Path) -> None:
    before = {path: path.read_bytes() for path in (site / "data" / "spool").rglob("*") if path.is_file()}
    compare = ("protocol", "compare", "basic", "other.toml", "--held", "all", "--json")
    result = cohortium(*compare, cwd=site)
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    attributes = {name: outcomes for name, *outcomes in told["attributes"]}
    assert told["items"] == 5
    assert told["ends"] == [["goes on", "goes on", 4], ["truncated", "truncated", 1]]
    assert attributes["KVP"] == ["kept", "removed", 4]
    assert attributes["SliceThickness"] == ["kept", "emptied", 4]
    assert attributes["PatientID"] == ["changed", "changed otherwise", 4]
    assert set(attributes) == {"KVP", "SliceThickness", "PatientID", "PatientName"}
    assert not [value for value in PLANTED if value in result.stdout]
    assert not path_of(site / "data").exists()
    assert before == {path: path.read_bytes() for path in (site / "data" / "spool").rglob("*") if path.is_file()}


def test_a_sample_is_no_larger_than_asked_for(cohortium: Run, site: Path) -> None:
    shown = cohortium("protocol", "compare", "basic", "basic", "--held", "all", "--items", "2", cwd=site)
    assert "2 items were tried" in shown.stdout, shown.stderr
    assert "Attributes that differ" not in shown.stdout
    assert cohortium("protocol", "compare", "basic", "basic", "--held", "none", cwd=site).returncode == 2
