"""De-identifiers of the package index beside Cohortium on the same files, with what each leaks: part of `make bench`.

Speed: CPU seconds for plain CT slices, as a ratio to `cp -r` of the same run. Leaks: the demo's hospital, whose files
hold planted identity (nested, private, in several character sets, behind the pixels); how many of the planted values,
and of the inputs' own identifying values, are found in what each peer wrote. A peer that writes a picture with a name
burnt into it is not charged for that here: samples are searched for bytes, not read.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

from slices import copy, make

import cohortium.deidentify
from cohortium import keys
from cohortium.acquire.folder import walk
from cohortium.deidentify import load_protocol
from cohortium.deidentify.tree import Task, run
from cohortium.demo import hospital
from cohortium.values import State
from cohortium.verify import search

Program = Callable[[str, Path, Path, Path], tuple[float, int]]
TABLE = Path(cohortium.deidentify.__file__).parent / "data" / "confidentiality.csv"
SLICES, ROUNDS = 120, 3
HERE = Path(__file__).parent
ENVIRONMENT = HERE.parent / "build" / "peers"
PEERS = ("dcmanon", "fw_file", "dicognito", "dicom_anonymizer", "deid")


def environment() -> Path:
    """The Python that the peers are installed for, apart from ours."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        venv.create(ENVIRONMENT, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--requirement", HERE / "peers.txt"], check=True)
    return python


def theirs(name: str, source: Path, target: Path, table: Path) -> tuple[float, int]:
    command = [environment(), HERE / "peer.py", name, source, target, table]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, written = json.loads(done.stdout.splitlines()[-1])
    return seconds, written


def ours(_name: str, source: Path, target: Path, _table: Path) -> tuple[float, int]:
    """As theirs, in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--ours", source, target], check=True, capture_output=True)
    seconds, written = json.loads(done.stdout)
    return seconds, written


def _ours(source: Path, target: Path) -> None:
    files = list(walk(source))
    task = Task(load_protocol("basic"), keys.ephemeral(), "bench", target)
    for _ in run(replace(task, destination=target / "first"), files[:32]):  # compiles the plan
        pass
    shutil.rmtree(target / "first")
    started = time.process_time()
    states = [outcome.state for outcome in run(task, files)]
    print(json.dumps([time.process_time() - started, states.count(State.DEIDENTIFIED)]))


def leaks(source: Path, target: Path, planted: list[str]) -> tuple[int, int]:
    """How many of the planted values are found in `target`, and how many values in all."""
    outputs = ((path.name, path.read_bytes()) for path in sorted(target.rglob("*")) if path.is_file())
    found = {hit.number for hit in search((path for path, _ in walk(source)), outputs, planted).hits}
    return sum(number <= len(planted) for number in found), len(found)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="cohortium-bench-", dir=Path.cwd()) as name:
        folder = Path(name)
        make(folder, SLICES)
        planted = hospital.make(folder / "hospital")
        programs: dict[str, Program] = {"Cohortium, basic": ours, **dict.fromkeys(PEERS, theirs)}
        print(
            f"{SLICES} CT slices, CPU seconds as times cp -r, median of {ROUNDS} rounds\n"
            f"the demo's hospital: files written; {len(planted)} planted values, and of all, how many are in them"
        )
        print(f"{'':20}{'times cp':>10}{'written':>10}{'of':>6}{'planted found':>16}{'all found':>12}")
        total = sum(1 for _ in walk(folder / "hospital"))
        for label, program in programs.items():
            ratios = []
            for _ in range(ROUNDS):
                cp = copy(folder / "in", folder / "copy")
                seconds, written = program(label, folder / "in", folder / "out", TABLE)
                shutil.rmtree(folder / "out")
                ratios.append(seconds / cp * SLICES / written)
            _, written = program(label, folder / "hospital", folder / "out", TABLE)
            mine, all_ = leaks(folder / "hospital", folder / "out", planted)
            shutil.rmtree(folder / "out")
            print(f"{label:20}{median(ratios):10.1f}{written:10}{total:6}{mine:16}{all_:12}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--ours"]:
        _ours(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
