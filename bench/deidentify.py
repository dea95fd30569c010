"""De-identifying CT slices beside `cp` and `hashlib`, all in one run: `make bench`.

600 uncompressed CT slices of 0.53 MB under the Basic Profile, one process, CPU seconds (user and system), start-up
excluded. Each figure is the median of seven rounds in which the competitors take turns. Nothing here passes or fails.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from slices import copy, files, linked, make

from cohortium import keys
from cohortium.deidentify import load_protocol
from cohortium.deidentify.tree import Task, run

SLICES, ROUNDS, MANY = 600, 7, 6000
KEY = keys.SiteKey(bytes(range(32)))


def deidentify(folder: Path, slices: list[tuple[Path, str]], *, digests: bool) -> float:
    """CPU seconds for all files."""
    out = folder / "out"
    task = Task(load_protocol("basic"), KEY, "bench", out, digests)
    started = time.process_time()
    states = [outcome.state for outcome in run(task, slices)]
    seconds = time.process_time() - started
    assert set(states) <= {"de-identified", "duplicate"}, set(states)
    shutil.rmtree(out)
    return seconds


def sha256(contents: list[bytes]) -> float:
    started = time.process_time()
    for content in contents:
        hashlib.sha256(content).digest()
    return time.process_time() - started


def memory(folder: Path, count: int) -> float:
    """Peak resident megabytes of a process of its own that de-identifies `count` files."""
    many = folder / f"many-{count}"
    linked(folder / "in", many, count)
    command = [sys.executable, __file__, "--memory", str(many), str(folder / "memory-out")]
    peak = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    shutil.rmtree(many)
    shutil.rmtree(folder / "memory-out")
    return float(peak)


def _memory(source: Path, out: Path) -> None:
    for _ in run(Task(load_protocol("basic"), KEY, "bench", out), iter(files(source))):
        pass
    status = Path("/proc/self/status").read_text()  # not ru_maxrss, which counts the parent's memory too
    print(next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1000)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="cohortium-bench-", dir=Path.cwd()) as name:
        folder = Path(name)
        elements = make(folder, SLICES)
        slices = files(folder / "in")
        contents = [path.read_bytes() for path, _ in slices]
        size = sum(map(len, contents)) / 1e6
        deidentify(folder, slices[:32], digests=True)  # compiles the plan
        rounds = [
            (
                copy(folder / "in", folder / "copy"),
                deidentify(folder, slices, digests=False),
                deidentify(folder, slices, digests=True),
                sha256(contents),
            )
            for _ in range(ROUNDS)
        ]
        del contents
        cp, plain, digested, hashing = (median(column) for column in zip(*rounds, strict=True))
        ratio = median(ours / theirs for theirs, ours, _, _ in rounds)
        more = median((with_ - without) / hash_ for _, without, with_, hash_ in rounds)
        print(f"{SLICES} CT slices, {elements} elements each, {size:.0f} MB; median of {ROUNDS} rounds, CPU seconds")
        print(f"cp -r --reflink=never           {cp:7.3f} s")
        print(f"de-identify, basic              {plain:7.3f} s   {ratio:.2f} times cp (aim: at most 1.6)")
        print(f"de-identify, basic, SHA-256     {digested:7.3f} s")
        print(
            f"hashlib.sha256 alone            {hashing:7.3f} s   the digest costs {more:.2f} of it (aim: at most 1.05)"
        )
        few, many = memory(folder, SLICES), memory(folder, MANY)
        print(f"peak memory                     {few:.0f} MB for {SLICES} files, {many:.0f} MB for {MANY} (aim: < 150)")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--memory"]:
        _memory(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
