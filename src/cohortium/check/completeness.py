"""Whether the series is whole: enough slices, and none missing between two others.

Slices missing at either end leave no trace in the geometry; the count alone can tell.
"""

from __future__ import annotations

from collections.abc import Iterator

from cohortium.check import volumes
from cohortium.check.rule import Check, Limit, Rule, Scope, Shown
from cohortium.check.scan import Scan, middle
from cohortium.check.series import Series, figure
from cohortium.dicom import meta
from cohortium.values import Finding, Instance

__all__ = ["CHECKS"]


def slices(series: Series, rule: Rule) -> Iterator[Finding]:
    """The number of slices lies within the limits; objects that are no images have none to count."""
    if series.images and not rule.least <= series.slices <= rule.most:
        expected = f"{figure(rule.least)} to {figure(rule.most)} are expected"
        yield series.finding(rule, f"{series.slices} {_slices(series.slices)}, {expected}")


def attributes(scan: Scan, rule: Rule) -> Iterator[Finding]:
    """Each attribute that is required has a value in every image of a modality that has it."""
    series, own = scan.series, {each.keyword: each.one_value for each in meta.attributes()}
    for keyword in rule.limits["required"]:
        modalities = own.get(keyword) or frozenset("*")
        images = [each for each in series.images if "*" in modalities or each.Modality in modalities]
        silent = [each for each in images if not _stated(each, keyword)]
        if silent:
            fact = f"{keyword} is missing or empty in {len(silent)} of {len(images)} images"
            yield series.finding(rule, fact, silent, keyword)


def _stated(instance: Instance, keyword: str) -> bool:
    return bool(getattr(instance, keyword) if keyword in meta.FIELDS else instance.text(keyword))


def missing(series: Series, rule: Rule) -> Iterator[Finding]:
    """No room for a slice is left between two neighbours."""
    gaps = [each for each in series.intervals() if each.missing]
    if not gaps:
        yield from _fewer(series, rule)
        return
    total = sum(gap.missing for gap in gaps)
    fact = (
        f"{total} {_slices(total)} missing between positions {figure(gaps[0].below)} and {figure(gaps[0].above)} mm"
        if len(gaps) == 1
        else f"{total} slices missing in {len(gaps)} gaps, the first between positions "
        f"{figure(gaps[0].below)} and {figure(gaps[0].above)} mm"
    )
    yield series.finding(rule, fact)


def _fewer(series: Series, rule: Rule) -> Iterator[Finding]:
    """Volumes of a series that have fewer slices than the others, or a series of PET than it says of itself."""
    lost, places = volumes.of(series).lost
    if lost:
        usual = volumes.of(series).usual
        where = f"{places} {'position' if places == 1 else 'positions'}"
        yield series.finding(rule, f"{lost} {_slices(lost)} missing in {where}, where others hold {usual}")
        return
    said = [_expected(each) for each in series.images if each.Modality == "PT" and meta.frames(each) == 1]
    if said and None not in said and len(set(said)) == 1 and series.slices < (said[0] or 0):
        there = f"{series.slices} {_slices(series.slices)}"
        yield series.finding(rule, f"{there}, and the images say {said[0]} (NumberOfSlices, NumberOfTimeSlices)")


def _expected(instance: Instance) -> int | None:
    """How many slices a series of PET says that it has; gated ones are not counted (PS3.3 C.8.9.1)."""
    kind = instance.text("SeriesType").partition("\\")[0]
    slices, times = instance.number("NumberOfSlices"), instance.number("NumberOfTimeSlices")
    if kind not in ("STATIC", "WHOLE BODY", "DYNAMIC") or not slices:
        return None
    return int(slices) * int(times or 1) if kind == "DYNAMIC" else int(slices)


def _beside_gap(scan: Scan) -> Shown:
    widest = max(scan.series.intervals(), key=lambda each: each.missing, default=None)
    if widest is None or not widest.missing:
        return middle(scan)
    below, above = scan.series.beside(widest)
    return [(below, "the last before the widest gap"), (above, "the first after it")]


def _slices(number: int) -> str:
    return "slice" if number == 1 else "slices"


CHECKS = (
    Check("completeness.attributes", Scope.FILES, attributes, {"required": Limit.TEXTS}),
    Check("completeness.missing", Scope.SERIES, missing, show=_beside_gap),
    Check("completeness.slices", Scope.SERIES, slices, {"least": Limit.NUMBER, "most": Limit.NUMBER}, middle),
)
