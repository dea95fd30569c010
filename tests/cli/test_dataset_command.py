"""`cohortium dataset` and `cohortium pull` as people call them, killed in the middle too."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

import nursery
from client_archive import Archive, archived

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory):
    with archived(tmp_path_factory.mktemp("site")) as made:
        yield made


@pytest.fixture
def here(archive: Archive, tmp_path: Path) -> list[str]:
    token = tmp_path / "cohortium.token"
    token.write_text(archive.token, "ascii")
    token.chmod(0o600)
    return ["--url", archive.served.url]


def test_a_version_from_freezing_to_citing(cohortium: Run, here: list[str], tmp_path: Path) -> None:
    made = cohortium("dataset", "freeze", "lung", "v1", "--description", "Baseline.", "--json", *here, cwd=tmp_path)
    version = json.loads(made.stdout)
    assert version["files"] == 12
    listed = cohortium("dataset", "list", "lung", *here, cwd=tmp_path)
    assert f"sha256:{version['digest']}" in listed.stdout
    shown = json.loads(cohortium("dataset", "show", "lung/v1", "--json", *here, cwd=tmp_path).stdout)
    assert (shown["description"], shown["gone"]) == ("Baseline.", [])
    compared = cohortium("dataset", "compare", "lung/v1", version["digest"], *here, cwd=tmp_path)
    assert compared.stdout.splitlines()[1].split("\t")[:4] == ["same", "2", "2", "12"]
    datacite = json.loads(cohortium("dataset", "cite", "lung/v1", "--json", *here, cwd=tmp_path).stdout)
    assert datacite["version"] == "v1"


def test_a_pull_that_is_killed_goes_on_and_fetches_nothing_twice(
    archive: Archive, here: list[str], tmp_path: Path, cohortium: Run
) -> None:
    with archive.client as client:
        client.freeze("lung", "v1", description="Baseline.")
    archive.road.open_for, archive.road.asked = 6, []
    with nursery.start("pull", "lung/v1", "out", "--jobs", 1, *here, cwd=tmp_path) as process:
        while len(archive.road.asked) <= archive.road.open_for:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    there = {path.name for path in tmp_path.rglob("out/**/*.dcm")}
    assert 4 <= len(there) < 12
    archive.road.open_for, before = sys.maxsize, Counter(name for name, _ in archive.road.asked)
    done = cohortium("pull", "lung/v1", "out", "--json", *here, cwd=tmp_path)
    assert json.loads(done.stdout)["fetched"] == 12 - len(there)
    files = list(tmp_path.rglob("out/**/*.dcm"))
    whole = {sha256(path.read_bytes()).hexdigest() for path in files}
    assert whole == {name for name, _ in archive.road.asked}
    kept = {sha256(path.read_bytes()).hexdigest() for path in files if path.name in there}
    after = Counter(name for name, _ in archive.road.asked) - before
    assert not kept & after.keys()
    assert max(after.values()) == 1
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("mode", [0o644, None])
def test_a_token_that_others_read_or_that_is_not_there(
    archive: Archive, cohortium: Run, here: list[str], tmp_path: Path, mode: int | None
) -> None:
    token = tmp_path / "cohortium.token"
    if mode is None:
        token.unlink()
    else:
        token.chmod(mode)
    answer = cohortium("dataset", "list", "lung", *here, cwd=tmp_path)
    assert answer.returncode == (2 if mode is None else 3)
    assert archive.token not in answer.stderr + answer.stdout


def test_what_is_no_dataset(cohortium: Run, here: list[str], tmp_path: Path) -> None:
    assert cohortium("pull", "lung", "out", *here, cwd=tmp_path).returncode == 2
    assert cohortium("pull", "lung/none", "out", *here, cwd=tmp_path).returncode == 3
