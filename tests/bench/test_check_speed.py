"""`bench/check.py` measures what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench" / "check.py"


def test_each_step_is_told() -> None:
    done = subprocess.run([sys.executable, BENCH, "--slices", "40"], capture_output=True, text=True, check=True)
    steps = re.findall(
        r"^(raw|JPEG-LS) +(\w+) +([\d.]+) s +[\d.]+ x reading +[\d.]+ ms a slice$", done.stdout, re.MULTILINE
    )
    assert [step for name, step, _ in steps if name == "raw"] == [
        "look", "headers", "pictures", "rules", "starting", "all"
    ]  # fmt: skip
    assert len(steps) == 12
    assert re.search(r"noise (1[123]\.\d+)", done.stdout)
