"""Whether slices that lie in one place are copies, or belong to several volumes: echoes, time points, b-values, phases.

What tells slices apart is what `dicom/data/dimensions.csv` lists; an acquisition's number and time stand last in it,
for a slice made twice is no other slice, but two acquisitions in a series are two volumes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cohortium.check.rule import once
from cohortium.check.series import STACK, Plane, Series
from cohortium.dicom import meta

__all__ = ["Volumes", "of"]


@dataclass(frozen=True, slots=True)
class Volumes:
    """`usual`: how many slices most places hold; `by`: what tells slices in one place apart, none if nothing does."""

    places: tuple[tuple[Plane, ...], ...]
    usual: int
    by: tuple[str, ...]

    @property
    def crowded(self) -> tuple[tuple[Plane, ...], ...]:
        """Places that hold more than one slice."""
        return tuple(place for place in self.places if len(place) > 1)

    @property
    def several(self) -> bool:
        """Whether the series is several volumes, each of them over most places."""
        return self.usual > 1 and bool(self.by)

    @property
    def lost(self) -> tuple[int, int]:
        """How many slices are missing in such volumes, and in how many places."""
        gone = [self.usual - len(place) for place in self.places if len(place) < self.usual] if self.several else []
        return sum(gone), len(gone)


def of(series: Series) -> Volumes:
    """Worked out once for all rules."""
    return once(series, _of)


def _of(series: Series) -> Volumes:
    places = tuple(map(tuple, series.places()))
    counts = Counter(map(len, places))
    usual = max(counts, key=lambda count: (counts[count], count), default=0)
    return Volumes(places, usual, _telling([place for place in places if len(place) > 1]))


def _telling(crowded: Sequence[Sequence[Plane]]) -> tuple[str, ...]:
    """The attribute that tells all slices in every place apart; or those that do so together."""
    varying = []
    for keyword in dict.fromkeys(keyword for keyword, _ in meta.dimensions() if keyword != STACK):
        said = [[plane.said(keyword) for plane in place] for place in crowded]
        if all(len(set(each)) == len(each) for each in said):
            return (keyword,) if said else ()
        if any(len(set(each)) > 1 for each in said):
            varying.append((keyword, said))
    told: list[str] = []
    known: list[list[tuple[str, ...]]] = [[()] * len(place) for place in crowded]
    for keyword, said in varying:
        joined = [[(*a, b) for a, b in zip(one, other, strict=True)] for one, other in zip(known, said, strict=True)]
        if sum(len(set(each)) for each in joined) > sum(len(set(each)) for each in known):
            known, told = joined, [*told, keyword]
    return tuple(told) if all(len(set(each)) == len(each) for each in known) else ()
