"""`cohortium gateway ask` and `asked`, on a site without a gateway at work."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import nursery

Run = Callable[..., subprocess.CompletedProcess[str]]
PACS = """
[gateway]
egress = ["127.0.0.1:104"]
[[source.pacs]]
name = "pacs"
ae_title = "PACS"
host = "127.0.0.1"
"""


@pytest.fixture(scope="module")
def site(cohortium: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    assert cohortium("init", cwd=folder).returncode == 0
    toml = folder / "cohortium.toml"
    toml.write_text(PACS + "\n".join(line for line in toml.read_text("utf-8").splitlines() if line != "[gateway]"))
    (folder / "list.csv").write_text("TULIPAN-1\nTULIPAN-2\n")
    result = cohortium("gateway", "ask", "--accessions", "list.csv", cwd=folder)
    assert (result.returncode, result.stdout.splitlines()[0]) == (0, "Request 1: 2 queries to pacs."), result.stderr
    return folder


def test_counts_are_told_and_nothing_of_the_list(cohortium: Run, site: Path) -> None:
    told = cohortium("gateway", "asked", cwd=site)
    assert told.returncode == 0, told.stderr
    assert "0 of 2" in told.stdout
    (found,) = json.loads(cohortium("gateway", "asked", "--json", cwd=site).stdout)
    assert (found["queries"], found["standing"]) == (2, "open")
    (one,) = json.loads(cohortium("gateway", "asked", 1, "--json", cwd=site).stdout)
    assert (one["held"], one["studies"]) == ({}, [])
    files = [path for path in (site / "data").rglob("*") if path.is_file()]
    content = told.stdout.encode() + b"".join(path.read_bytes() for path in files)
    assert b"TULIPAN" not in content


def test_paused_and_gone_on_with(cohortium: Run, site: Path) -> None:
    assert "paused" in cohortium("gateway", "asked", 1, "--pause", cwd=site).stdout
    assert cohortium("gateway", "asked", 1, "--pause", cwd=site).returncode == 3
    assert "open" in cohortium("gateway", "asked", 1, "--resume", cwd=site).stdout
    assert cohortium("gateway", "asked", "--cancel", cwd=site).returncode == 2
    assert cohortium("gateway", "asked", 9, cwd=site).returncode == 3


@pytest.mark.parametrize("wrong", [("--accessions", "nowhere.csv"), (), ("--source", "other", "--from", "2024-03-01")])
def test_what_cannot_be_asked(cohortium: Run, site: Path, wrong: tuple[str, ...]) -> None:
    assert cohortium("gateway", "ask", *wrong, cwd=site).returncode == 2


def test_a_request_has_hours_and_a_quota_of_its_own(cohortium: Run, site: Path) -> None:
    day = "--from", "2024-03-01", "--hours"
    assert cohortium("gateway", "ask", *day, "nights", cwd=site).returncode == 4
    assert cohortium("gateway", "ask", *day, "19-6", "--studies-hour", 20, cwd=site).returncode == 0
    newest = json.loads(cohortium("gateway", "asked", "--json", cwd=site).stdout)[0]
    assert (newest["hours"], newest["studies_hour"]) == ("19-6", 20)


def test_who_was_asked_for_is_written_at_a_terminal_alone(cohortium: Run, site: Path) -> None:
    refused = cohortium("gateway", "asked", 1, "--identified", "found.csv", cwd=site)
    assert (refused.returncode, (site / "found.csv").exists()) == (3, False)
    inner, outer = pty.openpty()
    command = [*nursery.COMMAND, "gateway", "asked", "1", "--identified", "found.csv"]
    process = subprocess.Popen(command, cwd=site, stdin=outer, stdout=outer, stderr=outer)
    assert process.wait(300) == 0
    os.close(outer)
    os.close(inner)
    assert (site / "found.csv").stat().st_mode & 0o077 == 0
    audit = cohortium("prove", "audit", "export", cwd=site).stdout
    assert "who was asked for is written to a file" in audit
