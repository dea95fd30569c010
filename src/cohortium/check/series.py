"""A series sorted out once, before any rule looks at it: images, localizers, and planes in the order of space.

What one rule reports is left out of what the others see (a localizer, a slice of another orientation, one without
a position), so that one fault gives one finding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import filterfalse
from typing import Any

from cohortium.check.rule import Rule
from cohortium.dicom import geometry, meta
from cohortium.values import Finding, Instance

__all__ = ["Plane", "Series", "figure"]

SLICED = frozenset({"CT", "MR", "PT"})  # modalities whose images are slices of one volume
LOCALIZER = "LOCALIZER"  # third value of ImageType (PS3.3 C.8.2.1.1.1, C.8.3.1.1.1)


@dataclass(frozen=True, slots=True)
class Plane:
    """One slice, or one frame of a multi-frame object, at `position` mm along the series' normal."""

    position: float
    instance: Instance


@dataclass(frozen=True, slots=True)
class Series:
    """`planes` are what is left of `images` (slices that should make up a volume) after `askew` and `unplaced`."""

    instances: tuple[Instance, ...]
    images: tuple[Instance, ...]
    localizers: tuple[Instance, ...]
    askew: tuple[Instance, ...]
    unplaced: tuple[Instance, ...]
    planes: tuple[Plane, ...]
    normal: tuple[float, ...] | None
    known: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, instances: Sequence[Instance]) -> Series:
        """Sort out the instances; their order makes no difference."""
        ordered = tuple(sorted(instances, key=lambda each: (each.digest, each.SOPInstanceUID)))
        sliced = [each for each in ordered if each.Modality in SLICED and meta.frames(each) > 0]
        localizers, images = _apart(_is_localizer, sliced)
        if not images:  # localizers alone make up no volume, and lie as they like
            return cls(ordered, localizers, (), (), (), (), None)
        placed, unplaced = _apart(lambda each: bool(_positions(each, geometry.own_normal(each))), images)
        reference = _most_common_orientation(placed)
        normal = geometry.normal(reference)
        stack, askew = _apart(lambda each: geometry.parallel(_orientation(each), reference), placed)
        planes = [Plane(position, each) for each in stack for position in _positions(each, normal)]
        planes.sort(key=lambda plane: (plane.position, plane.instance.SOPInstanceUID))
        return cls(ordered, images, localizers, askew, unplaced, tuple(planes), normal)

    @property
    def slices(self) -> int:
        """How many slices the images hold, frames of multi-frame objects included."""
        return sum(meta.frames(each) for each in self.images)

    def places(self) -> list[tuple[float, int]]:
        """(position, number of planes there), ascending."""
        return [(self.planes[indices[0]].position, len(indices)) for indices in self._places()]

    def intervals(self) -> list[geometry.Interval]:
        """From each place to the next."""
        first = [self.planes[indices[0]] for indices in self._places()]
        thicknesses = [plane.instance.number("SliceThickness") for plane in first]
        return geometry.intervals([plane.position for plane in first], thicknesses)

    def _places(self) -> list[list[int]]:
        return geometry.places([plane.position for plane in self.planes])

    def finding(self, rule: Rule, fact: str, where: Sequence[Instance] = (), variable: str = "") -> Finding:
        """The finding that `fact` breaks `rule`; it names the one object to blame if it is one of several."""
        blamed = where[0].SOPInstanceUID if len(where) == 1 < len(self.instances) else ""
        series = self.instances[0].SeriesInstanceUID if self.instances else ""
        return rule.finding(fact, SeriesInstanceUID=series, SOPInstanceUID=blamed, variable=variable)


def figure(number: float) -> str:
    """A number as people write it: at most six digits that count."""
    return f"{number:.6g}"


def _apart(
    kind: Callable[[Instance], bool], instances: Sequence[Instance]
) -> tuple[tuple[Instance, ...], tuple[Instance, ...]]:
    """Those of the kind, and the others, each in their order."""
    return tuple(filter(kind, instances)), tuple(filterfalse(kind, instances))


def _is_localizer(instance: Instance) -> bool:
    return LOCALIZER in instance.text("ImageType").upper().split("\\")


def _orientation(instance: Instance) -> tuple[float, ...]:
    return instance.numbers("ImageOrientationPatient") or ()


def _most_common_orientation(instances: Sequence[Instance]) -> tuple[float, ...]:
    counts = Counter(map(_orientation, instances))
    return max(counts, key=lambda orientation: (counts[orientation], orientation), default=())


def _positions(instance: Instance, normal: tuple[float, ...] | None) -> list[float]:
    """Of each frame; empty where not all can be told."""
    if meta.frames(instance) == 1:
        return list(_known(geometry.along(instance.numbers("ImagePositionPatient"), normal)))
    vector = instance.numbers("SliceLocationVector") or ()
    usable = normal is not None and len(vector) == meta.frames(instance)
    return [v for v in vector if abs(v) <= geometry.FARTHEST] if usable else []


def _known(position: float | None) -> Iterator[float]:
    if position is not None:
        yield position
