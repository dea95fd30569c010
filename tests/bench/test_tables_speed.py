"""`bench/tables.py` measures what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("polars", reason="needs the extra `clinical`")
pytest.importorskip("pyreadstat", reason="needs the extra `clinical`")

BENCH = Path(__file__).parents[2] / "bench" / "tables.py"


def test_seconds_memory_and_ratios_are_told() -> None:
    done = subprocess.run([sys.executable, BENCH, "--rows", "3000"], capture_output=True, text=True, check=True)
    heading, *lines = done.stdout.splitlines()
    assert re.match(r"3,000 rows, \d+ MB, \d+ cores", heading)
    assert [line[:16].strip() for line in lines] == [
        "read",
        "check, clean",
        "check, faults",
        "export, csv",
        "export, xport",
    ]
    for line in lines:
        assert re.search(r"[\d.]+ s wall +[\d.]+ s CPU +0\.\d\d GB +[\d.]+ x reading", line)
