"""Whether a series may go on: every rule of a specification, held against what its instances say of themselves.

Checking is total: whatever stands in the attributes (text where numbers belong, NaN, absurd figures, nothing at
all), the answer is a list of findings, in the same order however the series was shuffled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from cohortium.check import accuracy, completeness, geometry, uniformity
from cohortium.check.series import Series
from cohortium.check.specification import Rule, Specification, load
from cohortium.values import Finding, Instance

__all__ = ["RULES", "Rule", "Series", "Specification", "check", "load"]

RULES: Mapping[str, Callable[[Series, Rule], Iterator[Finding]]] = {
    "accuracy.modality": accuracy.modality,
    "accuracy.pixel-spacing": accuracy.pixel_spacing,
    "accuracy.slice-thickness": accuracy.slice_thickness,
    "completeness.missing": completeness.missing,
    "completeness.slices": completeness.slices,
    "geometry.duplicate": geometry.duplicate,
    "geometry.localizer": geometry.localizer,
    "geometry.orientation": geometry.orientation,
    "geometry.position": geometry.position,
    "geometry.tilt": geometry.tilt,
    "geometry.uneven": geometry.uneven,
    "uniformity.value": uniformity.value,
}


def check(series: Sequence[Instance], specification: Specification) -> list[Finding]:
    """What is wrong with the instances of one series, rule by rule."""
    seen = Series.of(series)
    return [finding for rule in specification.rules for finding in RULES[rule.id](seen, rule)]
