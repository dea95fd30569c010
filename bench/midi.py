"""De-identification by the ten action categories of MIDI-B, on made-up objects with an answer key.

    python bench/midi.py [--protocol NAME|FILE] [--patients N] [--keep FOLDER]

Each patient has two studies with 27 objects of ten modalities. Rows of objects that the run set aside are counted
apart: they did not leave, so nothing of them leaks, and nothing of them is of use. Exits with 1 where a category other
than `pixels_hidden` is below 100 %, or has nothing to score. `bench/pixels.toml` cleans pixels too; then a line beside
the ten tells how often the middle of a cleaned scan, where nothing was written, was left alone.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import midi_objects
from midi_key import ACTIONS, BESIDE, Row, Scorer, answers
from midi_objects import OBJECTS, Patient

from cohortium import keys
from cohortium.deidentify import load_protocol
from cohortium.values import Protocol
from cohortium.verify import record


def make(folder: Path, patients: int, protocol: Protocol) -> list[Row]:
    """Write the objects and `key.csv`; returns the answer key."""
    (folder / "in").mkdir(parents=True)
    rows: list[Row] = []
    for patient in map(Patient, range(patients)):
        for modality, (_, count, _, _) in OBJECTS.items():
            for index in range(count):
                dataset, painted = midi_objects.make(patient, modality, index)
                rows += answers(dataset, painted, patient, modality, protocol)
                name = f"{patient.surname}_{modality}_{index}.dcm"  # hospitals name files so
                dataset.save_as(folder / "in" / f"{patient.number:03d}_{name}", enforce_file_format=True)
    with (folder / "key.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(field.name for field in fields(Row))
        table.writerows(map(astuple, rows))
    return rows


@dataclass(frozen=True)
class Score:
    """What came of the rows of one category."""

    action: str
    rows: int
    quarantined: int
    passed: int

    @property
    def percent(self) -> float | None:
        scored = self.rows - self.quarantined
        return 100 * self.passed / scored if scored else None


def deidentified(folder: Path, protocol: str) -> tuple[list[tuple[Path, Path]], Counter[str]]:
    """What `cohortium deidentify` makes of the inputs: (input, output) by its record, and why others were set aside."""
    _cohortium(folder, "init", ".")
    _cohortium(folder, "subject", "secret", "--project", "midi")
    options = ("--protocol", protocol, "--project", "midi", "--jobs", "2", "--record", "run.record")
    _cohortium(folder, "deidentify", "in", "out", *options)
    site = keys.load(folder / "keys" / "site.key", folder / "data")
    marking = record.marking_key(site)
    inputs = {record.mark(path.read_bytes(), marking): path for path in (folder / "in").iterdir()}
    entries = record.read(folder / "run.record", site).entries
    pairs = [(inputs[each.source], folder / "out" / each.output) for each in entries if each.output]
    return pairs, Counter(each.reason for each in entries if not each.output)


def _cohortium(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-c", "from cohortium.cli import main; main()", *arguments]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def bench(folder: Path, patients: int, name: str) -> tuple[list[Score], Counter[str], list[Row]]:
    """Scores, what was set aside and why, and the rows that failed, under the protocol of this name or path."""
    protocol = load_protocol(name)
    key = make(folder, patients, protocol)
    pairs, aside = deidentified(folder, name)
    scorer = Scorer(pairs, protocol)
    scored = [row for row in key if row.instance in scorer.after]
    failed = [row for row in scored if not scorer.passes(row)]
    rows, out, bad = (Counter(row.action for row in each) for each in (key, scored, failed))
    scores = [Score(each, rows[each], rows[each] - out[each], out[each] - bad[each]) for each in (*ACTIONS, BESIDE)]
    return scores, aside, failed


def show(scores: list[Score], aside: Counter[str], failed: list[Row], protocol: Protocol) -> None:
    print(f"protocol {protocol.name} {protocol.version}, sha256:{protocol.digest[:16]}")
    print(f"{'action':<18}{'rows':>8}{'set aside':>11}{'scored':>8}{'passed':>8}{'score':>10}")
    for each in scores:
        percent = "none" if each.percent is None else f"{each.percent:.2f} %"
        print(
            f"{each.action:<18}{each.rows:>8}{each.quarantined:>11}{each.rows - each.quarantined:>8}"
            f"{each.passed:>8}{percent:>10}"
        )
    print(f"set aside: {sum(aside.values())} objects; a row of theirs is neither passed nor failed")
    for reason, count in aside.items():
        print(f"  {count} {reason}")
    for (action, modality, where), count in Counter((row.action, row.modality, row.where) for row in failed).items():
        print(f"failed: {action} {modality} {where}: {count}")


def main() -> int:
    parser = argparse.ArgumentParser(description="MIDI-B's ten action categories on made-up objects")
    parser.add_argument("--protocol", default="basic", help="a shipped protocol, or the path of one")
    parser.add_argument("--patients", type=int, default=10, help="27 objects each")
    parser.add_argument("--keep", type=Path, help="a new folder for inputs, outputs and the answer key")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cohortium-midi-") as temporary:
        scores, aside, failed = bench(arguments.keep or Path(temporary), arguments.patients, arguments.protocol)
    show(scores, aside, failed, load_protocol(arguments.protocol))
    return int(any(each.percent != 100 for each in scores if each.action not in ("pixels_hidden", BESIDE)))


if __name__ == "__main__":
    sys.exit(main())
