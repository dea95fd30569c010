"""`kill -9` at any moment, again and again: the run that may end ends where an undisturbed one would have.

Sample: 12 sites killed up to 3 times each; 300 with COHORTIUM_TEST_FULL=1. The moments are drawn at random over an
undisturbed run; a failing site's seed is in the message.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dying


def test_killed_and_run_again(
    crowded: Any,
    tmp_path: Path,
    sample: Callable[[int, int], int],
    run_mortal: dying.AtWork,
) -> None:
    undisturbed = crowded.another(tmp_path / "undisturbed")
    touches, kills = run_mortal(undisturbed.file) or 0, 0
    for seed in range(sample(12, 300)):
        site = crowded.another(tmp_path / f"site-{seed}")
        for moment in dying.moments(random.Random(seed), touches):
            kills += run_mortal(site.file, at=moment) is None
        site.run()
        assert site.memory() == undisturbed.memory(), f"seed {seed}"
    assert kills >= sample(12, 300), "the first moment of each falls into its run"
