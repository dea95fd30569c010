"""Temporary files of libraries and programs lie below the spool while a gateway works, and nothing of them stays."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cohortium.spool.temporary import temporary_below

MAKES_ONE = "import tempfile; print(tempfile.NamedTemporaryFile(delete=False).name)"


@pytest.mark.parametrize("elsewhere", ["", "/var/tmp"])
def test_they_lie_below_the_spool_and_then_where_they_did(
    tmp_path: Path, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    if elsewhere:
        monkeypatch.setenv("TMPDIR", elsewhere)
    before = tempfile.gettempdir()
    left = tmp_path / "temporary" / "of one that was killed"
    left.mkdir(parents=True)
    with temporary_below(tmp_path):
        assert not left.exists()
        with tempfile.NamedTemporaryFile() as ours:
            assert tmp_path in Path(ours.name).parents
        made = subprocess.run([sys.executable, "-c", MAKES_ONE], capture_output=True, text=True, check=True)
        assert tmp_path in Path(made.stdout).parents
        assert (tmp_path / "temporary").stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == []
    assert tempfile.gettempdir() == before
    made = subprocess.run([sys.executable, "-c", "import tempfile; print(tempfile.gettempdir())"], capture_output=True)
    assert made.stdout.decode().strip() == (elsewhere or "/tmp")
