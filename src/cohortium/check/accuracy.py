"""Whether figures lie within their limits. Objects without pixels and localizers have no figures to judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cohortium.check.rule import Check, Limit, Rule, Scope
from cohortium.check.scan import Scan, middle
from cohortium.check.series import Series, figure
from cohortium.dicom import meta
from cohortium.values import Finding, Instance

__all__ = ["CHECKS"]


def modality(series: Series, rule: Rule) -> Iterator[Finding]:
    """Modality is one of those allowed."""
    wrong = [each for each in series.instances if each.Modality not in rule.allowed]
    if wrong:
        amount = _share(len(wrong), len(series.instances), "objects")
        yield series.finding(rule, f"Modality is not {' or '.join(rule.allowed)} in {amount}", wrong, "Modality")


def convolution_kernel(scan: Scan, rule: Rule) -> Iterator[Finding]:
    """ConvolutionKernel is stated for images of computed tomography."""
    series = scan.series
    silent = [each for each in series.images if each.Modality == "CT" and not each.text("ConvolutionKernel")]
    if silent:
        yield series.finding(
            rule, f"ConvolutionKernel is missing in {_of(series, silent)}", silent, "ConvolutionKernel"
        )


def units(scan: Scan, rule: Rule) -> Iterator[Finding]:
    """Values of CT and PET can be rescaled, and to one of the units allowed; of CT, where none is named it is HU."""
    series = scan.series
    images = [each for each in series.images if each.Modality in ("CT", "PT")]
    unscaled = [each for each in images if None in map(each.number, RESCALE)]
    if unscaled:
        yield series.finding(
            rule, f"{' or '.join(RESCALE)} is missing in {_of(series, unscaled)}", unscaled, RESCALE[0]
        )
    others = [each for each in images if each.Modality == "CT" and each.text("RescaleType") not in ("", *rule.allowed)]
    if others:
        fact = f"the unit is not {' or '.join(rule.allowed)} in {_of(series, others)}"
        yield series.finding(rule, fact, others, "RescaleType")
    single = [each for each in images if each.Modality == "PT" and meta.frames(each) == 1]
    if unknown := [each for each in single if each.text("Units") not in rule.limits["pet"]]:
        yield series.finding(rule, f"Units is missing or none of PET in {_of(series, unknown)}", unknown, "Units")
    if shifted := [each for each in single if each.number("RescaleIntercept") not in (0, None)]:
        yield series.finding(rule, f"RescaleIntercept is not 0 in {_of(series, shifted)}", shifted, "RescaleIntercept")


def pixel_spacing(series: Series, rule: Rule) -> Iterator[Finding]:
    """Both values of PixelSpacing lie within the limits, in mm."""
    return _within(series, rule, "PixelSpacing", 2)


def slice_thickness(series: Series, rule: Rule) -> Iterator[Finding]:
    """SliceThickness lies within the limits, in mm."""
    return _within(series, rule, "SliceThickness", 1)


def _within(series: Series, rule: Rule, keyword: str, count: int) -> Iterator[Finding]:
    figures = [(each, each.numbers(keyword) or ()) for each in series.images]
    absent = [each for each, values in figures if len(values) != count]
    if absent:
        yield series.finding(rule, f"{keyword} is missing or no number in {_of(series, absent)}", absent, keyword)
    outside = [
        (each, values)
        for each, values in figures
        if len(values) == count and not rule.least <= min(values) <= max(values) <= rule.most
    ]
    if outside:
        values = [value for _, pair in outside for value in pair]
        span = " to ".join(dict.fromkeys((figure(min(values)), figure(max(values)))))
        blamed = [each for each, _ in outside]
        limits = f"{figure(rule.least)} to {figure(rule.most)} mm is allowed"
        yield series.finding(rule, f"{keyword} is {span} mm in {_of(series, blamed)}, {limits}", blamed, keyword)


def _of(series: Series, some: Sequence[Instance]) -> str:
    return _share(len(some), len(series.images), "images")


def _share(some: int, whole: int, noun: str) -> str:
    return f"all {whole} {noun}" if some == whole > 1 else f"{some} of {whole} {noun}"


RESCALE = ("RescaleIntercept", "RescaleSlope")
SPAN = {"least": Limit.NUMBER, "most": Limit.NUMBER}
CHECKS = (
    Check("accuracy.convolution-kernel", Scope.FILES, convolution_kernel),
    Check("accuracy.modality", Scope.SERIES, modality, {"allowed": Limit.TEXTS}),
    Check("accuracy.pixel-spacing", Scope.SERIES, pixel_spacing, SPAN, middle),
    Check("accuracy.slice-thickness", Scope.SERIES, slice_thickness, SPAN, middle),
    Check("accuracy.units", Scope.FILES, units, {"allowed": Limit.TEXTS, "pet": Limit.TEXTS}),
)
