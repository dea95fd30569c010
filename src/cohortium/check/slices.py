"""The pictures of a series for measuring: every slice coarsely, and a few of them in full.

Slices of CT, MR and PET, frames of multi-frame objects among them. Samples that are not compressed are read where they
lie, some lines of each picture; of compressed series a few slices are decoded, and single frames whose bytes are so few
that there can be nothing in them. At most `MOST` slices are held, evenly spread, so memory does not grow with a series.
Reading is total: a slice that cannot be decoded is left out and counted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cohortium.check import scan as scans
from cohortium.check import volumes
from cohortium.check.scan import File, Scan
from cohortium.check.series import SLICED, Plane
from cohortium.dicom import codecs, elements, meta
from cohortium.errors import Malformed
from cohortium.values import Instance

__all__ = ["FULL", "MOST", "Pictures", "pictures"]

Array = np.ndarray[Any, Any]

FULL = 12  # slices looked at in full
MOST = 1500  # slices looked at coarsely
FRAMES = 1 << 15  # of an object; a header may claim any number
EDGE = 128  # samples of a coarse picture's longer side, at most
PIXEL_DATA = 0x7FE00010
RESCALE = ("RescaleSlope", "RescaleIntercept")
NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
LITTLE = 0.7  # of the usual size of a compressed slice: there may be nothing in it
LARGEST = 1 << 15  # rows and columns


@dataclass(frozen=True, slots=True)
class Slice:
    """A frame (from 0) of a file, and where it stands in the series: its volume, and its place there."""

    file: File
    frame: int
    volume: int
    place: int

    @property
    def size(self) -> tuple[int, int]:
        instance = self.file.instance
        sides = (instance.number("Rows") or 0, instance.number("Columns") or 0)
        rows, columns = (int(side) if 0 < side <= LARGEST else 0 for side in sides)
        return rows, columns

    @property
    def is_packed(self) -> bool:
        return self.file.instance.TransferSyntaxUID not in NATIVE

    def scale(self) -> tuple[float, float] | None:
        """Slope and intercept; pictures of MR need none, and the others cannot be measured without."""
        plane = Plane(0.0, self.file.instance, self.frame)
        known = [plane.figure(keyword) for keyword in RESCALE]
        if self.file.instance.Modality == "MR":
            known = [default if each is None else each for each, default in zip(known, (1.0, 0.0), strict=True)]
        slope, intercept = known
        return None if slope is None or intercept is None else (slope, intercept)


@dataclass(frozen=True, slots=True)
class Pictures:
    """Slices of one size, volume by volume in the order of space, in the units of the modality.

    `coarse` (slices, rows, columns) has every `step`th row and column of each of `instances`; `full` maps a few indices
    to whole pictures. `top` is the share of each slice's samples that have the largest value that can be stored;
    `volume` numbers the volume that each is of. `complete`: whether all slices of the series are there; `unread`: how
    many could not be decoded, have no scale or are of another size.
    """

    modality: str
    instances: tuple[Instance, ...]
    coarse: Array
    full: dict[int, Array]
    top: Array
    volume: Array
    step: int
    complete: bool
    unread: int

    def magnitudes(self) -> Pictures:
        """Without signs: a map of fields or velocities has the body on both sides of 0."""
        full = {at: np.abs(each) for at, each in self.full.items()}
        return replace(self, coarse=np.abs(self.coarse), full=full)


def pictures(scan: Scan) -> Pictures | None:
    """Of the images of the modality that most are of; None where there are none to measure."""
    slices = _in_order(scan)
    fit = [each for each in slices if min(each.size) > 0 and each.scale() is not None]
    kinds = Counter((each.file.instance.Modality, each.size) for each in fit)
    if not kinds:
        return None
    kind = max(kinds, key=lambda each: kinds[each])
    alike = [each for each in fit if (each.file.instance.Modality, each.size) == kind]
    chosen = _spread(list(_worth_decoding(alike)), MOST)
    step = -(-max(kind[1]) // EDGE)
    wanted = {id(each) for each in _spread(chosen, FULL)}
    seen: dict[int, tuple[Array, float, Array | None]] = {}
    for number, each, stored in _read(chosen, wanted, step):
        values = _rescaled(stored, *(each.scale() or (1.0, 0.0)))
        whole = id(each) in wanted
        few = stored[::step, ::step] if whole else stored
        share = float(np.mean(few == _largest(each.file.instance)))
        seen[number] = (values[::step, ::step] if whole else values, share, values if whole else None)
    if not seen:
        return None
    kept = sorted(seen)
    return Pictures(
        modality=kind[0],
        instances=tuple(chosen[number].file.instance for number in kept),
        coarse=np.stack([seen[number][0] for number in kept]),
        full={at: full for at, number in enumerate(kept) if (full := seen[number][2]) is not None},
        top=np.array([seen[number][1] for number in kept]),
        volume=np.array([chosen[number].volume for number in kept]),
        step=step,
        complete=len(chosen) == len(alike) and all(meta.frames(each) <= FRAMES for each in scan.series.images),
        unread=len(slices) - len(alike) + len(chosen) - len(kept),
    )


def _in_order(scan: Scan) -> list[Slice]:
    """Its slices of CT, MR and PET, volume by volume as they lie in space; those without a place at the end."""
    by = volumes.of(scan.series).by if volumes.of(scan.series).several else ()
    told = [(tuple(plane.said(keyword) for keyword in by), plane) for plane in scan.series.planes]
    known = {key: number for number, key in enumerate(sorted({key for key, _ in told}))}
    places = {(id(plane.instance), plane.frame): (known[key], at) for at, (key, plane) in enumerate(told)}
    images, broken = set(map(id, scan.series.images)), {each.name for each in scan.broken}
    nowhere = (len(known), len(told))
    slices = [
        Slice(file, frame, *places.get((id(file.instance), frame), nowhere))
        for file in scan.files
        if id(file.instance) in images and file.instance.Modality in SLICED and file.name not in broken
        for frame in range(min(meta.frames(file.instance), FRAMES))
    ]
    return sorted(slices, key=lambda each: (each.volume, each.place))


def _spread(slices: Sequence[Slice], count: int) -> list[Slice]:
    """No more than `count` of them, evenly spread."""
    if len(slices) <= count:
        return list(slices)
    return [slices[(2 * number + 1) * len(slices) // (2 * count)] for number in range(count)]


def _worth_decoding(slices: Sequence[Slice]) -> Iterator[Slice]:
    """All that are not compressed; of others a few, and the very small ones."""
    packed = [each for each in slices if each.is_packed]
    single = [each for each in packed if meta.frames(each.file.instance) == 1]
    sizes = sorted(each.file.instance.size for each in single)
    usual = sizes[len(sizes) // 2] if sizes else 0
    small = sorted(
        (each for each in single if each.file.instance.size < LITTLE * usual), key=lambda each: each.file.instance.size
    )
    chosen = {id(each) for each in (*_spread(packed, FULL), *small[:FULL])}
    return (each for each in slices if not each.is_packed or id(each) in chosen)


def _read(chosen: Sequence[Slice], whole: set[int], step: int) -> Iterator[tuple[int, Slice, Array]]:
    """Every `step`th sample of every `step`th row as stored, or all, of each that can be read; opens a file once."""
    by_file: dict[int, list[tuple[int, Slice]]] = defaultdict(list)
    for number, each in enumerate(chosen):
        by_file[id(each.file)].append((number, each))
    for members in by_file.values():
        first = members[0][1]
        with suppress(Malformed, OSError), scans.opened(first.file.path) as content:
            frame = _decoder(content, first) if first.is_packed else _native(content, first)
            for number, each in members:
                every = 1 if id(each) in whole else step
                with suppress(Malformed):
                    yield number, each, frame(each.frame)[::every, ::every].copy()


def _decoder(content: scans.Content, first: Slice) -> Callable[[int], Array]:
    dataset = codecs.read(bytes(content))

    def frame(number: int) -> Array:
        stored = codecs.decode(dataset, number)[0]
        if stored.ndim != 2 or stored.shape != first.size:
            raise Malformed("it is no picture of one sample a pixel")
        return stored

    return frame


def _native(content: scans.Content, first: Slice) -> Callable[[int], Array]:
    instance, (rows, columns) = first.file.instance, first.size
    bits, signed = instance.number("BitsAllocated"), instance.number("PixelRepresentation") == 1
    if bits not in (8, 16, 32) or instance.number("SamplesPerPixel") not in (None, 1):
        raise Malformed("its samples are of a kind that is not measured")
    value = elements.read(content).elements.get(PIXEL_DATA, ("", b""))[1]
    kind = np.dtype(f"<{'i' if signed else 'u'}{int(bits) // 8}")

    def frame(number: int) -> Array:
        begin = number * rows * columns * kind.itemsize
        if isinstance(value, list) or len(value) < begin + rows * columns * kind.itemsize:
            raise Malformed("its samples are fewer than its size says")
        return np.frombuffer(value, kind, rows * columns, begin).reshape(rows, columns)

    return frame


def _rescaled(stored: Array, slope: float, intercept: float) -> Array:
    values: Array = stored.astype(np.float32)
    return values * np.float32(slope) + np.float32(intercept) if slope != 1 else values + np.float32(intercept)


def _largest(instance: Instance) -> int:
    """The largest value that the bits stored can hold."""
    bits = instance.number("BitsStored") or instance.number("BitsAllocated") or 16
    return (1 << int(min(max(bits, 1), 32)) - (instance.number("PixelRepresentation") == 1)) - 1
