"""`cohortium protocol diff` and `--explain --html`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

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
