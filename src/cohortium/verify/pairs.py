"""Bringing outputs together with their inputs, by the record of the run, and telling what it does not account for.

A pair is made only where the bytes on both sides are those of the run: the input by its mark, the output by its digest.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filereader import dcmread

from cohortium.keys import SiteKey
from cohortium.verify.checks import Problem
from cohortium.verify.elements import UNREADABLE
from cohortium.verify.record import Blank, Entry, Record, mark, marking_key

__all__ = ["Opened", "Pair", "Pairing", "opened", "pair"]


@dataclass(frozen=True, slots=True)
class Pair:
    """An input and what was made of it; `name` is the output's path below DST, `blanks` what was blanked in it."""

    source: Path
    output: Path
    name: str
    blanks: tuple[Blank, ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """A pair, read with pydicom."""

    pair: Pair
    before: Dataset
    after: Dataset


@dataclass(frozen=True, slots=True)
class Pairing:
    """All pairs, what could not be paired, and what the run set aside, by reason."""

    pairs: tuple[Pair, ...]
    problems: tuple[Problem, ...]
    set_aside: Mapping[str, int]


def pair(record: Record, key: SiteKey, inputs: Iterable[Path], outputs: Iterable[tuple[str, Path]]) -> Pairing:
    """Pair `inputs` with `outputs` (path below DST, file)."""
    secret = marking_key(key)
    sources = {mark(path.read_bytes(), secret): path for path in inputs}
    made: dict[str, Entry] = {}
    for entry in record.entries:
        if entry.output:
            made.setdefault(entry.output, entry)
    pairs, problems, present = [], [], set()
    for name, path in outputs:
        present.add(name)
        found = made.get(name)
        if found is None:
            problems.append(Problem(name, "no input is recorded for it"))
        elif hashlib.sha256(path.read_bytes()).hexdigest() != found.digest:
            problems.append(Problem(name, "has other bytes than the run wrote"))
        elif found.source not in sources:
            problems.append(Problem(name, "its input is not in SRC any more, or has changed"))
        else:
            pairs.append(Pair(sources[found.source], path, name, found.blanks))
    problems += [Problem(name, "was written by the run and is not there") for name in made if name not in present]
    problems += _unrecorded(sources, record.entries)
    aside = Counter(entry.reason or entry.state for entry in record.entries if not entry.output)
    return Pairing(tuple(pairs), tuple(problems), dict(sorted(aside.items())))


def _unrecorded(sources: Mapping[str, Path], entries: Iterable[Entry]) -> Iterator[Problem]:
    count = len(sources.keys() - {entry.source for entry in entries})
    if count:
        yield Problem("SRC", f"{count} files are not in the record: they came, or changed, after the run")


def opened(each: Pair) -> Opened | None:
    """Both sides, or None where pydicom cannot read one of them."""
    try:
        return Opened(each, dcmread(each.source), dcmread(each.output))
    except UNREADABLE:
        return None
