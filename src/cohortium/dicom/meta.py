"""What an object says about itself, read once, so that no later stage opens it for its header again.

The attributes taken are those of `data/attributes.csv` and no others. Reading ends at the pixels, whatever their
size, and what comes back always survives JSON: text, finite numbers, 64-bit integers and lists of them.
"""

from __future__ import annotations

import csv
import math
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any

from pydicom.charset import decode_bytes, default_encoding
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import FileDataset
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from cohortium.dicom import elements, geometry
from cohortium.dicom.elements import File
from cohortium.dicom.places import LONGEST, UNREADABLE, Lenient, Place, Plain, called
from cohortium.errors import Malformed
from cohortium.values import Instance

__all__ = ["FIELDS", "GROUPS", "Attribute", "attributes", "describe", "described", "dimensions", "frames"]

FIELDS = frozenset(each.name for each in fields(Instance)) - {"digest", "size", "attributes"}
PIXELS = frozenset(
    tag for tag in map(tag_for_keyword, ("FloatPixelData", "DoubleFloatPixelData", "PixelData")) if tag is not None
)
MEASURES, SCALE = (0x00289110,), (0x00289145,)  # Pixel Measures, Pixel Value Transformation Sequence
OF_A_FRAME = (
    *(("PixelSpacing", MEASURES), ("SliceThickness", MEASURES)),
    *(("RescaleSlope", SCALE), ("RescaleIntercept", SCALE)),
)
GROUPS = (0x52009229, 0x52009230)  # Shared, then Per-frame Functional Groups Sequence
UNDEFINED = 0xFFFFFFFF

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
UNDIVIDED = frozenset({"LT", "ST", "UT", "UR"})  # a backslash in these is only a backslash
IN_CHARACTER_SET = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
DELIMITERS = {0x0A, 0x0C, 0x0D, 0x5C}  # after these a character set starts anew (PS3.5 6.1.2.5.3)
BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}


@dataclass(frozen=True, slots=True)
class Attribute:
    """One row of `data/attributes.csv`.

    `one_value`: the modalities (`*`: all) in which it has one value over a scan. `sequence`: where its first item
    is when the object itself has it not, at top level or in the functional groups (PS3.3 C.7.6.16).
    """

    keyword: str
    tag: int
    one_value: frozenset[str]
    sequence: int | None


@cache
def attributes() -> tuple[Attribute, ...]:
    """The attributes that are taken from an object, in the order of their tags."""
    table = files("cohortium.dicom").joinpath("data/attributes.csv").read_text("utf-8")
    return tuple(
        Attribute(
            keyword=row["keyword"],
            tag=_tag(row["keyword"]),
            one_value=frozenset(row["one_value"].split()),
            sequence=_tag(row["sequence"]) if row["sequence"] else None,
        )
        for row in csv.DictReader(table.splitlines())
    )


@cache
def dimensions() -> tuple[tuple[str, tuple[int, ...]], ...]:
    """What may tell slices in one place apart, most telling first, and the sequences in which a frame says it."""
    table = files("cohortium.dicom").joinpath("data/dimensions.csv").read_text("utf-8")
    return tuple(
        (row["keyword"], tuple(map(_tag, row["sequences"].split()))) for row in csv.DictReader(table.splitlines())
    )


def describe(content: bytes | memoryview, digest: str) -> Instance:
    """What the stages after `deidentify` need of the object whose bytes are `content` and whose name is `digest`.

    Beside the attributes as they stand, `NumberOfFrames` is always there (0: no pixels). Of multi-frame objects whose
    frames all say where they lie, so are `ImagePositionVector` (three figures a frame), and `SliceLocationVector`
    (each frame's position in mm along the normal) or, where frames are not parallel, `ImageOrientationVector`. What
    tells frames apart (`dimensions`), their measures and their scale are an attribute where all say the same, else a
    `...Vector`. Raises `Malformed`.
    """
    if isinstance(content, bytes):
        with suppress(Malformed):  # what is not plain, or worth a word with its offset, is read again
            return described(elements.read(content), digest)
    return _described_by_pydicom(content, digest)


def described(file: File, digest: str) -> Instance:
    """The same of a file that was read already."""
    syntax = bytes(file.meta[0x00020010][1]).decode("latin-1").rstrip("\0 ")  # type: ignore[arg-type]
    has_pixels = any(tag in file.elements and len(file.elements[tag][1]) for tag in PIXELS)
    return _instance(Plain(file.elements, [default_encoding]), syntax, digest, file.size, has_pixels=has_pixels)


def _described_by_pydicom(content: bytes | memoryview, digest: str) -> Instance:
    """The same of whatever can be read at all, four times as slowly; for what is plain, the oracle."""
    size = content.nbytes if isinstance(content, memoryview) else len(content)
    dataset, has_pixels = _read(_Window(content), size)
    syntax = str(dataset.file_meta.get("TransferSyntaxUID") or "")
    return _instance(Lenient(dataset), syntax, digest, size, has_pixels=has_pixels)


def _instance(dataset: Place, syntax: str, digest: str, size: int, *, has_pixels: bool) -> Instance:
    found = _found(dataset)
    taken = {name: found.pop(name, "") for name in FIELDS}
    taken["TransferSyntaxUID"] = syntax
    _demand(taken)
    found["NumberOfFrames"] = _frames(found.get("NumberOfFrames")) if has_pixels else 0
    if found["NumberOfFrames"] and GROUPS[1] in dataset:
        found = _of_frames(dataset, found) | found
    return Instance(digest=digest, size=size, attributes=found, **taken)


def frames(instance: Instance) -> int:
    """How many frames of pixels the object has; 0 for an object without pixels."""
    if "NumberOfFrames" not in instance.attributes:
        return int("Rows" in instance.attributes)
    number = instance.number("NumberOfFrames")
    return 1 if number is None else max(0, int(number))


def _read(stream: _Window, size: int) -> tuple[FileDataset, bool]:
    """The wanted elements up to the pixels, undecoded, and whether there are pixels."""
    at: list[int] = []

    def stop(tag: BaseTag, _vr: str | None, length: int) -> bool:
        at[:] = [tag, stream.tell(), length]
        return tag in PIXELS

    try:
        dataset = read_partial(stream, stop_when=stop, specific_tags=_wanted())  # type: ignore[arg-type]
    except UNREADABLE as error:
        raise Malformed(f"not readable at {called(at[0])}" if at else "not readable as DICOM", stream.tell()) from error
    has_pixels = bool(at) and at[0] in PIXELS and at[2] != 0
    deflated = dataset.file_meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian
    if at and not deflated and at[0] not in PIXELS and at[2] != UNDEFINED and at[1] + at[2] > size:
        raise Malformed(f"cut within {called(at[0])}", at[1])
    return dataset, has_pixels


@cache
def _wanted() -> tuple[int, ...]:
    tags = {each.tag for each in attributes()} | {each.sequence for each in attributes() if each.sequence}
    return (*sorted(tags), *GROUPS)


def _found(dataset: Place) -> dict[str, Any]:
    places = dataset, *(_item(dataset, tag) for tag in GROUPS)
    found = {}
    for each in attributes():
        value = _value(dataset, each.tag)
        if value is None and each.sequence is not None:
            items = (_item(place, each.sequence) for place in places)
            value = next((v for item in items if (v := _value(item, each.tag)) is not None), None)
        if value is not None:
            found[each.keyword] = value
    return found


def _item(place: Place | None, tag: int) -> Place | None:
    """The first item of a sequence, if there is one."""
    return next(_items(place, tag), None)


def _items(place: Place | None, tag: int) -> Iterator[Place]:
    return iter(()) if place is None or tag not in place else place.items(tag)


def _value(place: Place | None, tag: int) -> Any:
    """The element as a JSON value; None where absent, empty or longer than any of use."""
    if place is None or tag not in place:
        return None
    raw = place.raw(tag)
    if isinstance(raw, int):
        return raw
    return _decoded(place, tag, raw) if raw and len(raw) <= LONGEST else None


def _decoded(place: Place, tag: int, raw: bytes) -> Any:
    vr = _vr(tag)
    if vr == "US or SS":
        vr = "SS" if _value(place, _tag("PixelRepresentation")) == 1 else "US"
    if vr in BINARY:
        return _joined([_finite(v) for v in _unpacked(raw, BINARY[vr], place, tag)])
    text = decode_bytes(raw, place.encodings, DELIMITERS) if vr in IN_CHARACTER_SET else raw.decode("latin-1")
    if vr in UNDIVIDED:
        return text.replace("\0", "").rstrip() or None
    parts = [part.replace("\0", "").strip() for part in text.split("\\")]
    if vr in ("DS", "IS"):
        return _joined([_number(part, whole=vr == "IS") for part in parts])
    return _joined(parts)


def _unpacked(raw: bytes, code: str, place: Place, tag: int) -> tuple[Any, ...]:
    count, rest = divmod(len(raw), struct.calcsize("=" + code))
    if rest:
        raise Malformed(f"{called(tag)} has a length that its type cannot have", place.offset(tag))
    return struct.unpack(f"{place.order(tag)}{count}{code}", raw)


def _number(text: str, *, whole: bool) -> int | float | str:
    """IS and DS as numbers; as text where they do not parse (Python alone would accept `nan`, `1_0`)."""
    if whole and WHOLE.fullmatch(text):
        return int(text)
    if not whole and NUMBER.fullmatch(text):
        return _finite(float(text))
    return text


def _finite(number: int | float) -> int | float | str:
    """JSON has no NaN, and the index no integer beyond 64 bits."""
    if not math.isfinite(number) or (isinstance(number, int) and not -(2**63) <= number < 2**63):
        return str(number)
    return number


def _joined(parts: list[Any]) -> Any:
    if len(parts) == 1:
        return None if parts[0] == "" else parts[0]
    return parts if any(part != "" for part in parts) else None


def _frames(number: Any) -> int:
    return number if isinstance(number, int) and 0 < number < 2**31 else 1


def _of_frames(dataset: Place, found: Mapping[str, Any]) -> dict[str, Any]:
    """Where each frame lies and what else tells it from others, of what the functional groups say of every frame."""
    shared, own = _item(dataset, GROUPS[0]), list(_items(dataset, GROUPS[1]))
    if len(own) != found["NumberOfFrames"]:
        return {}
    told = _dimensions(shared, own)
    orientations: list[Any] = [
        _orientation(frame) or _orientation(shared) or found.get("ImageOrientationPatient") for frame in own
    ]
    points: list[Any] = [
        _value(_item(frame, _tag("PlanePositionSequence")), _tag("ImagePositionPatient")) for frame in own
    ]
    along = [geometry.along(at, geometry.normal(way)) for at, way in zip(points, orientations, strict=True)]
    if None in along:
        return told
    told["ImagePositionVector"] = [coordinate for point in points for coordinate in point]
    if all(way == orientations[0] for way in orientations):
        return told | {"SliceLocationVector": along}
    return told | {"ImageOrientationVector": [cosine for way in orientations for cosine in way]}


def _dimensions(shared: Place | None, own: Sequence[Place]) -> dict[str, Any]:
    """What tells frames apart: as an attribute where all frames say the same, else frame by frame as `...Vector`."""
    told: dict[str, Any] = {}
    for keyword, path in (*dimensions(), *OF_A_FRAME):
        if not path or (not any(path[0] in frame for frame in own) and (shared is None or path[0] not in shared)):
            continue
        common = _at(shared, path, _tag(keyword))
        values = [common if (value := _at(frame, path, _tag(keyword))) is None else value for frame in own]
        plain = ["\\".join(map(str, value)) if isinstance(value, list) else value for value in values]
        if any(value != plain[0] for value in plain):
            told[f"{keyword}Vector"] = ["" if value is None else value for value in plain]
        elif plain[0] is not None:
            told[keyword] = plain[0]
    return told


def _at(place: Place | None, path: tuple[int, ...], tag: int) -> Any:
    """What cannot be read tells nothing apart, and is no reason to refuse an object."""
    with suppress(Malformed):
        for sequence in path:
            place = _item(place, sequence)
        return _value(place, tag)
    return None


def _orientation(group: Place | None) -> Any:
    return _value(_item(group, _tag("PlaneOrientationSequence")), _tag("ImageOrientationPatient"))


def _demand(taken: Mapping[str, Any]) -> None:
    """Without these an object cannot be filed; an identifier with a list or a novel in it is none."""
    for name, value in sorted(taken.items()):
        if not isinstance(value, str) or len(value) > 64:
            raise Malformed(f"{name} is not one value of at most 64 characters")
        if name.endswith("UID") and not value:
            raise Malformed(f"{name} is missing")


@cache
def _vr(tag: int) -> str:
    return dictionary_VR(tag)


@cache
def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise LookupError(f"{keyword} is no keyword of PS3.6")
    return tag


class _Window:
    """The bytes as a file, without a copy of them."""

    def __init__(self, content: bytes | memoryview) -> None:
        self._view = memoryview(content).cast("B")
        self._at = 0

    def read(self, count: int = -1) -> bytes:
        end = len(self._view) if count < 0 else self._at + count
        piece = bytes(self._view[self._at : end])
        self._at += len(piece)
        return piece

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = max(0, offset + (0, self._at, len(self._view))[whence])
        return self._at

    def tell(self) -> int:
        return self._at
