"""Whether the slices are one straight, even stack, as every volume made of them will take for granted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cohortium.check import volumes
from cohortium.check.rule import Check, Limit, Rule, Scope, Shown
from cohortium.check.scan import Scan, middle
from cohortium.check.series import Plane, Series, figure
from cohortium.dicom import geometry
from cohortium.values import Finding

__all__ = ["CHECKS"]


def aside(scan: Scan, rule: Rule) -> Iterator[Finding]:
    """No slice lies aside of the line along which the others are stacked, beyond the limit in mm."""
    series = scan.series
    off = [(far, plane) for stack in series.stacks() for far, plane in _aside(stack, series) if far > rule.most]
    if off:
        far = max(distance for distance, _ in off)
        fact = f"{len(off)} of {len(series.planes)} slices lie up to {far:.3g} mm aside of the line of the others"
        yield series.finding(rule, f"{fact}, {figure(rule.most)} mm are allowed", [plane.instance for _, plane in off])


def duplicate(series: Series, rule: Rule) -> Iterator[Finding]:
    """No two slices lie in one place, unless they belong to several volumes."""
    found = volumes.of(series)
    if not found.crowded or found.several:
        return
    count = len(found.places)
    if len(found.crowded) == count > 1 and {len(place) for place in found.places} == {found.usual}:
        fact = (
            f"each of {count} positions holds {found.usual} slices that no echo, time, phase or acquisition tells apart"
        )
    else:
        where = figure(found.crowded[0][0].position)
        fact = f"{len(found.crowded)} of {count} positions hold more than one slice, the first at {where} mm"
        fact += f" (they differ in {' and '.join(found.by)})" if found.by else ""
    yield series.finding(rule, fact)


def several(series: Series, rule: Rule) -> Iterator[Finding]:
    """The slices make up one volume: no echoes, time points, b-values, phases, reconstructions or acquisitions."""
    found = volumes.of(series)
    if found.several:
        all_of_them = {len(place) for place in found.places} == {found.usual}
        amount = f"each of {len(found.places)}" if all_of_them else f"most of {len(found.places)}"
        yield series.finding(
            rule,
            f"{amount} positions {'holds' if all_of_them else 'hold'} {found.usual} slices, which differ in "
            f"{' and '.join(found.by)}",
        )


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
        of_frames = series.slices != len(series.images)
        count, noun = (series.slices, "frames") if of_frames else (len(series.images), "images")
        fact = f"{series.turned} of {count} {noun} lie in another orientation than the others"
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
    leans = [geometry.steepness(way) for stack in series.stacks() if (way := _way(stack, series))]
    if leans and max(leans) > rule.most:
        yield series.finding(rule, f"the stack is sheared by {max(leans):.1f} degrees, {figure(rule.most)} are allowed")


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


def _way(stack: Sequence[Plane], series: Series) -> tuple[float, ...] | None:
    """How far the slices of a stack move in their own plane for each mm along their normal, in space."""
    placed = [(plane.position, point) for plane in stack if (point := plane.point)]
    return geometry.lean(placed, series.normal) if series.normal else None


def _aside(stack: Sequence[Plane], series: Series) -> Iterator[tuple[float, Plane]]:
    way = _way(stack, series)
    placed = [(plane, point) for plane in stack if (point := plane.point)]
    if way is not None and series.normal is not None and len(placed) > 2:
        ends = [(plane.position, point) for plane, point in placed]
        distances = geometry.distances(ends, way, series.normal)
        yield from zip(distances, (plane for plane, _ in placed), strict=True)


def _doubled(scan: Scan) -> Shown:
    crowded = volumes.of(scan.series).crowded
    says = ("one of those in one place", "another one there")
    return [(plane.instance, words) for plane, words in zip(crowded[0], says, strict=False)] if crowded else []


def _furthest(scan: Scan) -> Shown:
    off = [each for stack in scan.series.stacks() for each in _aside(stack, scan.series)]
    far = max(off, key=lambda each: each[0], default=None)
    return [(far[1].instance, "the one furthest aside")] if far else []


def _localizer(scan: Scan) -> Shown:
    return [(each, "a localizer") for each in scan.series.localizers[:1]]


def _askew(scan: Scan) -> Shown:
    return [*((each, "of another orientation") for each in scan.series.askew[:1]), *middle(scan)]


def _unplaced(scan: Scan) -> Shown:
    return [(each, "it does not say where it lies") for each in scan.series.unplaced[:1]]


def _unevenly(scan: Scan) -> Shown:
    intervals = scan.series.intervals()
    usual = geometry.lower_median([each.distance for each in intervals]) or 0.0
    odd = max(
        (each for each in intervals if not each.missing), key=lambda each: abs(each.distance - usual), default=None
    )
    if odd is None:
        return []
    one, other = scan.series.beside(odd)
    return [(one, "one of the two that lie the least as usual"), (other, "the other one")]


CHECKS = (
    Check("geometry.aside", Scope.FILES, aside, {"most": Limit.NUMBER}, _furthest),
    Check("geometry.duplicate", Scope.SERIES, duplicate, show=_doubled),
    Check("geometry.localizer", Scope.SERIES, localizer, show=_localizer),
    Check("geometry.orientation", Scope.SERIES, orientation, show=_askew),
    Check("geometry.position", Scope.SERIES, position, show=_unplaced),
    Check("geometry.tilt", Scope.SERIES, tilt, {"most": Limit.NUMBER}, middle),
    Check("geometry.uneven", Scope.SERIES, uneven, {"most": Limit.NUMBER}, _unevenly),
    Check("geometry.volumes", Scope.SERIES, several, show=_doubled),
)
