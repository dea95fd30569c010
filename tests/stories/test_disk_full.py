"""The data root's disk fills up in the middle of a run: one clear line, nothing lost, and room makes it whole."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cohortium.errors import Unavailable


@pytest.mark.parametrize("kilobytes", [0, 400, 780, 860, 900, 1000, 1100])
def test_a_full_disk(crowded: Any, tmp_path: Path, tiny_disk: Path, kilobytes: int) -> None:
    """`kilobytes` are left when the run begins, so that it fails in one stage or another; the store alone takes 780."""
    undisturbed = crowded.another(tmp_path / "undisturbed")
    undisturbed.run()
    subprocess.run(["mount", "-o", "remount,size=3m", str(tiny_disk)], check=True)
    (crowded.root / "data").symlink_to(tiny_disk)
    ballast = tiny_disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(tiny_disk).free - kilobytes * 1024))
    with pytest.raises(Unavailable, match="no space left"):
        crowded.run()
    ballast.unlink()
    crowded.run()
    assert crowded.memory() == undisturbed.memory()
