"""The data root's disk fills up in the middle of a run: one clear line, nothing lost, and room makes it whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cohortium.errors import Unavailable


def settle(hospital: Any, data: Path) -> None:
    hospital.file.write_text(hospital.file.read_text() + f'\n[site]\ndata = "{data}"\n')


@pytest.mark.parametrize("kilobytes", [0, 40, 150, 300, 420, 500, 580])
def test_a_full_disk(crowded: Any, tmp_path: Path, tiny_disk: Path, kilobytes: int) -> None:
    """`kilobytes` are left when the run begins, so that it fails in one stage or another."""
    undisturbed = crowded.another(tmp_path / "undisturbed")
    undisturbed.run()
    (crowded.root / "data").symlink_to(tiny_disk)
    ballast = tiny_disk / "ballast"
    ballast.write_bytes(bytes(2_097_152 - 8192 - kilobytes * 1024))
    with pytest.raises(Unavailable, match="no space left"):
        crowded.run()
    ballast.unlink()
    crowded.run()
    assert crowded.memory() == undisturbed.memory()
