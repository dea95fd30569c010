"""Whether objects conform to the DICOM standard (check 8), by dciodvfy and dcentvfy of dicom3tools.

Every whole object of a series is asked about, and those of one patient, study or series are compared. Where a program
is not installed, crashes or takes too long, the rule is skipped, with the reason: that is neither a fault of the data
nor conformance. What another rule reports of values over a scan is left out here.
"""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from time import monotonic

from cohortium.check.delivery import Delivery, Place, Source
from cohortium.check.rule import Check, Found, Limit, Rule, Scope, Skipped, once
from cohortium.check.scan import Scan
from cohortium.dicom import conformance, meta
from cohortium.dicom.conformance import Crashed, Fault
from cohortium.values import Instance, Severity

__all__ = ["CHECKS"]

SECONDS = 300.0  # for the objects of one series
BATCH = 1024  # objects compared with one another in one go
SHOWN = 3  # attributes named in a warning
LATE = f"dciodvfy took more than {SECONDS:.0f} s for a series; the rest of its objects were not asked about"
DIFFERENT = (  # an identifier that stands for two things is a matter of uniqueness
    "Attribute has different value multiplicity",
    "Numeric attribute has different value",
    "Numeric string attribute has different value",
    "Sequence has different number of items",
    "String attribute has different value",
)


@dataclass(slots=True)
class Verdict:
    """What dciodvfy says of a series: the objects with each fault, and why some were not asked about."""

    faults: dict[Fault, list[Instance]] = field(default_factory=lambda: defaultdict(list))
    skipped: list[str] = field(default_factory=list)


def error(scan: Scan, rule: Rule) -> Found:
    """dciodvfy finds no error."""
    verdict = once(scan, _verdict)
    for fault, objects in sorted(verdict.faults.items(), key=lambda each: each[0]):
        if fault.severity is Severity.ERROR and not _is_allowed(fault, rule):
            module = f" (module {fault.part})" if fault.part else ""
            fact = f"{_name(fault)}{fault.kind}{module}, in {_amount(objects, scan)}"
            yield scan.series.finding(rule, fact, objects, fault.names[-1] if fault.path else "")
    yield from map(Skipped, verdict.skipped)


def warning(scan: Scan, rule: Rule) -> Found:
    """dciodvfy warns of nothing; what it warns of in the same words is told together."""
    verdict = once(scan, _verdict)
    kinds: dict[str, list[Fault]] = defaultdict(list)
    for fault in sorted(verdict.faults):
        if fault.severity is Severity.WARNING and not _is_allowed(fault, rule):
            kinds[fault.kind].append(fault)
    for kind, faults in kinds.items():
        names = list(dict.fromkeys(" > ".join(fault.names) for fault in faults if fault.path))
        objects = list({each.SOPInstanceUID: each for fault in faults for each in verdict.faults[fault]}.values())
        fact = f"{kind}{': ' if names else ''}{_some(names)}, in {_amount(objects, scan)}"
        yield scan.series.finding(rule, fact, objects)
    yield from map(Skipped, verdict.skipped)


def series(scan: Scan, rule: Rule) -> Found:
    """Objects of a series say the same of their patient, study and series."""
    return _different(once(scan, _within), rule, scan.SeriesInstanceUID)


def series_warning(scan: Scan, rule: Rule) -> Found:
    """Objects of a series say as much as each other of these."""
    return _unlike(once(scan, _within), rule, scan.SeriesInstanceUID)


def patient(delivery: Delivery, rule: Rule) -> Found:
    """Series of a patient say the same of the patient, and those of a study of the study."""
    for shown, compared in once(delivery, _across):
        yield from _different(compared, rule, patient=shown)


def patient_warning(delivery: Delivery, rule: Rule) -> Found:
    """Series of a patient say as much as each other of the patient, and those of a study of the study."""
    for shown, compared in once(delivery, _across):
        yield from _unlike(compared, rule, patient=shown)


@dataclass(frozen=True, slots=True)
class Compared:
    """What dcentvfy says of some objects: in how many each fault is, and why some were not compared."""

    faults: Counter[Fault] = field(default_factory=Counter)
    skipped: tuple[Skipped, ...] = ()


def _different(compared: Compared, rule: Rule, series: str = "", patient: str = "") -> Found:
    """Each attribute that has another value, where only one may be."""
    for fault, count in sorted(compared.faults.items()):
        if fault.severity is Severity.ERROR and fault.kind in DIFFERENT:
            where = {"SeriesInstanceUID": series, "patient": patient, "variable": fault.names[-1]}
            yield rule.finding(f"{_name(fault)}{fault.kind} ({fault.part}), in {_objects(count)}", **where)
    yield from compared.skipped


def _unlike(compared: Compared, rule: Rule, series: str = "", patient: str = "") -> Found:
    """What it warns of, kind by kind."""
    kinds: dict[str, dict[str, int]] = defaultdict(dict)
    for fault, count in sorted(compared.faults.items()):
        if fault.severity is Severity.WARNING and not _is_allowed(fault, rule):
            kinds[fault.kind][fault.names[-1]] = count
    for kind, counts in kinds.items():
        fact = f"{kind}: {_some(list(counts))}, in {_objects(max(counts.values()))}"
        yield rule.finding(fact, SeriesInstanceUID=series, patient=patient)
    yield from compared.skipped


def _within(scan: Scan) -> Compared:
    return _compared([file.path for file in scan.files])


def _across(delivery: Delivery) -> list[tuple[str, Compared]]:
    """Of each patient with several series, how it is shown, and one object of each held against another."""
    places = {place.SeriesInstanceUID: place for place in delivery.places}
    return [
        (one.outlines[0].patient, _between([places[each.SeriesInstanceUID] for each in one.outlines], delivery.source))
        for one in delivery.patients()
        if len(one.outlines) > 1
    ]


def _between(series: Sequence[Place], source: Source) -> Compared:
    """How the first objects of several series differ."""
    with ExitStack() as stack:
        here = [stack.enter_context(source.at_hand(place, 1)) for place in series]
        return _compared([each.root / name for each in here for name in each.names])


def _verdict(scan: Scan) -> Verdict:
    """What dciodvfy says of each object; of broken ones structure.readable tells."""
    verdict, broken = Verdict(), {each.name for each in scan.broken}
    if not shutil.which(conformance.OBJECTS):
        verdict.skipped.append(_not_installed(conformance.OBJECTS))
        return verdict
    end = monotonic() + SECONDS
    for file in scan.files:
        if file.name in broken:
            continue
        if monotonic() > end:
            verdict.skipped.append(LATE)
            break
        try:
            for fault in conformance.faults(file.path):
                verdict.faults[fault].append(file.instance)
        except Crashed:
            verdict.skipped.append(_crashed(conformance.OBJECTS))
    verdict.skipped = list(dict.fromkeys(verdict.skipped))
    return verdict


def _compared(paths: Sequence[Path]) -> Compared:
    """All of these objects with one another, but for what uniformity tells of them."""
    if not shutil.which(conformance.ENTITIES):
        return Compared(skipped=(Skipped(_not_installed(conformance.ENTITIES)),))
    found: Counter[Fault] = Counter()
    skipped: tuple[Skipped, ...] = ()
    for at in range(1, len(paths), BATCH):
        try:
            found += conformance.differences([paths[0], *paths[at : at + BATCH]])
        except Crashed:
            skipped = (Skipped(_crashed(conformance.ENTITIES)),)
    told = {each: count for each, count in found.items() if each.path and each.names[-1] not in _one_value()}
    return Compared(Counter(told), skipped)


def _objects(count: int) -> str:
    return f"{'one object' if count == 1 else f'{count} objects'} held against another"


@cache
def _one_value() -> frozenset[str]:
    """Attributes of which uniformity tells."""
    return frozenset({each.keyword for each in meta.attributes() if "*" in each.one_value})


def _is_allowed(fault: Fault, rule: Rule) -> bool:
    return any(text.startswith(rule.allowed) for text in (fault.kind, f"{_name(fault)}{fault.kind}"))


def _name(fault: Fault) -> str:
    return f"{' > '.join(fault.names)}: " if fault.path else ""


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def _amount(objects: Sequence[Instance], scan: Scan) -> str:
    return f"{len(objects)} of {len(scan.files)} objects"


def _not_installed(program: str) -> str:
    return f"{program} is not installed (Debian package dicom3tools)"


def _crashed(program: str) -> str:
    return f"{program} crashed or did not end, so that nothing is known of what it was asked about"


ALLOWED = {"allowed": Limit.TEXTS}
CHECKS = (
    Check("conformance.error", Scope.FILES, error, ALLOWED),
    Check("conformance.patient", Scope.DELIVERY, patient),
    Check("conformance.patient-warning", Scope.DELIVERY, patient_warning, ALLOWED),
    Check("conformance.series", Scope.FILES, series),
    Check("conformance.series-warning", Scope.FILES, series_warning, ALLOWED),
    Check("conformance.warning", Scope.FILES, warning, ALLOWED),
)
