"""docs/datasets.md, docs/check.md and docs/api.md: what they show is run against a real archive."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from client_archive import Archive, archived

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLE = "http://127.0.0.1:8765"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    with archived(tmp_path_factory.mktemp("site")) as made:
        yield made


def blocks(page: str, kind: str, archive: Archive) -> str:
    """The page's blocks of this kind, asking this archive, whose project has another name."""
    text = "\n".join(re.findall(rf"^```{kind}\n(.*?)^```$", (DOCS / page).read_text("utf-8"), re.M | re.S))
    return text.replace(EXAMPLE, archive.served.url).replace("demo", "lung")


def run_as_they_stand(page: str, archive: Archive, folder: Path) -> None:
    """The page's commands, one after the other, none of which may fail."""
    script = blocks(page, "bash", archive)
    assert script.count("cohortium ") >= 3
    command = f"cohortium() {{ {sys.executable} -c 'from cohortium.cli import main; main()' \"$@\"; }}\n{script}"
    run = ["bash", "-euo", "pipefail", "-c", command]
    result = subprocess.run(
        run, cwd=folder, input=archive.token, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_commands_about_datasets_work(archive: Archive, tmp_path: Path) -> None:
    run_as_they_stand("datasets.md", archive, tmp_path)
    assert len(list((tmp_path / "baseline").rglob("*.dcm"))) == 12


def test_the_commands_about_checks_work(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "cohortium.token").write_text(archive.token, "ascii")
    (tmp_path / "cohortium.token").chmod(0o600)
    run_as_they_stand("check.md", archive, tmp_path)
    assert (tmp_path / "findings.json").read_text("utf-8") == "[]\n"


def test_the_program_about_the_client_works(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "cohortium.token").write_text(archive.token)
    program = blocks("api.md", "python", archive)
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert len(list((tmp_path / "ct").rglob("*.dcm"))) == len(list((tmp_path / "baseline").rglob("*.dcm"))) == 12
