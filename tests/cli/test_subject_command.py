"""`cohortium subject`: secrets, lists, and who is in a project. No identifier ever stands on a command line."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

import factory
from cohortium.prove import audit
from cohortium.store import open_store
from conftest import COHORTIUM

OWN = """name = "own"
version = "1"
title = "Own"
edition = "2026c"
base = "basic"
[subject]
kind = "{kind}"
"""


def call(site: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [*COHORTIUM, *arguments]
    return subprocess.run(command, cwd=site, input=typed, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    assert call(tmp_path, "init").returncode == 0
    (tmp_path / "incoming" / "one").write_bytes(factory.ct(AccessionNumber="1"))
    return tmp_path


def by_kind(site: Path, kind: str) -> None:
    (site / "own.toml").write_text(OWN.format(kind=kind))
    file = site / "cohortium.toml"
    file.write_text(file.read_text().replace('protocol = "basic"', 'protocol = "own.toml"'))


def run_gateway(site: Path) -> Any:
    done = call(site, "gateway", "run", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", ["keyed", "hash", "random", "context"])
def test_a_site_asks_whether_a_patient_is_in(site: Path, kind: str) -> None:
    by_kind(site, kind)
    if kind == "hash":
        assert "cohortium subject secret" in call(site, "gateway", "run").stderr
        assert call(site, "subject", "secret", "--project", "study").returncode == 0
    run_gateway(site)
    yes = call(site, "subject", "includes", "--project", "study", typed=f" {factory.ID}\n")
    assert (yes.returncode, yes.stdout) == (0, "yes\n"), yes.stderr
    no = call(site, "subject", "includes", "--project", "study", "--json", typed="somebody\n")
    assert json.loads(no.stdout) == {"project": "study", "included": False}
    assert call(site, "subject", "includes", "--project", "study", "--issuer", "W", typed=factory.ID).stdout == "no\n"
    with open_store(site / "data").begin() as connection:
        assert audit.count(connection, "subject includes", "") == 3
        audit.verify_chain(connection)
    stored = b"".join(path.read_bytes() for path in (site / "data").rglob("*") if path.is_file())
    assert factory.planted_in(stored, [factory.ID, "MUELLER"]) == []


def test_questions_are_few(site: Path) -> None:
    with open_store(site / "data").begin() as connection:
        for _ in range(10):
            audit.record(connection, "somebody", "subject includes", "study")
    refused = call(site, "subject", "includes", "--project", "study", typed=f"{factory.ID}\n")
    assert refused.returncode == 5
    assert "wait" in refused.stderr
    assert factory.ID not in refused.stderr


def test_an_identifier_on_the_command_line_is_refused(site: Path) -> None:
    assert call(site, "subject", "includes", "--project", "study", factory.ID).returncode == 2
    assert "missing" in call(site, "subject", "includes", "--project", "study").stderr
    assert "no pipeline" in call(site, "subject", "includes", "--project", "other", typed="x").stderr


def test_a_weak_secret_is_taken_only_when_accepted_and_reported(site: Path) -> None:
    by_kind(site, "hash")
    arguments = ("subject", "secret", "--project", "study", "--import")
    assert call(site, *arguments, typed="summer2020\n").returncode == 3
    assert call(site, *arguments, "--accept-weak", typed="summer2020\n").returncode == 0
    assert any(each["rule"] == "subject.weak-secret" for each in run_gateway(site)["findings"])
    expected = hashlib.new("sha512_256", b"summer2020" + factory.ID.encode()).hexdigest()
    assert call(site, "deidentify", "incoming", "out", "--project", "study", "--protocol", "own.toml").returncode == 0
    assert (site / "out" / expected).is_dir()


def test_a_list_is_imported_and_who_is_not_in_it_waits(site: Path) -> None:
    by_kind(site, "lookup")
    assert run_gateway(site)["quarantined"] == {"no pseudonym for this patient": 1}
    (site / "list.csv").write_text(f"patient_id,subject\n{factory.ID},SUBJECT-7\n")
    done = call(site, "subject", "import", "--project", "study", "list.csv")
    assert done.returncode == 0, done.stderr
    assert factory.ID not in done.stdout
    assert call(site, "deidentify", "incoming", "out", "--project", "study", "--protocol", "own.toml").returncode == 0
    assert (site / "out" / "SUBJECT-7").is_dir()


def test_fresh_identifiers_are_for_one_run(site: Path) -> None:
    by_kind(site, "fresh")
    assert "one batch" in call(site, "gateway", "run").stderr
    names = []
    for out in ("a", "b"):
        assert call(site, "deidentify", "incoming", out, "--protocol", "own.toml").returncode == 0
        names.append([path.name for path in (site / out).iterdir()])
    assert len({str(each) for each in names}) == 2
    again = call(site, "deidentify", "incoming", "a", "--protocol", "own.toml")
    assert again.returncode == 3
    assert "empty" in again.stderr
