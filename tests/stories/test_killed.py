"""`kill -9` at any moment, again and again: the run that may end ends where an undisturbed one would have.

Sample: 12 sites killed up to 3 times each; 300 with COHORTIUM_TEST_FULL=1. The moments are drawn at random over the
length of an undisturbed run; a failing site's seed is in the message.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parents[1]
NURSERY = """
# Imports once, then for each line "seconds file" starts a run in a child and kills it after so many seconds. Batches
# are small, so that most kills fall between two of them or into one that is not the first.
import os, signal, sys, time, unsynced
from pathlib import Path
from cohortium import config, gateway
from cohortium.acquire import folder
from cohortium.spool import items
folder.BATCH = items.BATCH = 4
unsynced.begin()
for line in sys.stdin:
    seconds, file = line.rstrip("\\n").split(" ", 1)
    child = os.fork()
    if child == 0:
        gateway.run(config.load(Path(file)), lambda *_: None)
        os._exit(0)
    time.sleep(float(seconds))
    os.kill(child, signal.SIGKILL)
    print("killed" if os.WIFSIGNALED(os.waitpid(child, 0)[1]) else "ended", flush=True)
"""


@pytest.fixture
def kill_after() -> Iterator[Callable[[float, Path], bool]]:
    """`kill_after(seconds, configuration)`: whether the run was still at work when it was killed."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", NURSERY], **pipes, cwd=TESTS, text=True, bufsize=1) as nursery:
        assert nursery.stdin
        assert nursery.stdout

        def kill(seconds: float, file: Path) -> bool:
            nursery.stdin.write(f"{seconds} {file}\n")
            return nursery.stdout.readline() == "killed\n"

        yield kill
        nursery.stdin.close()


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
