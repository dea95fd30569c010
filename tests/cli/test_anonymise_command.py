"""`cohortium anonymise` as a data manager calls it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import factory

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def site(cohortium: Run, tmp_path: Path) -> Path:
    assert cohortium("init", cwd=tmp_path).returncode == 0
    (tmp_path / "step1").mkdir()
    for number in range(3):
        (tmp_path / "step1" / f"SUBJECT{number}.dcm").write_bytes(factory.ct(SOPInstanceUID=f"1.2.{number}"))
    (tmp_path / "step1" / "SUBJECT9.dcm").write_bytes(factory.ct(SOPInstanceUID="1.2.9")[:900])
    return tmp_path


def anonymise(cohortium: Run, site: Path, *options: object) -> subprocess.CompletedProcess[str]:
    return cohortium("anonymise", "step1", "step2", "--work", "work", "--jobs", 1, *options, cwd=site)


def test_the_account_is_complete_and_names_nobody(cohortium: Run, site: Path) -> None:
    done = anonymise(cohortium, site)
    assert done.returncode == 0, done.stderr
    for words in ("de-identified", "truncated", "dataset ", "other identifiers", "erase SRC"):
        assert words in done.stdout
    assert "SUBJECT" not in done.stdout + done.stderr
    again = anonymise(cohortium, site, "--json")
    assert json.loads(again.stdout)["output"] in done.stdout, "a finished batch is known as such"


def test_names_are_shown_only_when_asked(cohortium: Run, site: Path) -> None:
    result = json.loads(anonymise(cohortium, site, "--show-names", "--json").stdout)
    assert result["files"] == sum(result["states"].values()) == 4
    assert [each["path"] for each in result["set_aside"]] == ["SUBJECT9.dcm"]
    assert result["outputs"] == len(list((site / "step2").rglob("*.dcm"))) == 3


def test_a_failed_proof_destroys_nothing(cohortium: Run, site: Path) -> None:
    """A value that the pictures carry, by which the proof must fail: the patient's ID within the samples."""
    samples = factory.samples()
    identity = b"PID4711-88 PID4711-88"
    burned = identity + samples[len(identity) :]
    (site / "step1" / "SUBJECT0.dcm").write_bytes(
        factory.ct(SOPInstanceUID="1.2.0", PatientID="PID4711-88", PixelData=burned, BitsStored=16, HighBit=15)
    )
    done = anonymise(cohortium, site, "--verify")
    assert done.returncode == 7, done.stdout + done.stderr
    assert "nothing was destroyed" in done.stderr
    assert (site / "work" / "key").exists()


def test_refusals_say_what_to_do(cohortium: Run, site: Path) -> None:
    keeping = anonymise(cohortium, site, "--protocol", "chaimeleon-pseudonymise")
    assert (keeping.returncode, "dates are kept" in keeping.stderr) == (3, True)
    (site / "step2").mkdir()
    (site / "step2" / "old.dcm").write_bytes(b"")
    full = anonymise(cohortium, site)
    assert (full.returncode, "DST is not empty" in full.stderr) == (3, True)
    inside = cohortium("anonymise", "step1", "out", "--work", "out/work", cwd=site)
    assert inside.returncode == 3
    assert anonymise(cohortium, site, "--report", "report").returncode == 2


def test_a_batch_whose_tree_changed_can_be_abandoned(cohortium: Run, site: Path) -> None:
    (site / "step2").mkdir()
    (site / "step2" / "old.dcm").write_bytes(b"")
    assert anonymise(cohortium, site).returncode == 3
    assert (site / "work" / "key").exists()
    assert anonymise(cohortium, site, "--abandon").returncode == 0
    assert not (site / "work").exists()
    assert anonymise(cohortium, site, "--abandon").returncode == 2
