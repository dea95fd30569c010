"""`kill -9` at any moment, again and again: the run that may end ends where an undisturbed one would have.

Sample: 12 sites killed up to 3 times each; 300 with COHORTIUM_TEST_FULL=1. The moments are drawn at random over the
length of an undisturbed run; a failing site's seed is in the message.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_killed_and_run_again(
    crowded: Any,
    tmp_path: Path,
    sample: Callable[[int, int], int],
    kill_after: Callable[[float, Path], bool],
) -> None:
    undisturbed = crowded.another(tmp_path / "undisturbed")
    crowded.another(tmp_path / "warm").run()  # what is imported and made once takes its time
    started = time.perf_counter()
    undisturbed.run()
    length = time.perf_counter() - started
    kills = 0
    for seed in range(sample(12, 300)):
        moments, site = random.Random(seed), crowded.another(tmp_path / f"site-{seed}")
        for _ in range(moments.randint(1, 3)):
            kills += kill_after(moments.uniform(0, length), site.file)
        site.run()
        assert site.memory() == undisturbed.memory(), f"seed {seed}"
    assert kills > sample(12, 300) / 2
