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


@pytest.fixture
def recorded(cohortium: Run, site: Path) -> Path:
    made = cohortium("deidentify", "incoming", "out", "--record", "run.record", cwd=site)
    assert made.returncode == 0, made.stderr
    return site


def test_the_whole_proof(cohortium: Run, recorded: Path) -> None:
    options = ["--record", "run.record", "--report", "report", "--mapping", "mapping", "--sample", 1, "--seed", 7]
    options += ["--read", 0, "--conform", 0]
    result = cohortium("verify", "incoming", "out", *options, "--json", cwd=recorded, PATH="/nowhere")
    assert result.returncode == 0, result.stdout + result.stderr
    told = json.loads(result.stdout)
    assert {check["status"] for check in told["checks"]} == {"passed", "not checked"}
    assert told["sample"]["seed"] == 7
    assert (recorded / "report" / "report.html").is_file()
    assert (recorded / "mapping" / "patid_mapping.csv").is_file()
    assert "quellenhofer" not in (result.stdout + result.stderr).lower()


def test_a_failed_check_has_a_code_of_its_own(cohortium: Run, recorded: Path) -> None:
    (output,) = (recorded / "out").rglob("*.dcm")
    dataset = dcmread(output)
    dataset.RescaleIntercept = "7"
    dataset.save_as(output)
    result = cohortium("verify", "incoming", "out", "--record", "run.record", cwd=recorded)
    assert result.returncode == 8
    assert "has other bytes than the run wrote" in " ".join(result.stdout.split())


@pytest.mark.parametrize("option", ["--report", "--mapping"])
@pytest.mark.parametrize("place", ["out/secret", "incoming/secret", "out"])
def test_secrets_never_lie_among_the_data(cohortium: Run, recorded: Path, option: str, place: str) -> None:
    result = cohortium("verify", "incoming", "out", "--record", "run.record", option, place, cwd=recorded)
    assert result.returncode == 3
    assert "it is a secret" in result.stderr


def test_tables_need_the_record(cohortium: Run, recorded: Path) -> None:
    result = cohortium("verify", "incoming", "out", "--mapping", "mapping", cwd=recorded)
    assert result.returncode == 2
    assert "--mapping needs --record" in result.stderr


def test_safe_private_attributes_are_kept_and_no_leak(cohortium: Run, tmp_path: Path) -> None:
    assert cohortium("init", cwd=tmp_path).returncode == 0
    content = Path(str(get_testdata_file("CT_small.dcm", download=False))).read_bytes()
    (tmp_path / "incoming" / "1.dcm").write_bytes(content)
    rules = {"name": "safe", "version": "1", "title": "t", "edition": "2026c", "base": "basic"}
    lines = [f'{key} = "{value}"' for key, value in rules.items()]
    (tmp_path / "safe.toml").write_text("\n".join([*lines, 'options = ["Retain Safe Private"]']))
    arguments = ("deidentify", "incoming", "out", "--protocol", "safe.toml", "--record", "run.record")
    assert cohortium(*arguments, cwd=tmp_path).returncode == 0
    done = cohortium("verify", "incoming", "out", "--record", "run.record", "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    retained = next(check for check in found["checks"] if check["title"] == "Private elements are gone")
    assert "retained as safe" in retained["note"]
    assert found["hits"] == []
    assert done.returncode == 0, done.stdout
