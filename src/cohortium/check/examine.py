"""A whole delivery held against a specification: series by series over all cores, then what only all of it can tell.

What always holds: no more than one series at a time is held by a worker, and of each rule it is known how often it
was asked, what it found, and where it could not look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType

from cohortium import __version__
from cohortium.check import naming, quality, scan
from cohortium.check.answers import Answers, Looked
from cohortium.check.delivery import Delivery, Here, Place, Progress, Source, Table, find
from cohortium.check.outline import Outline
from cohortium.check.pictures import Picture, few, pictures, was_judged
from cohortium.check.registry import checks
from cohortium.check.report import Report, Spot, order
from cohortium.check.resumed import Kept
from cohortium.check.rule import Scope
from cohortium.check.specification import Specification
from cohortium.dicom import conformance
from cohortium.values import Finding

__all__ = ["examine", "judge", "look_at_files"]

Look = Callable[[Place], Looked]
MIXED = "SeriesInstanceUID stands for several series"


def examine(
    root: Path,
    specification: Specification,
    executor: Executor | None = None,
    progress: Progress = lambda *_: None,
    left_out: Mapping[str, str] = MappingProxyType({}),
    *,
    draw: bool = False,
    resume: Path | None = None,
) -> Report:
    """The report on the delivery below `root`; `ConfigError` where that is no folder. As `judge` has it."""
    delivery = find(root, executor, progress)
    return judge(delivery, specification, executor, progress, left_out, draw=draw, resume=resume)


def judge(
    delivery: Delivery,
    specification: Specification,
    executor: Executor | None = None,
    progress: Progress = lambda *_: None,
    left_out: Mapping[str, str] = MappingProxyType({}),
    *,
    draw: bool = False,
    resume: Path | None = None,
) -> Report:
    """The report on a delivery of which it is known what lies where.

    `left_out` are rules that somebody does not want held against this delivery, with why; they count as skipped. With
    `draw` there are pictures of slices in it that findings are about. What is found of each series is kept in the
    folder `resume` until all is done, and is not looked for again.
    """
    answers = Answers(left_out)
    outlines, broken, drawn = list[Outline](), [*delivery.broken], list[Picture]()
    shown = Counter[str]()  # pictures of each rule
    look = partial(_series, delivery.source, specification, dict(left_out), draw)
    software = ", ".join(filter(None, (f"Cohortium {__version__}", conformance.version())))
    context = repr((software, specification, sorted(left_out.items()), draw))
    kept = Kept(resume, delivery, context) if resume else None
    for looked in _looks(look, delivery.places, executor, progress, kept):
        answers.add(looked.answers)
        outlines += [looked.outline] if looked.outline else []
        broken += looked.broken
        drawn += few(looked.pictures, shown)
    tables = (executor.map if executor else map)(partial(_table, specification, dict(left_out)), delivery.tables)
    for done, answer in enumerate(tables, 1):
        answers.add(answer)
        progress("tables", done, len(delivery.tables))
    delivery = replace(delivery, outlines=tuple(outlines), broken=tuple(broken))
    for patient in delivery.patients():
        answers.ask(specification, Scope.PATIENT, patient)
    answers.ask(specification, Scope.DELIVERY, delivery)
    if kept:
        kept.clear()
    return Report(
        specification=specification,
        software=software,
        checked=datetime.now(UTC).isoformat(timespec="seconds"),
        delivery=delivery,
        outcomes=tuple(answers.outcomes(specification)),
        findings=tuple(sorted(map(_shown, answers.findings), key=order)),
        unlisted=_counted(answers.unlisted),
        pictures=tuple(drawn),
    )


def look_at_files(here: Here, SeriesInstanceUID: str, specification: Specification) -> Answers:
    """What the rules say that want the files of a series, and no more."""
    answers = Answers({})
    if here.names:
        answers.ask(specification, Scope.FILES, scan.read(here.root, SeriesInstanceUID, here.names))
    return answers


def _looks(
    look: Look, places: Sequence[Place], executor: Executor | None, progress: Progress, kept: Kept | None
) -> Iterator[Looked]:
    """What came of each series, in order; with `kept`, what is not kept yet is kept as soon as it is done."""
    if kept is None:
        for done, looked in enumerate((executor.map if executor else map)(look, places), 1):
            progress("series", done, len(places))
            yield looked
        return
    missing = [place for place in places if kept.get(place) is None]
    for done, (place, looked) in enumerate(_as_done(look, missing, executor), len(places) - len(missing) + 1):
        kept.put(place, looked)
        progress("series", done, len(places))
    yield from (kept.get(place) or look(place) for place in places)


def _as_done(look: Look, places: Sequence[Place], executor: Executor | None) -> Iterator[tuple[Place, Looked]]:
    if executor is None:
        yield from ((place, look(place)) for place in places)
        return
    futures = {executor.submit(look, place): place for place in places}
    for future in as_completed(futures):
        yield futures.pop(future), future.result()


def _series(
    source: Source, specification: Specification, left_out: Mapping[str, str], draw: bool, place: Place
) -> Looked:
    """Runs in a worker: what the rules say of one series."""
    with source.at_hand(place) as here:
        return _looked(scan.read(here.root, place.SeriesInstanceUID, here.names), specification, left_out, draw)


def _looked(seen: scan.Scan, specification: Specification, left_out: Mapping[str, str], draw: bool) -> Looked:
    answers = Answers(left_out)
    outline, drawn = Outline.of(seen), tuple[Picture, ...]()
    if outline is not None:
        answers.ask(specification, Scope.SERIES, seen.series, MIXED if outline.mixed else "")
        answers.ask(specification, Scope.FILES, seen)
        outline = replace(outline, numbers=quality.numbers(seen))
        answers = answers.of_patient(outline.patient)
        if draw and not outline.mixed and was_judged(answers.asked, answers.skipped, answers.findings):
            drawn = pictures(seen, answers.findings, checks())
    return Looked(answers, outline, seen.broken, drawn)


def _table(specification: Specification, left_out: Mapping[str, str], table: Table) -> Answers:
    """Runs in a worker: what the rules say of one table."""
    answers = Answers(left_out)
    answers.ask(specification, Scope.TABLE, table)
    return answers


def _shown(finding: Finding) -> Finding:
    series, instance = naming.uid(finding.SeriesInstanceUID), naming.uid(finding.SOPInstanceUID)
    return replace(finding, SeriesInstanceUID=series, SOPInstanceUID=instance)


def _counted(unlisted: Mapping[Spot, int]) -> Mapping[Spot, int]:
    counts = Counter[Spot]()
    for spot, count in unlisted.items():
        counts[spot._replace(SeriesInstanceUID=naming.uid(spot.SeriesInstanceUID))] += count
    return counts
