"""Clinical tables for tests: a protocol, a file, and what became of it."""

from __future__ import annotations

import csv
import itertools
from dataclasses import dataclass
from pathlib import Path

from cohortium.deidentify import load_protocol, tree
from cohortium.deidentify.secret import Secret
from cohortium.deidentify.subjects import Assigner
from cohortium.keys import SiteKey
from cohortium.values import Protocol

KEY = SiteKey(bytes(32))
HEAD = 'name = "p"\nversion = "1"\ntitle = "t"\nedition = "2026c"\nbase = "basic"\n'
MODIFIED = 'options = ["Retain Longitudinal Temporal Information Modified Dates"]\n'
FULL = 'options = ["Retain Longitudinal Temporal Information Full Dates"]\n'
COLUMNS = """
[clinical.tables.patients]
files = ["patients.csv"]
patient = "PatNr"
{settings}
[clinical.tables.patients.columns]
PatNr = "pseudonym"
{columns}
"""
_numbers = itertools.count()


@dataclass(frozen=True)
class Result:
    """An outcome, and the output as rows of text."""

    outcome: tree.Outcome
    heading: list[str]
    rows: list[list[str]]
    text: str

    def column(self, name: str) -> list[str]:
        return [row[self.heading.index(name)] for row in self.rows]

    @property
    def rules(self) -> list[str]:
        return [finding.rule for finding in self.outcome.findings]

    @property
    def aside(self) -> dict[str, str]:
        assert self.outcome.rows
        return {reason: str(numbers) for reason, numbers in self.outcome.rows.aside.items()}


def protocol(folder: Path, columns: str = "", settings: str = "", before: str = FULL) -> Protocol:
    return written(folder, before + COLUMNS.format(columns=columns, settings=settings))


def written(folder: Path, text: str) -> Protocol:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"p{next(_numbers)}.toml"
    path.write_text(HEAD + text, "utf-8")
    return load_protocol(path)


def run(
    folder: Path,
    by: Protocol,
    content: str | bytes,
    name: str = "patients.csv",
    assigner: Assigner | None = None,
    secret: Secret | None = None,
) -> Result:
    """What becomes of one table."""
    number = next(_numbers)
    source, destination = folder / f"in{number}" / name, folder / f"out{number}"
    source.parent.mkdir(parents=True)
    source.write_bytes(content.encode() if isinstance(content, str) else content)
    task = tree.Task(by, KEY, "project", destination, secret=secret)
    (outcome,) = tree.run(task, [(source, "")], None, assigner)
    assert not (destination / tree.STAGING).exists()
    text = (destination / outcome.output).read_text("utf-8") if outcome.output else ""
    heading, *rows = list(csv.reader(text.splitlines(keepends=True))) or [[]]
    return Result(outcome, heading, rows, text)
