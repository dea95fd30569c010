"""Frames and thumbnails out of stored objects. Nothing that was decoded is written anywhere.

An object with many frames stays in memory, parsed, for as long as it is being leafed through: its header alone may take
longer to read than all its pixels.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any, Generic, TypeVar

from pydicom import Dataset

from cohortium.archive import Address, Objects
from cohortium.dicom import codecs, render

__all__ = ["Frame", "Pictures", "Recent"]

THUMBNAIL = 112  # pixels, at twice the size it is shown

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Frame:
    """Samples, little-endian, row by row; `about` says in JSON what they mean."""

    samples: bytes
    about: str


class Pictures:
    """Draws from the objects of one archive; `of` says how many frames the object has, as the index knows it."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._parsed: Recent[Dataset] = Recent(4)
        self._thumbnails: Recent[bytes] = Recent(4096)
        self._parsing = Lock()

    def frame(self, at: Address, index: int, of: int) -> Frame:
        """One frame for the viewer; `Malformed` where it cannot be shown."""
        shown = render.picture(self.dataset(at, of), index)
        return Frame(shown.samples.tobytes(), json.dumps(_about(shown)))

    def thumbnail(self, at: Address, index: int, of: int) -> bytes:
        """A small PNG of one frame; `Malformed` where it cannot be shown."""
        name = f"{at.digest}/{index}"
        kept = self._thumbnails.find(name)
        return kept or self._thumbnails.keep(name, render.png(render.picture(self.dataset(at, of), index), THUMBNAIL))

    def dataset(self, at: Address, of: int) -> Dataset:
        """The object, parsed."""
        if of <= 1:
            return codecs.read(self._objects.get(at))
        with self._parsing:  # so that requests for neighbouring frames parse it once
            return self._parsed.find(at.digest) or self._parsed.keep(at.digest, codecs.read(self._objects.get(at)))


class Recent(Generic[Value]):
    """The last few values, by name."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[str, Value] = OrderedDict()
        self._lock = Lock()

    def find(self, name: str) -> Value | None:
        with self._lock:
            if name in self._values:
                self._values.move_to_end(name)
            return self._values.get(name)

    def keep(self, name: str, value: Value) -> Value:
        with self._lock:
            self._values[name] = value
            if len(self._values) > self._most:
                self._values.popitem(last=False)
        return value


def _about(shown: render.Picture) -> dict[str, Any]:
    geometry = shown.geometry
    return {
        "rows": shown.samples.shape[0],
        "columns": shown.samples.shape[1],
        "samples": "rgb8" if shown.is_colour else shown.samples.dtype.name,
        "window": asdict(shown.window),
        "inverted": shown.inverted,
        "unit": shown.unit,
        "orientation": geometry.orientation,
        "position": geometry.position,
        "spacing": geometry.spacing,
        "aspect": geometry.aspect,
    }
