"""Walking an object, or two side by side, element by element, whatever single values are broken.

Side by side, an item is compared with the item in its place, and only in sequences that kept their number of items.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

import cohortium.dicom  # noqa: F401  (keeps pydicom from quoting values in warnings)

__all__ = ["UNREADABLE", "both", "declared", "each", "name", "strings", "texts"]

UNREADABLE = (
    AttributeError, BytesLengthException, EOFError, InvalidDicomError, LookupError, NotImplementedError, OSError,
    RecursionError, TypeError, ValueError, struct.error, zlib.error,
)  # fmt: skip
STRINGS = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"})
LONGEST = 1024  # bytes of unknown kind that may be a text

CLEAN_FEATURES, RETAIN_UIDS, RETAIN_PRIVATE = "113102", "113110", "113111"  # CID 7050


def declared(dataset: Dataset) -> frozenset[str]:
    """The codes (CID 7050) of what was done, as the object itself says."""
    items = dataset.get("DeidentificationMethodCodeSequence") or ()
    return frozenset(str(item.get("CodeValue", "")) for item in items)


def name(tag: BaseTag, keyword: str) -> str:
    """The keyword, or the tag where there is none."""
    return keyword or f"({tag.group:04X},{tag.element:04X})"


def each(dataset: Dataset, above: str = "", broken: list[BaseTag] | None = None) -> Iterator[tuple[str, DataElement]]:
    """Every element at every depth, with its path; a sequence comes before what is in it.

    Tags of elements that cannot be read are added to `broken`.
    """
    for tag in sorted(dataset.keys()):
        element = _element(dataset, tag)
        if element is None:
            if broken is not None:
                broken.append(tag)
            continue
        path = above + name(tag, element.keyword)
        yield path, element
        if element.VR == "SQ":
            for item in element.value or ():
                yield from each(item, f"{path}/", broken)


def both(before: Dataset, after: Dataset, above: str = "") -> Iterator[tuple[str, DataElement, DataElement]]:
    """Every element that is on both sides, at every depth."""
    for tag in sorted(before.keys() & after.keys()):
        old, new = _element(before, tag), _element(after, tag)
        if old is None or new is None:
            continue
        path = above + name(tag, new.keyword)
        if old.VR == new.VR == "SQ":
            if len(old.value or ()) == len(new.value or ()):
                for one, other in zip(old.value or (), new.value or (), strict=True):
                    yield from both(one, other, f"{path}/")
        else:
            yield path, old, new


def texts(element: DataElement) -> list[str]:
    """The values as text, none for an empty element."""
    value = element.value
    values = value if isinstance(value, MultiValue | list | tuple) else [value]
    return [str(each).strip(" \0") for each in values if each not in (None, "")]


def strings(element: DataElement) -> list[str]:
    """The texts of an element that holds text, or bytes of unknown kind that read as one; UIDs are none."""
    if element.VR in STRINGS:
        return texts(element)
    if element.VR == "UN" and isinstance(element.value, bytes) and len(element.value) <= LONGEST:
        text = element.value.decode("latin-1").strip(" \0")
        return [text] if text.isprintable() else []
    return []


def _element(dataset: Dataset, tag: BaseTag) -> DataElement | None:
    try:
        return dataset[tag]
    except UNREADABLE:
        return None
