"""Tokens, roles, visibility and the audit from the command line, as an administrator at the machine uses them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cohortium.archive.projects import open_project
from cohortium.config import Project
from cohortium.govern import grants, tokens, users
from cohortium.govern.roles import Visibility
from cohortium.store import open_store
from cohortium.values import Protocol, SubjectRule

Run = Callable[..., subprocess.CompletedProcess[str]]
PROTOCOL = Protocol("basic", "1", "", "2026c", (), SubjectRule(), {}, digest="0" * 64)


@pytest.fixture(scope="module")
def site(cohortium: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    assert cohortium("init", cwd=folder).returncode == 0
    with open_store(folder / "data").begin() as connection:
        open_project(connection, Project("study", "Our study", "check"), PROTOCOL)
        users.create(connection, "ada")
    return folder


def test_a_role_and_a_visibility_are_given_and_withdrawn(cohortium: Run, site: Path) -> None:
    assert cohortium("project", "grant", "study", "ada", "member", cwd=site).returncode == 0
    listed = cohortium("project", "list", "study", "--json", cwd=site)
    assert [(row["name"], row["role"]) for row in json.loads(listed.stdout)] == [("ada", "member")]
    assert cohortium("project", "visibility", "study", "public", cwd=site).returncode == 0
    with open_store(site / "data").begin() as connection:
        assert grants.shown(connection, 1).visibility is Visibility.PUBLIC
    assert cohortium("project", "revoke", "study", "ada", cwd=site).returncode == 0
    assert json.loads(cohortium("project", "list", "study", "--json", cwd=site).stdout) == []


def test_a_token_is_made_listed_and_revoked(cohortium: Run, site: Path) -> None:
    made = cohortium("user", "token", "make", "ada", "laptop", "--scope", "write", cwd=site).stdout.strip()
    assert made.startswith(tokens.MARK)
    (row,) = json.loads(cohortium("user", "token", "list", "ada", "--json", cwd=site).stdout)
    assert (row["name"], row["scope"], row["project"]) == ("laptop", "write", "")
    assert cohortium("user", "token", "revoke", "ada", "laptop", cwd=site).returncode == 0
    assert cohortium("user", "token", "revoke", "ada", "laptop", cwd=site).returncode == 3


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("project", "grant", "study", "nobody", "member"), 3),
        (("project", "grant", "none", "ada", "member"), 3),
        (("project", "grant", "study", "ada", "king"), 2),
        (("project", "visibility", "study", "open"), 2),
        (("user", "token", "make", "ada", "x", "--scope", "all"), 2),
        (("user", "standing", "ada", "guest"), 2),
    ],
)
def test_what_does_not_exist_is_refused(cohortium: Run, site: Path, arguments: tuple[str, ...], code: int) -> None:
    assert cohortium(*arguments, cwd=site).returncode == code


def test_the_audit_is_exported_signed_and_verified_and_a_change_shows(cohortium: Run, site: Path) -> None:
    assert cohortium("user", "standing", "ada", "committee", cwd=site).returncode == 0
    assert cohortium("prove", "audit", "verify", cwd=site).returncode == 0
    exported = cohortium("prove", "audit", "export", cwd=site).stdout
    (site / "audit.jsonl").write_text(exported)
    assert cohortium("prove", "audit", "verify", "audit.jsonl", cwd=site).returncode == 0
    assert [json.loads(line)["kind"] for line in exported.splitlines()][-1] == "head"
    (site / "audit.jsonl").write_text(exported.replace("make committee", "make administrator"))
    assert cohortium("prove", "audit", "verify", "audit.jsonl", cwd=site).returncode == 6
