"""Whether the slices are one straight, even stack, as every volume made of them will take for granted."""

from __future__ import annotations

from collections.abc import Iterator

from cohortium.check.rule import Check, Limit, Rule, Scope
from cohortium.check.series import Series, figure
from cohortium.dicom import geometry, meta
from cohortium.values import Finding

__all__ = ["CHECKS"]


def duplicate(series: Series, rule: Rule) -> Iterator[Finding]:
    """No two slices lie in one place."""
    places = series.places()
    shared = [(where, count) for where, count in places if count > 1]
    if not shared:
        return
    first, count = shared[0]
    if len(shared) == len(places) > 1 and len({count for _, count in shared}) == 1:
        fact = f"each of {len(places)} positions holds {count} slices (several acquisitions, echoes or phases)"
    else:
        fact = f"{len(shared)} of {len(places)} positions hold more than one slice, the first at {figure(first)} mm"
    yield series.finding(rule, fact)


def localizer(series: Series, rule: Rule) -> Iterator[Finding]:
    """No localizer lies among the slices."""
    if series.localizers:
        count = len(series.localizers)
        noun = "localizer lies" if count == 1 else "localizers lie"
        fact = f"{count} {noun} among {len(series.images)} slices (ImageType)"
        yield series.finding(rule, fact, series.localizers)


def orientation(series: Series, rule: Rule) -> Iterator[Finding]:
    """All slices have the orientation that most have."""
    if series.askew:
        fact = f"{len(series.askew)} of {len(series.images)} images lie in another orientation than the others"
        yield series.finding(rule, fact, series.askew)


def position(series: Series, rule: Rule) -> Iterator[Finding]:
    """All slices say where they lie."""
    if series.unplaced:
        fact = (
            f"ImagePositionPatient or ImageOrientationPatient is missing or not usable in {len(series.unplaced)} of "
            f"{len(series.images)} images, so gaps cannot be told"
        )
        yield series.finding(rule, fact, series.unplaced)


def tilt(series: Series, rule: Rule) -> Iterator[Finding]:
    """The slices are stacked along their normal, within the limit in degrees."""
    ends = [series.planes[i].instance for i in (0, -1)] if series.planes else []
    points = [each.numbers("ImagePositionPatient") for each in ends if meta.frames(each) == 1]
    if len(points) != 2 or series.normal is None:
        return
    first, last = points
    degrees = geometry.tilt(first or (), last or (), series.normal)
    if degrees > rule.most:
        yield series.finding(rule, f"the stack is sheared by {degrees:.1f} degrees, {figure(rule.most)} are allowed")


def uneven(series: Series, rule: Rule) -> Iterator[Finding]:
    """Distances between neighbours differ from the usual one by at most the limit in mm, gaps aside."""
    intervals = series.intervals()
    usual = geometry.lower_median([each.distance for each in intervals])
    odd = [
        each.distance
        for each in intervals
        if usual is not None and not each.missing and abs(each.distance - usual) > rule.most
    ]
    if usual is not None and odd:
        span = " to ".join(dict.fromkeys((figure(min(odd)), figure(max(odd)))))
        fact = (
            f"spacing differs at {len(odd)} of {len(intervals)} places: {span} mm where {figure(usual)} mm is usual "
            f"and {figure(rule.most)} mm of difference is allowed"
        )
        yield series.finding(rule, fact)


CHECKS = (
    Check("geometry.duplicate", Scope.SERIES, duplicate),
    Check("geometry.localizer", Scope.SERIES, localizer),
    Check("geometry.orientation", Scope.SERIES, orientation),
    Check("geometry.position", Scope.SERIES, position),
    Check("geometry.tilt", Scope.SERIES, tilt, {"most": Limit.NUMBER}),
    Check("geometry.uneven", Scope.SERIES, uneven, {"most": Limit.NUMBER}),
)
