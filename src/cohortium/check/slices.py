"""The pictures of a series for measuring: every slice coarsely, and a few of them in full.

Samples that are not compressed are read where they lie, some lines of each picture; of compressed series a few slices
are decoded, and those whose bytes are so few that there can be nothing in them. Reading is total: a slice that cannot
be decoded is left out and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cohortium.check import scan as scans
from cohortium.check.scan import File, Scan
from cohortium.dicom import codecs, elements, meta
from cohortium.errors import Malformed
from cohortium.values import Instance

__all__ = ["FULL", "Pictures", "pictures"]

Array = np.ndarray[Any, Any]

FULL = 12  # slices looked at in full
EDGE = 128  # samples of a coarse picture's longer side, at most
PIXEL_DATA = 0x7FE00010
RESCALE = ("RescaleSlope", "RescaleIntercept")
NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
LITTLE = 0.7  # of the usual size of a compressed slice: there may be nothing in it
LARGEST = 1 << 15  # rows and columns


@dataclass(frozen=True, slots=True)
class Pictures:
    """Slices of one size in the order of space, in the units of the modality.

    `coarse` (slices, rows, columns) has every `step`th row and column of each of `instances`; `full` maps a few indices
    to whole pictures. `top` is the share of each slice's samples that have the largest value that can be stored.
    `complete`: whether all slices of the series are there; `unread`: how many could not be decoded.
    """

    instances: tuple[Instance, ...]
    coarse: Array
    full: dict[int, Array]
    top: Array
    step: int
    complete: bool
    unread: int


def pictures(scan: Scan) -> Pictures | None:
    """Of the images of computed tomography of a series, in Hounsfield units; None where there are none to measure."""
    files = _in_order(scan)
    sizes = Counter(map(_size, files))
    size = max(sizes, key=lambda each: sizes[each], default=None)
    if size is None:
        return None
    step = -(-max(size) // EDGE)
    chosen = list(_worth_decoding([file for file in files if _size(file) == size]))
    wanted = {(2 * number + 1) * len(chosen) // (2 * FULL) for number in range(FULL)}
    kept: list[Instance] = []
    coarse, top, full, unread = [], [], dict[int, Array](), 0
    for number, file in enumerate(chosen):
        try:
            stored = _stored(file, step if number not in wanted else 1)
        except (Malformed, OSError):
            unread += 1
            continue
        values = _rescaled(stored, file.instance)
        if number in wanted:
            full[len(kept)] = values
            stored, values = stored[::step, ::step], values[::step, ::step]
        kept.append(file.instance)
        top.append(float(np.mean(stored == _largest(file.instance))))
        coarse.append(values)
    if not kept:
        return None
    complete = len(chosen) == len(files)
    return Pictures(tuple(kept), np.stack(coarse), full, np.array(top), step, complete, unread)


def _in_order(scan: Scan) -> list[File]:
    """Its single-frame images of CT with a size and a scale, as they lie in space; those without a place at the end."""
    places = {id(plane.instance): number for number, plane in enumerate(scan.series.planes)}
    images, broken = set(map(id, scan.series.images)), {each.name for each in scan.broken}
    files = [
        file
        for file in scan.files
        if id(file.instance) in images
        and file.instance.Modality == "CT"
        and meta.frames(file.instance) == 1
        and file.name not in broken
        and min(_size(file)) > 0
        and None not in map(file.instance.number, RESCALE)
    ]
    return sorted(files, key=lambda file: places.get(id(file.instance), len(places)))


def _size(file: File) -> tuple[int, int]:
    sides = (file.instance.number("Rows") or 0, file.instance.number("Columns") or 0)
    rows, columns = (int(side) if 0 < side <= LARGEST else 0 for side in sides)
    return rows, columns


def _worth_decoding(files: Sequence[File]) -> Iterator[File]:
    """All that are not compressed; of others a few, and the very small ones."""
    packed = [file for file in files if file.instance.TransferSyntaxUID not in NATIVE]
    usual = sorted(file.instance.size for file in packed)[len(packed) // 2] if packed else 0
    small = sorted(
        (file for file in packed if file.instance.size < LITTLE * usual), key=lambda file: file.instance.size
    )
    spread = {(2 * number + 1) * len(packed) // (2 * FULL) for number in range(FULL)} if packed else set()
    chosen = {id(packed[at]) for at in spread} | {id(file) for file in small[:FULL]}
    return (file for file in files if file.instance.TransferSyntaxUID in NATIVE or id(file) in chosen)


def _stored(file: File, step: int) -> Array:
    """Every `step`th sample of every `step`th row, as stored."""
    with scans.opened(file.path) as content:
        if file.instance.TransferSyntaxUID in NATIVE:
            return _native(content, file, step)
        stored = codecs.decode(codecs.read(bytes(content)))[0]
    if stored.ndim != 2 or stored.shape != _size(file):
        raise Malformed("it is no picture of one sample a pixel")
    return stored[::step, ::step]


def _native(content: scans.Content, file: File, step: int) -> Array:
    instance, (rows, columns) = file.instance, _size(file)
    bits, signed = instance.number("BitsAllocated"), instance.number("PixelRepresentation") == 1
    if bits not in (8, 16, 32) or instance.number("SamplesPerPixel") not in (None, 1):
        raise Malformed("its samples are of a kind that is not measured")
    value = elements.read(content).elements.get(PIXEL_DATA, ("", b""))[1]
    kind = np.dtype(f"<{'i' if signed else 'u'}{int(bits) // 8}")
    if isinstance(value, list) or len(value) < rows * columns * kind.itemsize:
        raise Malformed("its samples are fewer than its size says")
    samples = np.frombuffer(value, kind, rows * columns).reshape(rows, columns)
    return samples[::step, ::step].copy()


def _rescaled(stored: Array, instance: Instance) -> Array:
    slope, intercept = (np.float32(instance.number(keyword) or 0) for keyword in RESCALE)
    values: Array = stored.astype(np.float32)
    return values * slope + intercept if slope != 1 else values + intercept


def _largest(instance: Instance) -> int:
    """The largest value that the bits stored can hold."""
    bits = instance.number("BitsStored") or instance.number("BitsAllocated") or 16
    return (1 << int(min(max(bits, 1), 32)) - (instance.number("PixelRepresentation") == 1)) - 1
