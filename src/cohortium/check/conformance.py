"""Whether objects conform to the DICOM standard (check 8), by dciodvfy and dcentvfy of dicom3tools.

Every whole object of a series is asked about, and those of one patient, study or series are compared. Where a program
is not installed, crashes or takes too long, the rule is skipped, with the reason: that is neither a fault of the data
nor conformance. What another rule reports of values over a scan is left out here, and that an attribute is there in
one series and absent in another, which dcentvfy warns of.
"""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from time import monotonic

from cohortium.check.delivery import Delivery
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
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        objects = list({each.SOPInstanceUID: each for fault in faults for each in verdict.faults[fault]}.values())
        fact = f"{kind}{': ' if names else ''}{', '.join(names[:SHOWN])}{more}, in {_amount(objects, scan)}"
        yield scan.series.finding(rule, fact, objects)
    yield from map(Skipped, verdict.skipped)


def series(scan: Scan, rule: Rule) -> Found:
    """Objects of a series say the same of their patient, study and series."""
    for fault, count in _compared([file.path for file in scan.files]):
        if isinstance(fault, Skipped):
            yield fault
        else:
            yield scan.series.finding(rule, _difference(fault, count), variable=fault.names[-1])


def patient(delivery: Delivery, rule: Rule) -> Found:
    """Series of a patient say the same of the patient, and those of a study of the study."""
    places = {place.SeriesInstanceUID: place for place in delivery.places}
    for one in delivery.patients():
        first = [delivery.root / next(places[each.SeriesInstanceUID].names()) for each in one.outlines]
        for fault, count in _compared(first) if len(first) > 1 else ():
            if isinstance(fault, Skipped):
                yield fault
            else:
                where = {"patient": one.outlines[0].patient, "variable": fault.names[-1]}
                yield rule.finding(_difference(fault, count), **where)


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


def _compared(paths: Sequence[Path]) -> Iterator[tuple[Fault | Skipped, int]]:
    """Each attribute that differs where it should not, and in how many objects."""
    if not shutil.which(conformance.ENTITIES):
        yield Skipped(_not_installed(conformance.ENTITIES)), 0
        return
    found: Counter[Fault] = Counter()
    for at in range(1, len(paths), BATCH):
        try:
            found += conformance.differences([paths[0], *paths[at : at + BATCH]])
        except Crashed:
            yield Skipped(_crashed(conformance.ENTITIES)), 0
    for fault, count in sorted(found.items()):
        if (
            fault.severity is Severity.ERROR
            and fault.path
            and fault.kind in DIFFERENT
            and fault.names[-1] not in _one_value()
        ):
            yield fault, count


def _difference(fault: Fault, count: int) -> str:
    objects = "one object" if count == 1 else f"{count} objects"
    return f"{_name(fault)}{fault.kind} ({fault.part}), in {objects} held against another"


@cache
def _one_value() -> frozenset[str]:
    """Attributes of which uniformity tells."""
    return frozenset({each.keyword for each in meta.attributes() if "*" in each.one_value})


def _is_allowed(fault: Fault, rule: Rule) -> bool:
    return any(text.startswith(rule.allowed) for text in (fault.kind, f"{_name(fault)}{fault.kind}"))


def _name(fault: Fault) -> str:
    return f"{' > '.join(fault.names)}: " if fault.path else ""


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
    Check("conformance.series", Scope.FILES, series),
    Check("conformance.warning", Scope.FILES, warning, ALLOWED),
)
