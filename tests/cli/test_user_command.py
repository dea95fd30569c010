"""`cohortium user password`: the first person of a site, one who forgot, one who is new."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cohortium.govern import users
from cohortium.store import open_store

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def site(cohortium: Run, tmp_path: Path) -> Path:
    assert cohortium("init", cwd=tmp_path).returncode == 0
    return tmp_path


def password(cohortium: Run, site: Path, name: str) -> str:
    result = cohortium("user", "password", name, cwd=site)
    assert result.returncode == 0, result.stderr
    return str(result.stdout.strip())


def test_the_first_person_is_the_administrator_and_the_next_is_not(cohortium: Run, site: Path) -> None:
    first, second = (password(cohortium, site, name) for name in ("ada", "bob"))
    store = open_store(site / "data")
    ada, bob = users.authenticate(store, "ada", first), users.authenticate(store, "bob", second)
    assert ada is not None
    assert bob is not None
    assert (ada.administrator, ada.must_choose) == (True, True)
    assert (bob.administrator, bob.must_choose) == (False, True)


def test_who_forgot_gets_another_and_the_old_one_ends(cohortium: Run, site: Path) -> None:
    old = password(cohortium, site, "ada")
    new = password(cohortium, site, "ada")
    store = open_store(site / "data")
    assert users.authenticate(store, "ada", old) is None
    again = users.authenticate(store, "ada", new)
    assert again is not None
    assert again.administrator


def test_no_site_no_password(cohortium: Run, tmp_path: Path) -> None:
    result = cohortium("user", "password", "ada", cwd=tmp_path)
    assert result.returncode == 2
    assert not (tmp_path / "data").exists()


def test_an_account_is_disabled_enabled_listed_and_deleted(cohortium: Run, site: Path) -> None:
    password(cohortium, site, "ada")
    once = password(cohortium, site, "bob")
    store = open_store(site / "data")

    def run(*arguments: str) -> str:
        result = cohortium("user", *arguments, cwd=site)
        assert result.returncode == 0, result.stderr
        return str(result.stdout)

    run("disable", "bob")
    assert users.authenticate(store, "bob", once) is None
    assert [line.split("\t")[-1] for line in run("list").splitlines()] == ["active", "disabled"]
    run("enable", "bob")
    assert users.authenticate(store, "bob", once) is not None
    run("delete", "bob")
    assert "bob" not in run("list")
    assert cohortium("user", "delete", "ada", cwd=site).returncode == 3


def test_a_site_is_added_with_its_key_and_gets_a_token_once(cohortium: Run, site: Path, tmp_path: Path) -> None:
    """The hub's side of a site's first delivery; what it opens is told by tests/web/test_sites.py."""
    (tmp_path / "hospital").mkdir()
    assert cohortium("init", cwd=tmp_path / "hospital").returncode == 0
    key = cohortium("key", "public", cwd=tmp_path / "hospital").stdout.strip()
    assert re.fullmatch("[0-9a-f]{64}", key)
    refused = cohortium("user", "add", "hospital", "--site", "--key", "abc", cwd=site)
    assert refused.returncode == 2
    added = cohortium("user", "add", "hospital", "--site", "--key", key, cwd=site)
    assert added.returncode == 0, added.stderr
    assert added.stdout.startswith("cohortium_")
    again = cohortium("user", "add", "hospital", "--site", "--key", key, cwd=site)
    assert again.returncode == 3
    assert cohortium("user", "standing", "hospital", "administrator", cwd=site).returncode == 3
    person = cohortium("user", "add", "ada", cwd=site)
    assert person.returncode == 0
    assert cohortium("user", "add", "ada", cwd=site).returncode == 3
    assert cohortium("user", "standing", "ada", "site", cwd=site).returncode == 2
