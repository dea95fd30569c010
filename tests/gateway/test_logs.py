"""What a gateway's log holds, and what nobody can make it hold."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from cohortium.config import Gateway
from cohortium.gateway.logs import logged

PLANTED = "TULIPAN^Ottilie"
SETTINGS = Gateway(log="logs/gateway.log")


def said(folder: Path, **settings: object) -> str:
    """What is in the log after a line of ours, one of another library, and an exception."""
    with logged(replace(SETTINGS, **settings), folder):
        logging.getLogger("cohortium.gateway").info("at work")
        logging.getLogger("foreign.package").error("cannot parse %s", PLANTED)
        try:
            int(PLANTED)
        except ValueError:
            logging.getLogger("cohortium.gateway").exception("a defect")
            logging.getLogger("foreign.package").exception("another")
    return (folder / "logs" / "gateway.log").read_text("utf-8")


def test_ours_is_told_and_what_others_say_is_not(tmp_path: Path) -> None:
    text = said(tmp_path)
    assert PLANTED not in text
    assert "TULIPAN" not in text
    assert "cohortium.gateway: at work" in text
    assert "foreign.package: said something at line" in text
    assert text.count("ValueError") == 2


def test_lines_of_json(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in said(tmp_path, log_json=True).splitlines()]
    assert [line["level"] for line in lines] == ["info", "error", "error", "error"]
    assert lines[0]["message"] == "at work"
    assert "test_logs.py" in lines[2]["frames"]
    assert PLANTED not in json.dumps(lines)


def test_turned_over_by_size_and_so_many_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cohortium.gateway.logs.MEGABYTE", 1000)
    with logged(replace(SETTINGS, log_megabytes=1, log_files=2), tmp_path):
        for number in range(100):
            logging.getLogger("cohortium.gateway").info("line %d", number)
    files = {path.name: path.read_text() for path in (tmp_path / "logs").iterdir()}
    assert files.keys() == {"gateway.log", "gateway.log.1", "gateway.log.2"}
    assert "line 99" in files["gateway.log"]
    assert all(len(text) <= 1000 for text in files.values())


def test_nothing_is_left_behind_when_it_ends(tmp_path: Path) -> None:
    before = list(logging.getLogger().handlers)
    said(tmp_path)
    assert logging.getLogger().handlers == before
