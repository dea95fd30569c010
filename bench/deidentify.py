"""De-identifying CT slices beside `cp` and `hashlib`, all in one run: `make bench`.

600 uncompressed CT slices of 0.53 MB under the Basic Profile, one process, CPU seconds (user and system), start-up
excluded. Each figure is the median of seven rounds in which the competitors take turns. Nothing here passes or fails.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import pydicom

from cohortium import keys
from cohortium.deidentify import load_protocol
from cohortium.deidentify.tree import Task, run
from cohortium.demo import hospital

SLICES, ROUNDS, MANY = 600, 7, 6000
ELEMENTS = 120
KEY = keys.SiteKey(bytes(range(32)))


def make(folder: Path) -> int:
    """Write the slices; returns how many top-level elements each has."""
    source = folder / "hospital"
    hospital.make(source)
    ct = [path for path in sorted(source.rglob("IM*")) if 500_000 < path.stat().st_size < 600_000]
    (folder / "in").mkdir()
    for number in range(SLICES):
        dataset = pydicom.dcmread(ct[number % len(ct)])
        dataset.remove_private_tags()
        optional = [element.tag for element in dataset if element.tag.group in (0x32, 0x38, 0x40, 0x5000, 0x6000)]
        for tag in (tag for tag in [*optional, *_least_wanted(dataset)] if len(dataset) > ELEMENTS and tag in dataset):
            del dataset[tag]
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.826.0.1.99.{number}"
        dataset.save_as(folder / "in" / f"{number:04d}.dcm", enforce_file_format=True)
    return len(dataset)


def _least_wanted(dataset: pydicom.Dataset) -> list[int]:
    """Tags that a plain CT slice rarely has, from the back: what stands behind the pixels first."""
    return [element.tag for element in reversed(list(dataset)) if element.tag > 0x7FE00010 or element.tag.group == 0x10]


def deidentify(folder: Path, files: list[tuple[Path, str]], *, digests: bool) -> float:
    """CPU seconds for all files."""
    out = folder / "out"
    task = Task(load_protocol("basic"), KEY, "bench", out, digests)
    started = time.process_time()
    states = [outcome.state for outcome in run(task, files)]
    seconds = time.process_time() - started
    assert set(states) <= {"de-identified", "duplicate"}, set(states)
    shutil.rmtree(out)
    return seconds


def copy(folder: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["cp", "-r", "--reflink=never", folder / "in", folder / "copy"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(folder / "copy")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def sha256(contents: list[bytes]) -> float:
    started = time.process_time()
    for content in contents:
        hashlib.sha256(content).digest()
    return time.process_time() - started


def memory(folder: Path, count: int) -> float:
    """Peak resident megabytes of a process of its own that de-identifies `count` files."""
    many = folder / f"many-{count}"
    many.mkdir()
    sources = sorted((folder / "in").iterdir())
    for number in range(count):
        os.link(sources[number % len(sources)], many / f"{number:06d}.dcm")
    command = [sys.executable, __file__, "--memory", str(many), str(folder / "memory-out")]
    peak = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    shutil.rmtree(many)
    shutil.rmtree(folder / "memory-out")
    return float(peak)


def _memory(source: Path, out: Path) -> None:
    files = ((path, "") for path in sorted(source.iterdir()))
    for _ in run(Task(load_protocol("basic"), KEY, "bench", out), files):
        pass
    status = Path("/proc/self/status").read_text()  # not ru_maxrss, which counts the parent's memory too
    print(next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1000)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="cohortium-bench-", dir=Path.cwd()) as name:
        folder = Path(name)
        elements = make(folder)
        files = [(path, "") for path in sorted((folder / "in").iterdir())]
        contents = [path.read_bytes() for path, _ in files]
        size = sum(map(len, contents)) / 1e6
        deidentify(folder, files[:32], digests=True)  # compiles the plan
        rounds = [
            (
                copy(folder),
                deidentify(folder, files, digests=False),
                deidentify(folder, files, digests=True),
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
