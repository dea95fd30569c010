"""What `make` hands to the program, on a machine where everything is installed already."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """With a program that prints its arguments, one a line."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("tools/bootstrap.sh", "pyproject.toml", "constraints.txt", ".venv/.venv", ".venv/.core"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    program = tmp_path / ".venv" / "bin" / "cohortium"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    program.chmod(0o755)
    return tmp_path


def make(checkout: Path, *arguments: str) -> list[str]:
    done = subprocess.run(["make", "-s", *arguments], cwd=checkout, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_without_a_folder_the_demo_makes_its_hospital(checkout: Path) -> None:
    assert make(checkout, "demo") == ["demo"]


@pytest.mark.parametrize("folder", ["/in", "/a b", '/Grünwald\'s "CT"', "/price $x $(y) `id`", "-x", "/a\\b;c"])
def test_a_folder_reaches_the_program_as_it_was_typed(checkout: Path, folder: str) -> None:
    assert make(checkout, "demo", f"DICOM={folder}") == ["demo", "--", folder]
    assert "cohortium-demo-own/cohortium.toml" in make(checkout, "serve", f"DICOM={folder}")


def test_what_was_imported_once_is_kept_compiled(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (checkout / ".venv" / "bin" / "cohortium").write_text("#!/bin/sh\nenv\n")
    assert "PYTHONDONTWRITEBYTECODE=1" not in make(checkout, "demo")


def test_the_portal_of_the_made_up_hospital_at_another_port(checkout: Path) -> None:
    assert make(checkout, "serve", "PORT=9000") == [
        "serve",
        "--config",
        "cohortium-demo/cohortium.toml",
        "--port",
        "9000",
    ]
