"""Whether anything in a series tells who somebody is (check 1): attributes, private elements, texts, names, pixels.

It judges by allowing, so it says "unexpected" and not "a name"; a finding names the attribute and never its value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import PurePosixPath

from cohortium.check import naming
from cohortium.check.delivery import Delivery
from cohortium.check.noticed import ATTRIBUTE, PRIVATE, TEXT
from cohortium.check.rule import Check, Found, Limit, Rule, Scope, Skipped
from cohortium.check.scan import Scan
from cohortium.texts.said import Said
from cohortium.texts.wording import objection
from cohortium.values import Finding

__all__ = ["CHECKS"]

BROKEN = "headers that are broken are not looked through"
SHOWN = 3  # private attributes named in a finding
NUMBERED = 8  # digits of a number that a device gives its files


def attribute(scan: Scan, rule: Rule) -> Found:
    """No attribute that identifies has a value, but for those allowed."""
    return _noticed(scan, rule, ATTRIBUTE, rule.allowed)


def private(scan: Scan, rule: Rule) -> Found:
    """No private element is there that is not declared safe."""
    names = sorted({name for file in scan.files for each, name, _ in file.notices or () if each == PRIVATE})
    if names:
        more = ", ..." if len(names) > SHOWN else ""
        count = "1 private attribute" if len(names) == 1 else f"{len(names)} private attributes"
        yield _finding(scan, rule, f"{count} that nothing declares safe: {', '.join(names[:SHOWN])}{more}")
    yield from _not_seen(scan)


def text(scan: Scan, rule: Rule) -> Found:
    """No text holds more than the words that radiology shares."""
    return _noticed(scan, rule, TEXT, ())


def file_name(delivery: Delivery, rule: Rule) -> Found:
    """No file or folder is called by more than UIDs, numbers, words that radiology shares and patients' identifiers."""
    known = frozenset(PatientID for outline in delivery.outlines for PatientID in outline.patients)
    where = {outline.SeriesInstanceUID: outline.where for outline in delivery.outlines}
    for place in delivery.places:
        names = list(place.names())
        if wrong := _telling(names, known):
            fact = f"{wrong} of {len(names)} files, or their folders, are called by more than UIDs and numbers"
            yield rule.finding(fact, **where.get(place.SeriesInstanceUID, {}))
    others = (*delivery.metadata, *delivery.associations, *delivery.strays, *(each.name for each in delivery.broken))
    if wrong := _telling(others, known):
        yield rule.finding(f"{wrong} other files, or their folders, are called by more than UIDs and numbers")


def burned_in(scan: Scan, rule: Rule) -> Found:
    """No object says of itself that words are part of its picture."""
    said = [file for file in scan.files if file.instance.text("BurnedInAnnotation").upper() == "YES"]
    if said:
        fact = f"BurnedInAnnotation is YES in {len(said)} of {len(scan.files)} objects"
        yield _finding(scan, rule, fact, "BurnedInAnnotation")


def declared(scan: Scan, rule: Rule) -> Found:
    """Every object says that it is de-identified."""
    silent = [file for file in scan.files if file.instance.text("PatientIdentityRemoved").upper() != "YES"]
    if silent:
        fact = f"PatientIdentityRemoved is not YES in {len(silent)} of {len(scan.files)} objects"
        yield _finding(scan, rule, fact, "PatientIdentityRemoved")


def _noticed(scan: Scan, rule: Rule, kind: str, allowed: tuple[str, ...]) -> Found:
    """What was noticed of a kind, attribute by attribute."""
    counts: Counter[tuple[str, str]] = Counter()
    for file in scan.files:
        counts.update((name, what) for each, name, what in file.notices or () if each == kind and name not in allowed)
    for (name, what), count in sorted(counts.items()):
        yield _finding(scan, rule, f"{name} {what}, in {count} of {len(scan.files)} objects", name)
    yield from _not_seen(scan)


def _not_seen(scan: Scan) -> Found:
    if any(file.notices is None for file in scan.files):
        yield Skipped(BROKEN)


def _finding(scan: Scan, rule: Rule, fact: str, variable: str = "") -> Finding:
    return rule.finding(fact, SeriesInstanceUID=scan.SeriesInstanceUID, variable=variable)


def _telling(names: Collection[str], known: frozenset[str]) -> int:
    """How many of these paths may tell who somebody is."""
    parts = {part for name in names for part in PurePosixPath(name).parts}
    wrong = {part for part in parts if not _is_harmless(part, known)}
    return sum(not wrong.isdisjoint(PurePosixPath(name).parts) for name in names) if wrong else 0


def _is_harmless(part: str, known: frozenset[str]) -> bool:
    stem = PurePosixPath(part).stem
    return (
        part in known
        or naming.masked(part) == part
        or (stem.isdecimal() and len(stem) <= NUMBERED)
        or not objection(Said("", stem), known)
    )


CHECKS = (
    Check("privacy.attribute", Scope.FILES, attribute, {"allowed": Limit.TEXTS}),
    Check("privacy.burned-in", Scope.FILES, burned_in),
    Check("privacy.declared", Scope.FILES, declared),
    Check("privacy.file-name", Scope.DELIVERY, file_name),
    Check("privacy.private", Scope.FILES, private),
    Check("privacy.text", Scope.FILES, text),
)
