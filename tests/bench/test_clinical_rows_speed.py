"""`bench/clinical_rows.py` measures what it says, and memory stays flat."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench" / "clinical_rows.py"
TOLD = r"^bring in .* rows/s .* x csv, \d+ bytes a row, memory grew by (\d+) MB$"


def test_what_rows_cost_is_told() -> None:
    done = subprocess.run([sys.executable, BENCH, "--rows", "3000"], capture_output=True, text=True, check=True)
    grown = re.search(TOLD, done.stdout, re.MULTILINE)
    assert grown
    assert int(grown[1]) < 64
    assert len(re.findall(r" ms +[\d.]+ x counting all", done.stdout)) == 6
