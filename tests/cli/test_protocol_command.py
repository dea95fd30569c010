"""`cohortium protocol`: two compared, one approved; and `--explain --html`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cohortium import keys
from cohortium.cli import app
from cohortium.govern import users
from cohortium.govern.roles import Standing
from cohortium.store import open_store

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_diff_as_table_and_as_json(cohortium: Run, tmp_path: Path) -> None:
    shown = cohortium("protocol", "diff", "basic", "dragon", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "StudyDate" in shown.stdout
    told = json.loads(cohortium("protocol", "diff", "basic", "dragon", "--json", cwd=tmp_path).stdout)
    assert told["one"]["protocol"] == "basic"
    assert {"what", "one", "other", "why_one", "why_other"} == set(told["attributes"][0])
    same = cohortium("protocol", "diff", "basic", "basic", cwd=tmp_path)
    assert "the same rules" in same.stdout
    assert cohortium("protocol", "diff", "basic", "nosuch", cwd=tmp_path).returncode == 2
    assert cohortium("protocol", "diff", "basic", "dragon", "--sop-class", "1.2", cwd=tmp_path).returncode == 2


def test_a_page_to_approve(cohortium: Run, tmp_path: Path) -> None:
    arguments = ("--explain", "--protocol", "primage", "--html", "page.html")
    assert cohortium("deidentify", *arguments, cwd=tmp_path).returncode == 0
    assert (tmp_path / "page.html").read_text("utf-8").startswith("<!doctype html>")
    alone = cohortium("deidentify", "--html", "page.html", cwd=tmp_path)
    assert alone.returncode == 2
    assert "--explain" in alone.stderr
    nowhere = cohortium("deidentify", *arguments[:-1], "no/such/page.html", cwd=tmp_path)
    assert nowhere.returncode == 5
    assert "Traceback" not in nowhere.stderr


def test_levels_are_chosen_explained_and_compared(cohortium: Run, tmp_path: Path) -> None:
    arguments = ("deidentify", "--explain", "--json", "--protocol", "incisive")
    plain, high = (json.loads(cohortium(*arguments, *more, cwd=tmp_path).stdout) for more in ((), ("--level", "high")))
    assert (plain["level"], high["level"]) == ("", "high")
    assert plain["digest"] != high["digest"]
    assert cohortium(*arguments, "--level", "utmost", cwd=tmp_path).returncode == 2
    compared = cohortium(
        "protocol", "diff", "incisive", "incisive", "--level", "low", "--other-level", "medium", "--json", cwd=tmp_path
    )
    told = json.loads(compared.stdout)
    assert (told["one"]["level"], told["other"]["level"]) == ("low", "medium")
    assert {each["what"] for each in told["rules"]} == {"level of privacy", "dates"}
    changed = {each["what"].partition(" ")[2]: (each["one"], each["other"]) for each in told["attributes"]}
    assert changed["AccessionNumber"] == ("hash", "empty")


def test_the_page_says_what_each_level_does(cohortium: Run, tmp_path: Path) -> None:
    arguments = ("--explain", "--protocol", "incisive", "--level", "medium", "--html", "page.html")
    assert cohortium("deidentify", *arguments, cwd=tmp_path).returncode == 0
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "medium <span" in page
    assert "(this page)" in page
    assert "Of a time of day, the hour stays." in page
    assert "AccessionNumber (empty)" in page


def test_a_protocol_is_approved_by_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each shows by the password of their account that they are there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cohortium.toml").touch()
    keys.create(tmp_path / "keys" / "site.key")
    with open_store(tmp_path / "data").begin() as connection:
        for name in ("ada", "bob"):
            users.create(connection, name, Standing.ADMINISTRATOR)
            users.choose_password(connection, users.named(connection, name), f"long enough {len(name)} words")

    def said(*arguments: str, password: str = "long enough 3 words") -> tuple[str, str]:
        result = CliRunner().invoke(app, ["protocol", *arguments], input=f"{password}\n")
        return result.stdout.strip(), str(result.exception or "")

    assert "do not open" in said("submit", "basic", "--user", "ada", password="a guess")[1]
    digest, _ = said("submit", "basic", "--user", "ada")
    assert "somebody else" in said("approve", digest, "--user", "ada")[1]
    assert said("approve", digest[:12], "--user", "bob") == ("basic 1.0: approved", "")
    (row,) = json.loads(said("list", "--json")[0])
    assert (row["phase"], row["author"], row["approver"]) == ("approved", "ada", "bob")
    assert said("retire", digest, "--user", "bob")[0] == "basic 1.0: retired"
    assert "retired" in said("list")[0]
