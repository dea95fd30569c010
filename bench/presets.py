"""Every shipped protocol on raw and compressed slices, beside `cp`; and two processes beside one: part of `make bench`.

CPU seconds of one process, the subjects' table and secret included, as a ratio to `cp -r` of the same files; median of
rounds in which the competitors take turns. What a protocol sets aside is shown, for it costs less than what it writes.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from statistics import median

from slices import SYNTAXES, compressed, copy, files, make

from cohortium import keys
from cohortium.config import Site
from cohortium.deidentify import load_protocol, secret
from cohortium.deidentify.protocol import names
from cohortium.deidentify.subjects import Patient, read
from cohortium.deidentify.table import means
from cohortium.deidentify.tree import Task, run

SLICES, ROUNDS = 300, 5


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """A site of its own, gone afterwards."""
    root = Path(tempfile.mkdtemp(dir=folder))
    (root / "data").mkdir(mode=0o700)
    yield Site(name="bench", key=root / "site.key", data=root / "data")
    shutil.rmtree(root)


def deidentify(folder: Path, source: Path, preset: str) -> tuple[float, Counter[str]]:
    """CPU seconds for all files, and how many ended in which state."""
    protocol, out = load_protocol(preset), folder / "out"
    with site(folder) as own:
        key = keys.create(own.key)
        secret.create(secret.path_of(own.key, "bench"))
        own_secret, table = means(own, key, "bench", protocol)
        if table and protocol.subject.kind == "lookup":
            table.take((patient, f"S{number}") for number, patient in enumerate(patients(source)))
        task = Task(protocol, key, "bench", out, secret=own_secret)
        for _ in run(task, files(source)[:32], assigner=table):  # compiles the plan
            pass
        shutil.rmtree(out)
        started = time.process_time()
        states = Counter(str(outcome.state) for outcome in run(task, files(source), assigner=table))
        seconds = time.process_time() - started
    shutil.rmtree(out)
    return seconds, states


def patients(source: Path) -> list[Patient]:
    """Everybody in `source`, by identifier alone."""
    found = (read(BytesIO(path.read_bytes())) for path in source.iterdir())
    return sorted({Patient(each.patient_id, each.issuer) for each in found}, key=lambda each: each.patient_id)


def wall(folder: Path, source: Path, processes: int) -> float:
    """Seconds from the first file to the last, with workers already started."""
    out = folder / "out"
    task = Task(load_protocol("basic"), keys.ephemeral(), "bench", out)
    with ProcessPoolExecutor(processes) as pool:
        for _ in run(task, files(source)[: 64 * processes], pool):
            pass
        shutil.rmtree(out)
        started = time.perf_counter()
        for _ in run(task, files(source), pool):
            pass
        seconds = time.perf_counter() - started
    shutil.rmtree(out)
    return seconds


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="cohortium-bench-", dir=Path.cwd()) as name:
        folder = Path(name)
        make(folder, SLICES)
        (folder / "in").rename(folder / "raw")
        for label, syntax in SYNTAXES.items():
            if syntax:
                compressed(folder / "raw", folder / label, syntax)
        print(f"times cp -r, {SLICES} CT slices, median of {ROUNDS} rounds, CPU seconds (aim: at most 1.6)")
        print(f"{'':26}" + "".join(f"{label:>12}" for label in SYNTAXES))
        for preset in names():
            row = []
            for label in SYNTAXES:
                rounds = []
                for _ in range(ROUNDS):
                    cp = copy(folder / label, folder / "copy")
                    seconds, states = deidentify(folder, folder / label, preset)
                    rounds.append(seconds / cp)
                row.append(median(rounds))
            aside = SLICES - states["de-identified"]
            print(
                f"{preset:26}" + "".join(f"{ratio:12.2f}" for ratio in row) + (f"  {aside} set aside" if aside else "")
            )
        pairs = [(wall(folder, folder / "raw", 1), wall(folder, folder / "raw", 2)) for _ in range(ROUNDS)]
        faster = median(one / two for one, two in pairs)
        print(f"two processes, raw: {faster:.2f} times as fast as one (aim: at least 1.7)")


if __name__ == "__main__":
    main()
