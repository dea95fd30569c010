"""Every command that the documentation shows works: each page is one shell session, run from top to bottom.

Programs on PATH stand between the page and this machine: `make` checks the target and does not run it, `serve` ends as
soon as it has answered, `git clone` and `sudo` do nothing. Everything else runs as it is written.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import databases
import nursery

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(console|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = {
    "make": f'exec {{make}} -n -C "{ROOT}" "$@"',
    "sudo": "exit 0",
    "git": 'test "$1" = clone && mkdir -p "$(basename "$2" .git)"',
    "cohortium": f'exec {sys.executable} {Path(__file__).with_name("session.py")} "$@"',
}


def commands(page: str) -> list[str]:
    """The commands of a page: whole `sh` blocks, and the lines of `console` blocks that begin with a prompt."""
    found = []
    for kind, block in FENCE.findall(page):
        if kind == "sh":
            found.append(block)
        else:
            found += [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]
    return found


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("programs")
    make = subprocess.run(["sh", "-c", "command -v make"], capture_output=True, text=True, check=True).stdout.strip()
    for name, text in PROGRAMS.items():
        (folder / name).write_text(f"#!/bin/sh\n{text.format(make=make)}\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pages' demo lives: made by the first page that asks for it, found there by the others."""
    return tmp_path_factory.mktemp("cohortium-demo")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_command_of_the_page_works(
    page: Path, programs: Path, demo: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    script = "\n".join(commands(page.read_text("utf-8")))
    database: dict[str, str] = {}
    if "createdb" in script:
        server: databases.Server = request.getfixturevalue("postgres")
        database = {"PGHOST": str(server.socket), "PGUSER": "postgres"}
        programs = Path(f"{server.programs}:{programs}")
        script = script.replace("/run/postgresql", str(server.socket))
    if "cohortium-demo" in script or "cohortium demo" in script:
        (tmp_path / "cohortium-demo").symlink_to(demo)
    orders, path = nursery.orders().fileno(), f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={**os.environ, **database, "PATH": path, "NURSERY": str(orders)},
        pass_fds=[orders],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_pages_show_commands() -> None:
    assert sum(len(commands(page.read_text("utf-8"))) for page in PAGES) > 15


AT_A_PORTAL = ("datasets.md", "check.md")  # whose blocks of bash test_archive_pages.py runs


def test_no_block_of_commands_escapes() -> None:
    for page in PAGES:
        kinds = set(re.findall(r"^```(\w+)$", page.read_text("utf-8"), re.MULTILINE))
        elsewhere = {"bash"} if page.name in AT_A_PORTAL else set()
        assert kinds <= {"console", "sh", "text", "toml", "json", "python"} | elsewhere, page.name
