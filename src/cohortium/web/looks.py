"""Pictures and headers of what waits in the spool, drawn in memory alone: what was unsealed is written nowhere.

What is *before* identifies; what is *after* is as it would leave.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from threading import Lock

from pydicom import DataElement, Dataset
from sqlalchemy import Engine

from cohortium.dicom import codecs, reading, render
from cohortium.dicom.redact import Rectangle
from cohortium.errors import Corrupt, Malformed
from cohortium.keys import SiteKey
from cohortium.spool import Item, Spool
from cohortium.spool.states import KEEPS
from cohortium.web.pictures import Recent

__all__ = ["MOST_ITEMS", "Looks", "Row", "Shape", "compared", "drawn", "shape"]

LONGEST = 160  # characters of a value
UNSHOWN = frozenset(("PixelData", "FloatPixelData", "DoubleFloatPixelData"))
EDGE = 1280  # pixels of a picture, at most
REST = "…]"
MOST_ITEMS = 20  # of a sequence: one of thousands of frames would make a page of megabytes


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a picture: pixels across and down, and how many frames; without any where it cannot be drawn, and why."""

    columns: int = 0
    rows: int = 0
    frames: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """An attribute before and after: `change` is removed, added, changed or kept; None where it is not there."""

    place: str
    keyword: str
    before: str | None
    after: str | None
    change: str

    @property
    def is_rest(self) -> bool:
        """Whether it stands for the items of a sequence that are not shown."""
        return self.place.endswith(REST)


class Looks:
    """At the items of one site's spool."""

    def __init__(self, engine: Engine, folder: Path, key: SiteKey) -> None:
        self._opened: Callable[[], Spool] = partial(Spool, engine, folder, key)
        self._parsed: Recent[Dataset] = Recent(4)
        self._reading = Lock()
        self._reader: reading.Reader | None = None

    @cached_property
    def spool(self) -> Spool:
        """Without its lock, which is the gateway's; of a hub, never opened."""
        return self._opened()

    def before(self, item: Item) -> Dataset | None:
        """As it came; None where there are no bytes. `Malformed` where they cannot be read."""
        return self._dataset(item, "incoming")

    def after(self, item: Item) -> Dataset | None:
        """As it would leave; None where it was not made yet. `Malformed` where it cannot be read."""
        return self._dataset(item, "outgoing")

    def boxes(self, dataset: Dataset, frame: int) -> list[Rectangle]:
        """Where a reader takes something for text; what it says is not told."""
        samples = render.picture(dataset, frame).samples
        with self._reading:  # calls must not overlap
            self._reader = self._reader or reading.Reader()
            found = [text.rectangle for shade in reading.shades(samples) for text in self._reader(shade)]
        return list(dict.fromkeys(found))

    def _dataset(self, item: Item, kind: str) -> Dataset | None:
        if kind not in KEEPS[item.state]:
            return None
        name = f"{kind}/{item.id}/{item.changed}"
        if kept := self._parsed.find(name):
            return kept
        try:
            content = self.spool.incoming(item) if kind == "incoming" else self.spool.outgoing(item)
        except Corrupt:
            return None  # it was refused unread, or somebody decided meanwhile
        return self._parsed.keep(name, codecs.read(content))


def shape(dataset: Dataset) -> Shape:
    """What there is to be drawn."""
    try:
        frames = codecs.frames(dataset)
        if not frames:
            return Shape(why="It has no picture.")
        render.picture(dataset, 0)
        return Shape(int(dataset.Columns), int(dataset.Rows), frames)
    except Malformed as error:
        return Shape(why=f"Its picture cannot be drawn: {error}.")


def drawn(dataset: Dataset, frame: int) -> bytes:
    """One frame as PNG, in its own size where that fits a screen; `Malformed` where it cannot be shown."""
    shown = render.picture(dataset, frame)
    rows, columns = shown.samples.shape[:2]
    viewport = (EDGE, EDGE) if max(rows, columns) > EDGE else None
    return render.encoded(shown, viewport, "PNG")


def compared(before: Dataset | None, after: Dataset | None, most: int = MOST_ITEMS) -> Iterator[Row]:
    """Every attribute of either, in order of tag, those in sequences too: of at most so many items of each."""
    one, other = dict(_flat(before, most)), dict(_flat(after, most))
    for place in sorted(one.keys() | other.keys(), key=_order):
        keyword, old = one.get(place, ("", None))
        named, new = other.get(place, (keyword, None))
        change = "removed" if new is None else "added" if old is None else "kept" if old == new else "changed"
        yield Row(place, keyword or named, old, new, change if before is not None and after is not None else "")


def _order(place: str) -> list[int]:
    """By tag, then by number of item, which grows read as hexadecimal, too."""
    return [int(digits, 16) for digits in re.findall("[0-9A-F]+", place)]


def _flat(dataset: Dataset | None, most: int, prefix: str = "") -> Iterator[tuple[str, tuple[str, str]]]:
    if dataset is None:
        return
    for tag in sorted(dataset.keys()):
        place = f"{prefix}({tag >> 16:04X},{tag & 0xFFFF:04X})"
        try:
            element = dataset[tag]
            if element.VR == "SQ":
                yield place, (element.keyword, f"{len(element.value)} item{'' if len(element.value) == 1 else 's'}")
                for number, each in enumerate(element.value[:most], start=1):
                    yield from _flat(each, most, f"{place}[{number}]")
                if len(element.value) > most:
                    yield f"{place}[{most + 1}{REST}", (element.keyword, f"{len(element.value) - most} more items")
            elif element.keyword not in UNSHOWN:
                yield place, (element.keyword, _text(element))
        except codecs.BAD_INPUT:
            yield place, ("", "cannot be read")


def _text(element: DataElement) -> str:
    if isinstance(element.value, bytes):
        return f"{len(element.value):,} bytes"
    text = str(element.value if element.VM < 2 else "\\".join(map(str, element.value)))
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
