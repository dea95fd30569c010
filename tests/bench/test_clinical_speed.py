"""`bench/clinical.py` measures what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench" / "clinical.py"


def test_rows_and_memory_are_told() -> None:
    done = subprocess.run([sys.executable, BENCH, "--rows", "3000"], capture_output=True, text=True, check=True)
    assert re.match(r"3,000 rows in [\d.]+ s: [\d,]+ rows/s, [\d.]+ times a copy by csv\n", done.stdout)
    grown = re.search(r"memory grew by (\d+) MB", done.stdout)
    assert grown
    assert int(grown[1]) < 64
