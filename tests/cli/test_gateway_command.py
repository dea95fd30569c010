"""`cohortium gateway once`: the chain from the command line, on a site of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file
from sqlalchemy import select

from cohortium.deidentify import load_protocol
from cohortium.prove import provenance
from cohortium.store import open_store, schema

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def site(cohortium: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose folder holds a slice, the same slice again, and a text."""
    folder = tmp_path_factory.mktemp("site")
    assert cohortium("init", cwd=folder).returncode == 0
    slice_ = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()
    for name in ("Mueller_Heinz.dcm", "copy.dcm"):
        (folder / "incoming" / name).write_bytes(slice_)
    (folder / "incoming" / "notes.txt").write_text("not DICOM")
    toml = folder / "cohortium.toml"
    toml.write_text(toml.read_text("utf-8").replace("# gate = true", "gate = false"), "utf-8")
    return folder


def test_every_file_is_accounted_for(cohortium: Run, site: Path) -> None:
    result = cohortium("gateway", "once", "--json", cwd=site)
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary["files"] == 3
    assert {state: number for state, number in summary["states"].items() if number} == {
        "sent": 1,
        "duplicate": 1,
        "not DICOM": 1,
    }


def test_a_second_run_shows_the_same_and_names_no_file(cohortium: Run, site: Path) -> None:
    result = cohortium("gateway", "once", cwd=site)
    assert result.returncode == 0, result.stderr
    assert "sent" in result.stdout
    assert "cohortium serve" in result.stdout
    assert result.stderr == "", "no progress bar where there is no terminal"
    for name in ("Mueller", "copy.dcm", "notes.txt"):
        assert name not in result.stdout


def test_a_source_that_is_not_there(cohortium: Run, site: Path, tmp_path: Path) -> None:
    assert cohortium("init", cwd=tmp_path).returncode == 0
    (tmp_path / "incoming").rmdir()
    result = cohortium("gateway", "once", cwd=tmp_path)
    assert result.returncode == 5
    assert result.stderr.startswith("cohortium: ")
    assert "Traceback" not in result.stderr


def test_other_users_of_the_machine_see_nothing_though_the_data_root_be_open(
    cohortium: Run, tmp_path: Path, site: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)
    toml = (site / "cohortium.toml").read_text("utf-8")
    (site / "open.toml").write_text(toml.replace('# data = "data"', f'data = "{data}"'), "utf-8")
    assert cohortium("gateway", "once", "--config", "open.toml", cwd=site).returncode == 0
    made = list(data.rglob("*"))
    assert {path.name for path in made} >= {"cohortium.sqlite", "objects", "spool"}
    assert [path for path in made if path.stat().st_mode & 0o077] == []


def test_a_pipeline_runs_at_its_level_of_privacy(cohortium: Run, tmp_path: Path) -> None:
    """The level stands in the provenance of what came out; one that the protocol does not offer stops the run."""
    assert cohortium("init", cwd=tmp_path).returncode == 0
    (tmp_path / "incoming" / "slice").write_bytes(Path(str(get_testdata_file("CT_small.dcm"))).read_bytes())
    toml = tmp_path / "cohortium.toml"
    text = toml.read_text("utf-8").replace('protocol = "basic"', 'protocol = "incisive"')
    toml.write_text(text.replace('# level = ""', 'level = "utmost"').replace("# gate = true", "gate = false"), "utf-8")
    refused = cohortium("gateway", "once", cwd=tmp_path)
    assert refused.returncode == 2
    assert "offered: low, medium, high" in refused.stderr
    toml.write_text(toml.read_text("utf-8").replace("utmost", "high"), "utf-8")
    assert cohortium("gateway", "once", cwd=tmp_path).returncode == 0
    with open_store(tmp_path / "data").begin() as connection:
        (output,) = connection.execute(select(schema.provenance.c.output)).scalars()
        (made,) = provenance.of(connection, output)
    assert made.protocol == "incisive 1.0 level high"
    assert made.protocol_digest == load_protocol("incisive", "high").digest
