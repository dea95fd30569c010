"""`bench/delivery.py` measures what it says; one way here, for each is a process that loads everything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import deliveries

BENCH = Path(__file__).parents[2] / "bench" / "delivery.py"


def test_a_way_is_measured_with_its_reports(tmp_path: Path) -> None:
    made = deliveries.clean(2)
    made.change(made.series(), SliceThickness="3")
    made.write(tmp_path)
    command = [sys.executable, BENCH, "--way", "page"]
    told = json.loads(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout)
    assert told["seconds"] > 0
    assert told["megabytes"] > 10
    assert "with 1 pictures of" in told["more"]
