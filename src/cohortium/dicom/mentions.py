"""What a data set says of persons and places, gathered at every depth while it is still there.

What always holds: nothing is changed and nothing is raised. What cannot be read is passed over, for it does not stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Literal

from pydicom._dicom_dict import DicomDictionary

from cohortium.dicom.plan import LONG_VRS, Edit, Mention, Names

__all__ = ["in_data_set", "in_edits"]

UNDEFINED = 0xFFFFFFFF
WITHOUT_LENGTH = b"\xff\xff\xff\xff"
DELIMITERS = (0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD)
PIXEL_DATA = 0x7FE00010
REMEMBERED = 1024
Order = Literal["little", "big"]
OWN, OTHERS, NESTED, UNKNOWN = range(4)
WRITTEN_ANEW = -1  # an edit of no element that is there


def in_edits(head: bytes, edits: Iterable[Edit], names: Names) -> tuple[Mention, ...]:
    """The values that are taken away or changed by `edits`, those of a whole data set in little endian."""
    kinds = _kinds(names)
    found: list[Mention] = []
    for start, _, after, do, _, key in edits:
        kind = kinds[key]
        if kind is None or do == WRITTEN_ANEW:
            continue
        if kind == NESTED or (kind == UNKNOWN and head[start + 4 : start + 8] == WITHOUT_LENGTH):
            found += _in_sequence(head[start:after], names, len(key) > 4)
        elif kind != UNKNOWN:
            found.append((head[start + (12 if key[4:] in LONG_VRS else 8) : after], kind == OWN))
    return tuple(dict.fromkeys(found))


def in_data_set(content: bytes, names: Names, *, explicit: bool, big: bool = False) -> tuple[Mention, ...]:
    """The values of a whole data set."""
    return tuple(dict.fromkeys(_walk(content, names, explicit, "big" if big else "little")))


@lru_cache(maxsize=REMEMBERED)
def _in_sequence(content: bytes, names: Names, explicit: bool) -> tuple[Mention, ...]:
    return tuple(_walk(content, names, explicit, "little"))


def _walk(content: bytes, names: Names, explicit: bool, order: Order) -> Iterator[Mention]:
    """Every element, one after the other: to go into a sequence is not to pass over its value."""
    wanted, sequences, (pixels,) = _keys(names, order), _sequences(order), _packed((PIXEL_DATA,), order)
    delimiters = _packed(DELIMITERS, order)
    position, end = 0, len(content)
    while position + 8 <= end:
        tag, vr = content[position : position + 4], content[position + 4 : position + 6]
        if tag in delimiters:
            position += 8
            continue
        value, length = _extent(content, position, vr if explicit else b"", order)
        if length == UNDEFINED and tag == pixels:
            return
        if tag in sequences and vr == b"UN" and explicit and length != UNDEFINED:
            yield from _walk(content[value : value + length], names, False, "little")
        elif tag in sequences or (vr == b"SQ" and explicit) or length == UNDEFINED:
            length = 0
        elif tag in wanted:
            yield content[value : value + length], wanted[tag]
        position = value + length


def _extent(content: bytes, position: int, vr: bytes, order: Order) -> tuple[int, int]:
    """Where the value of the element at `position` begins, and how long it says it is; at the end, anything."""
    if vr in LONG_VRS:
        return position + 12, int.from_bytes(content[position + 8 : position + 12], order)
    size = 2 if vr else 4
    return position + 8, int.from_bytes(content[position + 8 - size : position + 8], order)


@lru_cache(maxsize=16)
def _kinds(names: Names) -> _Kinds:
    return _Kinds(_keys(names, "little"))


class _Kinds(dict[bytes, int | None]):
    """What an element with these first bytes is to the search; remembered, for every edit of every file asks."""

    def __init__(self, wanted: Mapping[bytes, bool]) -> None:
        super().__init__()
        self.wanted, self.sequences = wanted, _sequences("little")

    def __missing__(self, key: bytes) -> int | None:
        if len(self) >= REMEMBERED:
            self.clear()
        self[key] = kind = self._kind(key[:4], key[4:])
        return kind

    def _kind(self, tag: bytes, vr: bytes) -> int | None:
        if tag in self.wanted:
            return OWN if self.wanted[tag] else OTHERS
        if tag in self.sequences or vr == b"SQ":
            return NESTED
        return None if vr else UNKNOWN


@lru_cache(maxsize=16)
def _keys(names: Names, order: Order) -> Mapping[bytes, bool]:
    return dict(zip(_packed(tuple(tag for tag, _ in names), order), (own for _, own in names), strict=True))


@cache
def _sequences(order: Order) -> frozenset[bytes]:
    return frozenset(_packed(tuple(tag for tag, entry in DicomDictionary.items() if entry[0] == "SQ"), order))


@cache
def _packed(tags: tuple[int, ...], order: Order) -> tuple[bytes, ...]:
    return tuple((tag >> 16).to_bytes(2, order) + (tag & 0xFFFF).to_bytes(2, order) for tag in tags)
