from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cohortium.cli import hint


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "bin" / "cohortium"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_program_that_the_shell_does_not_find_is_named_as_it_was_called(
    monkeypatch: pytest.MonkeyPatch, program: Path
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "argv", [str(program), "demo"])
    assert hint.command("serve") == f"{program} serve"


def test_one_that_it_finds_goes_by_its_name(monkeypatch: pytest.MonkeyPatch, program: Path) -> None:
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(sys, "argv", [str(program), "demo"])
    assert hint.command("serve", "--config", "Grünwald's demo/x.toml") == (
        "cohortium serve --config 'Grünwald'\"'\"'s demo/x.toml'"
    )


def test_python_that_runs_it_is_not_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["-c", "demo"])
    assert hint.command("serve") == "cohortium serve"
