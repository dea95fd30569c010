"""What checking a series costs, beyond what dciodvfy and dcentvfy take for themselves: CPU seconds of one process.

A plain chest CT of 500 slices of 512 x 512, raw and as JPEG-LS, without the reader of text. `look` is the pass that
learns which series each file is of; `headers` reads every header whole; `pictures` measures; `rules` is the rest of the
rules of `dragon`; `starting` is what it takes to start the programs. A ratio is over reading the files' bytes once.
Twelve compressed slices are decoded, in processes of their own, which are not counted.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import JPEGLSLossless

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import deliveries
from cohortium import check
from cohortium.check import delivery, examine, quality, scan
from cohortium.check.rule import Scope

SIDE = 512
BOUND = 3.0  # CPU seconds for 500 raw slices, beyond the programs' own


def main() -> None:
    """Print a line for each step and syntax; exits with 1 where the bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=500)
    count = parser.parse_args().slices
    late = False
    for compressed in (False, True):
        with tempfile.TemporaryDirectory() as temporary:
            write(Path(temporary), count, compressed=compressed)
            steps = measured(Path(temporary))
        unit, name = steps.pop("reading"), "JPEG-LS" if compressed else "raw"
        programs = steps.pop("programs")
        for step, seconds in (steps | {"all": sum(steps.values())}).items():
            ratio = f"{seconds / unit:6.1f} x reading"
            print(f"{name:8} {step:9} {seconds:6.2f} s  {ratio}  {seconds / count * 1e3:6.2f} ms a slice")
        print(f"{name:8} programs  {programs:6.2f} s of their own")
        late |= not compressed and sum(steps.values()) > BOUND * count / 500
    sys.exit(late)


def measured(folder: Path) -> dict[str, float]:
    """CPU seconds of this process by step, and of the programs."""
    dragon, files = check.load("dragon"), sorted(folder.rglob("*.dcm"))
    steps, found = {}, {}

    def step(name: str, work: Callable[[], object]) -> None:
        start, children = time.process_time(), of_children()
        found[name] = work()
        steps[name] = time.process_time() - start
        steps["programs"] = steps.get("programs", 0) + of_children() - children

    step("reading", lambda: sum(len(path.read_bytes()) for path in files))
    step("look", lambda: delivery.find(folder, None, lambda *_: None))
    (place,) = found["look"].places
    step("headers", lambda: scan.read(found["look"].root, place.SeriesInstanceUID, place.names()))
    seen = found["headers"]

    def ask(wanted: Callable[[str], bool]) -> None:
        answers = examine.Answers({rule.id: "-" for rule in dragon.rules if not wanted(rule.id)})
        answers.ask(dragon, Scope.SERIES, seen.series)
        answers.ask(dragon, Scope.FILES, seen)

    step("pictures", lambda: ask(lambda id: id.startswith("quality.")))
    step("rules", lambda: ask(lambda id: not id.startswith(("quality.", "conformance.", "privacy.pixels"))))
    step("starting", lambda: ask(lambda id: id.startswith("conformance.")))
    print(", ".join(f"{name} {number}" for name, number in quality.numbers(seen).items()))
    return steps


def of_children() -> float:
    """CPU seconds of processes that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write(folder: Path, count: int, *, compressed: bool) -> None:
    """A chest of `count` slices; eight pictures serve all."""
    body = np.kron(deliveries.body(), np.ones((SIDE // deliveries.ROWS,) * 2))
    chance = np.random.default_rng(0)
    pictures = [deliveries.stored(body + chance.normal(0, 12, body.shape)) for _ in range(8)]
    for number in range(1, count + 1):
        attributes = deliveries.slice_of(1, number)
        attributes |= {"Rows": SIDE, "Columns": SIDE, "PixelData": pictures[number % 8]}
        path = folder / f"{number:04}.dcm"
        path.write_bytes(deliveries.encoded(attributes))
        if compressed:
            dataset = pydicom.dcmread(path)
            dataset.compress(JPEGLSLossless, generate_instance_uid=False)
            dataset.save_as(path, enforce_file_format=True)


if __name__ == "__main__":
    main()
