"""Installation on machines that lack something, with programs on PATH that behave as those machines' do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
WITHOUT_ENSUREPIP = f"""#!/bin/sh
case "$*" in
    *ensurepip*) exit 1 ;;
    *) exec {sys.executable} "$@" ;;
esac
"""
TOO_OLD = """#!/bin/sh
exit 1
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of programs that is the whole PATH; `id` says that nobody is root."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "env"):
        (programs / name).symlink_to(shutil.which(name) or "")
    program(programs, "id", "#!/bin/sh\necho 1000\n")
    return programs


def program(machine: Path, name: str, text: str) -> None:
    (machine / name).write_text(text)
    (machine / name).chmod(0o755)


def run(machine: Path, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "tools" / script, *arguments],
        env={"PATH": str(machine), "HOME": os.environ.get("HOME", "/"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_python_at_all(machine: Path, tmp_path: Path) -> None:
    result = run(machine, "bootstrap.sh", str(tmp_path / "venv"))
    assert result.returncode == 1
    assert result.stderr.startswith("cohortium: Python 3.11 or newer is needed")


def test_only_an_old_python(machine: Path, tmp_path: Path) -> None:
    program(machine, "python3", TOO_OLD)
    result = run(machine, "bootstrap.sh", str(tmp_path / "venv"))
    assert result.returncode == 1
    assert result.stderr.startswith("cohortium: Python 3.11 or newer is needed")


def test_no_ensurepip_and_not_root_prints_the_one_line(machine: Path, tmp_path: Path) -> None:
    program(machine, "python3", WITHOUT_ENSUREPIP)
    result = run(machine, "bootstrap.sh", str(tmp_path / "venv"))
    assert result.returncode == 1
    assert f"sudo apt-get install python{VERSION}-venv" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "venv").exists()


def test_no_ensurepip_and_root_installs_the_package(machine: Path, tmp_path: Path) -> None:
    program(machine, "python3", WITHOUT_ENSUREPIP)
    program(machine, "id", "#!/bin/sh\necho 0\n")
    program(machine, "apt-get", f'#!/bin/sh\necho "$*" >>{tmp_path}/asked\ncase "$*" in *install*) exit 7 ;; esac\n')
    result = run(machine, "bootstrap.sh", str(tmp_path / "venv"))
    assert result.returncode == 7, "what apt says is what we say"
    assert f"python{VERSION}-venv" in (tmp_path / "asked").read_text().splitlines()[-1]


def test_a_python_with_ensurepip_is_preferred_to_a_newer_one_without(machine: Path, tmp_path: Path) -> None:
    program(machine, "python3.13", WITHOUT_ENSUREPIP)
    program(machine, "python3", f'#!/bin/sh\necho "$*" >>{tmp_path}/asked\ncase "$*" in *venv*) exit 8 ;; esac\n')
    result = run(machine, "bootstrap.sh", str(tmp_path / "venv"))
    assert result.returncode == 8
    assert "-m venv" in (tmp_path / "asked").read_text()


def test_a_chosen_python_is_taken(machine: Path, tmp_path: Path) -> None:
    program(machine, "python3", TOO_OLD)
    program(machine, "mine", f'#!/bin/sh\necho "$*" >>{tmp_path}/asked\ncase "$*" in *venv*) exit 8 ;; esac\n')
    assert run(machine, "bootstrap.sh", str(tmp_path / "venv"), PYTHON="mine").returncode == 8


def test_system_packages_that_cannot_be_had_do_not_stop_the_tests(machine: Path) -> None:
    result = run(machine, "system.sh")
    assert result.returncode == 0
    assert "sudo apt-get install chromium strace dicom3tools\n" in result.stderr


def test_nothing_is_asked_for_that_is_there(machine: Path) -> None:
    for name in ("chromium", "strace", "dciodvfy"):
        program(machine, name, "#!/bin/sh\n")
    result = run(machine, "system.sh")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("target", ["demo", "serve", "test", "test-all", "lint", "bench", "docs", "constraints"])
def test_every_target_has_a_recipe(target: str) -> None:
    result = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout


def test_make_alone_lists_the_targets() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "make demo" in listed
    assert "make test-all" in listed


def test_the_lock_names_no_place() -> None:
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert "==" in line, line
        assert "://" not in line, line
        assert "/" not in line, line
