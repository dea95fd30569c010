"""A command in the test's own process: where it is called often, to import it each time takes longest."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cohortium import cli

__all__ = ["Run", "Said", "called"]


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Said]


def called(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """`run("backup", "away", cwd=folder)`; what a fixture yields."""

    def run(*arguments: str, cwd: Path) -> Said:
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["cohortium", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        assert code is None or isinstance(code, int)
        return Said(code or 0, *capsys.readouterr())

    before = os.umask(0o077)  # which the command sets for good
    yield run
    os.umask(before)
