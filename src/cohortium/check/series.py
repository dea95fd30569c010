"""A series sorted out once, before any rule looks at it: images, localizers, and planes in the order of space.

What one rule reports is left out of what the others see (a localizer, a slice of another orientation, one without
a position), so that one fault gives one finding.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import filterfalse
from typing import Any

from cohortium.check.rule import Rule
from cohortium.dicom import geometry, meta
from cohortium.values import LARGEST, Finding, Instance

__all__ = ["SLICED", "STACK", "Plane", "Series", "figure"]

SLICED = frozenset({"CT", "MR", "PT"})  # modalities whose images are slices of one volume
STACK = "StackID"
LOCALIZER = "LOCALIZER"  # third value of ImageType (PS3.3 C.8.2.1.1.1, C.8.3.1.1.1)


@dataclass(frozen=True, slots=True)
class Plane:
    """One slice, or a `frame` (from 0) of a multi-frame object, at `position` mm along the series' normal."""

    position: float
    instance: Instance
    frame: int = 0

    def said(self, keyword: str) -> str:
        """What it says of itself in an attribute, or in the functional groups of its frame."""
        vector = self.instance.attributes.get(f"{keyword}Vector")
        if isinstance(vector, list) and self.frame < len(vector):
            return str(vector[self.frame])
        return self.instance.text(keyword)

    def figure(self, keyword: str) -> float | None:
        """The same as a number; None where it is none."""
        vector = self.instance.attributes.get(f"{keyword}Vector")
        if isinstance(vector, list) and self.frame < len(vector):
            value = vector[self.frame]
            return float(value) if isinstance(value, int | float) and abs(value) <= LARGEST else None
        return self.instance.number(keyword)

    @property
    def point(self) -> tuple[float, ...] | None:
        """Its first sample's centre in the patient, in mm."""
        if meta.frames(self.instance) == 1:
            return self.instance.numbers("ImagePositionPatient")
        vector = self.instance.attributes.get("ImagePositionVector")
        point = vector[3 * self.frame : 3 * self.frame + 3] if isinstance(vector, list) else ()
        return tuple(point) if geometry.along(list(point), (0.0, 0.0, 1.0)) is not None else None


@dataclass(frozen=True, slots=True)
class Series:
    """`planes` are what is left of `images` (slices that should make up a volume) after `askew` and `unplaced`.

    `turned`: how many slices the images in `askew` hold in another orientation.
    """

    instances: tuple[Instance, ...]
    images: tuple[Instance, ...]
    localizers: tuple[Instance, ...]
    askew: tuple[Instance, ...]
    unplaced: tuple[Instance, ...]
    planes: tuple[Plane, ...]
    normal: tuple[float, ...] | None
    turned: int = 0
    known: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, instances: Sequence[Instance]) -> Series:
        """Sort out the instances; their order makes no difference."""
        ordered = tuple(sorted(instances, key=lambda each: (each.digest, each.SOPInstanceUID)))
        sliced = [each for each in ordered if each.Modality in SLICED and meta.frames(each) > 0]
        localizers, images = _apart(_is_localizer, sliced)
        if not images:  # localizers alone make up no volume, and lie as they like
            return cls(ordered, localizers, (), (), (), (), None)
        seen = {id(each): _frames(each) for each in images}
        placed, unplaced = _apart(lambda each: bool(seen[id(each)]), images)
        counts = Counter(way for each in placed for way, _ in seen[id(each)])
        reference = max(counts, key=lambda way: (counts[way], way), default=())
        same = {way: geometry.parallel(way, reference) for way in counts}
        askew = tuple(each for each in placed if not all(same[way] for way, _ in seen[id(each)]))
        normal = geometry.normal(reference)
        planes = [
            Plane(position, each, frame)
            for each in placed
            for frame, (way, own) in enumerate(seen[id(each)])
            if same[way] and (position := _along(each, own, normal)) is not None
        ]
        planes.sort(key=lambda plane: (plane.position, plane.instance.SOPInstanceUID, plane.frame))
        turned = sum(counts[way] for way in counts if not same[way])
        return cls(ordered, images, localizers, askew, unplaced, tuple(planes), normal, turned)

    @property
    def slices(self) -> int:
        """How many slices the images hold, frames of multi-frame objects included."""
        return sum(meta.frames(each) for each in self.images)

    def stacks(self) -> list[list[Plane]]:
        """The planes, apart where a multi-frame object says that its frames make up several stacks."""
        stacks: dict[str, list[Plane]] = defaultdict(list)
        for plane in self.planes:
            stacks[plane.said(STACK) if f"{STACK}Vector" in plane.instance.attributes else ""].append(plane)
        return list(stacks.values())

    def places(self) -> list[list[Plane]]:
        """The planes in each place of each stack, ascending."""
        return [place for stack in self.stacks() for place in _places(stack)]

    def intervals(self) -> list[geometry.Interval]:
        """From each place of a stack to the next."""
        found: list[geometry.Interval] = []
        for stack in self.stacks():
            first = [place[0] for place in _places(stack)]
            thicknesses = [plane.figure("SliceThickness") for plane in first]
            found += geometry.intervals([plane.position for plane in first], thicknesses)
        return found

    def beside(self, interval: geometry.Interval) -> tuple[Instance, Instance]:
        """The slices at both ends of an interval."""
        at = {plane.position: plane.instance for plane in self.planes}
        return at[interval.below], at[interval.above]

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


def _places(planes: Sequence[Plane]) -> list[list[Plane]]:
    indices = geometry.places([plane.position for plane in planes])
    return [[planes[index] for index in sorted(place)] for place in indices]


def _frames(instance: Instance) -> list[tuple[tuple[float, ...], float]]:
    """Orientation of each frame, and its position along its own normal; empty where not all can be told."""
    way, count = instance.numbers("ImageOrientationPatient") or (), meta.frames(instance)
    if count == 1:
        position = geometry.position(instance)
        return [] if position is None else [(way, position)]
    vector = instance.numbers("SliceLocationVector") or ()
    if len(vector) == count:
        usable = geometry.normal(way) is not None and all(abs(each) <= geometry.FARTHEST for each in vector)
        return [(way, each) for each in vector] if usable else []
    ways, points = instance.numbers("ImageOrientationVector") or (), instance.numbers("ImagePositionVector") or ()
    if len(ways) != 6 * count or len(points) != 3 * count:
        return []
    each = [(ways[6 * at : 6 * at + 6], points[3 * at : 3 * at + 3]) for at in range(count)]
    along = [(way, geometry.along(point, geometry.normal(way))) for way, point in each]
    known = [(way, position) for way, position in along if position is not None]
    return known if len(known) == count else []


def _along(instance: Instance, own: float, normal: tuple[float, ...] | None) -> float | None:
    """A position along the series' normal, which is a slice's own but for a hair."""
    return geometry.along(instance.numbers("ImagePositionPatient"), normal) if meta.frames(instance) == 1 else own
