"""`cohortium backup` and `restore` as people call them: what they print, and how they end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

import portal_site
from called import Run, called
from cohortium import config
from cohortium.store import open_store, schema


@pytest.fixture
def cohortium(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """The command in this process."""
    yield from called(monkeypatch, capsys)


@pytest.fixture
def settings(tmp_path: Path) -> config.Config:
    root = tmp_path / "site"
    root.mkdir()
    made = portal_site.configuration(root, sections='[backup]\ntarget = "../away"\nkeep = 2')
    engine = open_store(made)
    portal_site.fill(engine, made.site.data, "lung", "Lung study", portal_site.slices(2))
    engine.dispose()
    return made


def test_there_and_back_and_what_is_refused(settings: config.Config, cohortium: Run, tmp_path: Path) -> None:
    root = settings.file.parent
    for number in range(3):
        done = cohortium("backup", "--json", cwd=root)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["new_objects"] == (0 if number else 2)
    assert len(list((tmp_path / "away" / "backups").iterdir())) == 2, "as many as `keep` says"
    whole = cohortium("backup", "../away", "--verify", cwd=root)
    assert (whole.returncode, whole.stdout[:15]) == (0, "2 backups read:")

    inside = cohortium("backup", "data/target", cwd=root)
    assert (inside.returncode, "one inside the other" in inside.stderr) == (3, True)
    full = cohortium("restore", "../away", cwd=root)
    assert (full.returncode, "is not empty" in full.stderr) == (3, True)

    new = tmp_path / "new"
    (new / "safe").mkdir(parents=True)
    (new / "safe" / "key").write_bytes(settings.site.key.read_bytes())
    (new / "safe" / "key").chmod(0o600)
    without = cohortium("restore", "../away", cwd=new)
    assert (without.returncode, "no site key at keys/site.key" in without.stderr) == (2, True)
    nowhere = cohortium("restore", "../site", "--key", "safe/key", cwd=new)
    assert (nowhere.returncode, "no backup is kept here" in nowhere.stderr) == (3, True)
    assert not (new / "cohortium.toml").exists()
    there = cohortium("restore", "../away", "--key", "safe/key", cwd=new)
    assert (there.returncode, "no site key at" in there.stderr) == (2, True), "the configuration says where it belongs"
    (new / "keys").mkdir()
    (new / "safe" / "key").rename(new / "keys" / "site.key")
    (new / "notes.txt").write_text("mine")
    back = cohortium("restore", "../away", cwd=new)
    assert back.returncode == 0, back.stderr
    assert "2 objects" in back.stdout
    assert "Next:" in back.stdout


def test_damage_and_loss_end_with_code_6(settings: config.Config, cohortium: Run, tmp_path: Path) -> None:
    root = settings.file.parent
    assert cohortium("backup", cwd=root).returncode == 0
    engine = open_store(settings)
    with engine.begin() as connection:
        connection.execute(update(schema.audit).where(schema.audit.c.id == 1).values(who="nobody"))
    engine.dispose()
    assert cohortium("backup", cwd=root).returncode == 0
    found = tmp_path / "found"
    (found / "keys").mkdir(parents=True)
    os.link(settings.site.key, found / "keys" / "site.key")
    back = cohortium("restore", "../away", cwd=found)
    assert (back.returncode, "the audit was not whole when the backup was made" in back.stderr) == (6, True)
    assert cohortium("prove", "audit", "verify", cwd=found).returncode == 6, "and yet the site is there"

    min((settings.site.data / "objects").rglob("*/*/*")).unlink()
    told = cohortium("backup", cwd=root)
    assert (told.returncode, told.stderr.startswith("cohortium: 1 objects that rows name")) == (6, True)
    part = max((tmp_path / "away" / "parts").rglob("*/*"), key=lambda path: path.stat().st_size)
    part.write_bytes(part.read_bytes()[:-1])
    wrong = cohortium("backup", "--verify", "--json", cwd=root)
    assert wrong.returncode == 6
    assert any(part.name in problem for problem in json.loads(wrong.stdout)["problems"])


def test_a_backup_without_a_target_says_what_to_do(cohortium: Run, tmp_path: Path) -> None:
    portal_site.configuration(tmp_path)
    told = cohortium("backup", cwd=tmp_path)
    assert (told.returncode, "[backup] target" in told.stderr) == (2, True)
