"""The whole proof of a folder: the search, the checks of every pair, what remains, and pictures to look at.

Everything in a `Proof` is of the outputs. What it shows of them may be what must not be shown: it is a secret.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pydicom.filereader import dcmread

from cohortium import __version__
from cohortium.keys import SiteKey
from cohortium.verify.checks import Check, Checked, Problem, Status, Tally
from cohortium.verify.conformance import Conformance
from cohortium.verify.dates import Dates
from cohortium.verify.elements import UNREADABLE
from cohortium.verify.followed import Followed
from cohortium.verify.identifiers import Patients, Uids
from cohortium.verify.pairs import Pairing, opened, pair
from cohortium.verify.policy import Matching
from cohortium.verify.privates import Privates
from cohortium.verify.recognised import Recognised
from cohortium.verify.record import Record
from cohortium.verify.remains import Remains, Remnant
from cohortium.verify.samples import Samples
from cohortium.verify.search import FILE_NAME, Report, search
from cohortium.verify.sheets import Sheet, chosen, sheet
from cohortium.verify.tables import checked as tables_checked
from cohortium.verify.tables import is_table

__all__ = ["Extent", "Proof", "Sample", "prove"]

Advance = Callable[[str, int, int], None]
PAIRED = "Every output has its input"


@dataclass(frozen=True, slots=True)
class Extent:
    """How far the proof goes where it cannot look at everything; `seed` makes what is drawn by chance repeatable.

    `series` are drawn to be shown; `pictures` of plain kinds to be read for text; `objects` of each series are held to
    their IOD, 0 for all.
    """

    seed: int
    series: int = 12
    pictures: int = 20
    objects: int = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """The series that were drawn to be looked at, out of how many."""

    seed: int = 0
    series: int = 0
    sheets: tuple[Sheet, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """All that is known about a folder of outputs.

    Without a record `checks` is empty; unless it was to show what remains, `remains` and `sample` are.
    """

    created: str
    software: str
    search: Report
    run: Record | None
    set_aside: Mapping[str, int]
    checks: tuple[Checked, ...]
    patients: Mapping[str, str]
    uids: Mapping[str, str]
    remains: tuple[Remnant, ...]
    unread: int
    sample: Sample

    @property
    def leaked(self) -> bool:
        """Whether something identifying was found, in bytes or in a picture."""
        return bool(self.search.hits) or Recognised.title in self._failed()

    @property
    def failed(self) -> bool:
        """Whether a check found something; what the search found is told apart."""
        return bool(self._failed())

    def _failed(self) -> set[str]:
        return {check.title for check in self.checks if check.status == Status.FAILED}


def prove(
    inputs: Sequence[Path],
    outputs: Sequence[tuple[str, Path]],
    record: tuple[Record, SiteKey] | None,
    extent: Extent,
    progress: Advance,
    *,
    show: bool = False,
) -> Proof:
    """Prove `outputs` (path below DST, file) against `inputs`; `record` is that of the run, and the key it is under.

    Only to `show` are pictures made and all values that remain collected.
    """

    def contents() -> Iterator[tuple[str, bytes]]:
        for done, (name, path) in enumerate(outputs, start=1):
            yield name, path.read_bytes()
            progress("search", done, len(outputs))

    pairing = pair(*record, inputs, outputs) if record else Pairing((), (), {})
    pairs = {each.name: (each.source, each.output) for each in pairing.pairs}
    matching = Matching(record[0], pairs) if record else None
    found = search(inputs, contents(), matching=matching)
    patients, uids = Patients(), Uids()
    checks: tuple[Checked, ...] = ()
    if matching:
        shown = _shown(found, [name for name, _ in outputs])
        images = replace(pairing, pairs=tuple(each for each in pairing.pairs if not is_table(each.output)))
        names = sorted(each.name for each in images.pairs)
        asked: tuple[Check, ...] = (uids, patients, *_questions(matching, names, extent))
        checks = (_paired(pairing, shown), *_checked(images, asked, shown, progress))
        checks += tuple(tables_checked(pairing.pairs, shown))
    remains, sample, unread = _looked_at(outputs, extent, progress) if show else ((), Sample(), 0)
    return Proof(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        software=f"Cohortium {__version__}",
        search=found,
        run=record[0] if record else None,
        set_aside=pairing.set_aside,
        checks=checks,
        patients=patients.mapping,
        uids=uids.mapping,
        remains=remains,
        unread=unread,
        sample=sample,
    )


def _questions(matching: Matching, names: Sequence[str], extent: Extent) -> tuple[Check, ...]:
    drawn = random.Random(extent.seed).sample(names, min(extent.pictures, len(names)))  # noqa: S311
    recognised, followed = Recognised(matching, frozenset(drawn)), Followed(matching.policy)
    return Dates(), Samples(), recognised, Privates(), followed, Conformance(extent.objects)


def _shown(found: Report, names: Sequence[str]) -> Mapping[str, str]:
    """How each output is called: by its path, unless that holds something identifying."""
    hidden = {hit.where for hit in found.hits if hit.at == FILE_NAME}
    labels = ((f"output {number}", name) for number, name in enumerate(names, start=1))
    return {name: label if label in hidden else name for label, name in labels}


def _paired(pairing: Pairing, shown: Mapping[str, str]) -> Checked:
    problems = tuple(Problem(shown.get(each.where, each.where), each.what) for each in pairing.problems)
    status = Status.FAILED if problems else Status.PASSED
    return Checked(PAIRED, status, f"{len(pairing.pairs)} pairs", problems)


def _checked(
    pairing: Pairing, checks: Sequence[Check], shown: Mapping[str, str], progress: Advance
) -> Iterator[Checked]:
    tallies = [Tally(check) for check in checks]
    for done, each in enumerate(pairing.pairs, start=1):
        both = opened(each)
        for tally in tallies:
            if both is None:
                tally.unread += 1
            else:
                tally.see(both, shown[each.name])
        progress("checks", done, len(pairing.pairs))
    return (tally.result() for tally in tallies)


def _looked_at(
    outputs: Sequence[tuple[str, Path]], extent: Extent, progress: Advance
) -> tuple[tuple[Remnant, ...], Sample, int]:
    remains, series, unread = _looked_through(outputs, progress)
    sheets: list[Sheet] = []
    names = chosen(series, extent.series, extent.seed)
    for name in names:
        sheets.append(sheet(name, series[name]))
        progress("pictures", len(sheets), len(names))
    return remains.remnants(), Sample(extent.seed, len(series), tuple(sheets)), unread


def _looked_through(
    outputs: Sequence[tuple[str, Path]], progress: Advance
) -> tuple[Remains, dict[str, list[Path]], int]:
    """What remains in the outputs, the files of each series with pixels, and how many files are no DICOM."""
    remains, series, unread = Remains(), dict[str, list[Path]](), 0
    for done, (_, path) in enumerate(outputs, start=1):
        try:
            dataset = dcmread(path)
        except UNREADABLE:
            unread += 1
            continue
        remains.see(dataset)
        if "PixelData" in dataset:
            series.setdefault(str(dataset.get("SeriesInstanceUID")), []).append(path)
        progress("values", done, len(outputs))
    return remains, series, unread
