"""What became of each attribute of one object, told without a value, so that protocols can be compared on real data.

What always holds: names of attributes and words of this module are all that leaves it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.datadict import keyword_for_tag

from cohortium.dicom import codecs
from cohortium.errors import Malformed

__all__ = ["differing"]

STAMPS = range(0x00120062, 0x00120065)  # these tell of the protocol itself
Values = dict[str, list[bytes]]


def differing(before: bytes, one: bytes, other: bytes) -> Mapping[str, tuple[str, str]]:
    """By attribute, what became of it in `one` and in `other`, where that differs; `Malformed` where one is unreadable.

    An attribute in sequences is named with them, as in `ContentSequence.TextValue`.
    """
    original, made = _values(before), [_values(one), _values(other)]
    found = {}
    for name in sorted({*original, *made[0], *made[1]}):
        values = [each.get(name) for each in made]
        outcomes = [_outcome(original.get(name), value) for value in values]
        if outcomes[0] == outcomes[1] and values[0] != values[1]:
            outcomes[1] = f"{outcomes[1]} otherwise"
        if outcomes[0] != outcomes[1]:
            found[name] = outcomes[0], outcomes[1]
    return found


def _outcome(before: Sequence[bytes] | None, after: Sequence[bytes] | None) -> str:
    if after is None:
        return "removed" if before is not None else "absent"
    if before is None:
        return "added"
    if after == before:
        return "kept"
    return "changed" if any(after) else "emptied"


def _values(content: bytes) -> Values:
    found: Values = {}
    try:
        for name, value in _walk(dcmread(BytesIO(content)), ""):
            found.setdefault(name, []).append(value)
    except codecs.BAD_INPUT as error:
        raise Malformed(f"the data set cannot be read ({type(error).__name__})") from None
    return found


def _walk(dataset: Dataset, within: str) -> Iterator[tuple[str, bytes]]:
    """Every element that is no sequence, with its bytes as they lie; a sequence without items has none."""
    for tag in sorted(dataset.keys()):
        if tag in STAMPS and not within:
            continue
        name = within + (keyword_for_tag(tag) or f"({tag.group:04x},{tag.element:04x})")
        raw: Any = dataset.get_item(tag)  # before the next line decodes it
        element = dataset[tag]
        if element.VR == "SQ":
            yield name, b"items" if element.value else b""
            for item in element.value:
                yield from _walk(item, f"{name}.")
        else:
            value = raw.value or b""
            value = value if isinstance(value, bytes) else str(value).encode()
            yield name, value.rstrip(b" \0")
