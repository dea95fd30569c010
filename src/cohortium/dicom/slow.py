"""The slow path, and the oracle: the same plan carried out through pydicom, one plain element after the other.

It reads what `scan` leaves to it (big endian, deflated, elements out of order, known elements written as UN) and writes
little endian, explicit unless the input was implicit. For what both can read it must come to the same elements as
`scan`: a property that the tests hold.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any, NamedTuple

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import data_element_generator, read_dataset, read_partial, read_sequence

from cohortium.dicom import filemeta, pixels
from cohortium.dicom.charset import SPECIFIC_CHARACTER_SET, character_sets
from cohortium.dicom.mentions import in_data_set
from cohortium.dicom.plan import Context, Do, Judge, Look, Path, Plan, Rewritten, Rule, SafePrivate, judged
from cohortium.dicom.private import Blocks
from cohortium.dicom.scan import (
    MAXIMUM_DEPTH,
    UNPARSEABLE,
    element,
    file_header,
    item,
    note_missing,
    note_trailing,
    set_element,
    without_echoes,
)
from cohortium.errors import Malformed

__all__ = ["Peek", "peek", "rewrite", "series", "texts"]

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
MODALITY = 0x00080060
SERIES_INSTANCE_UID = 0x0020000E
LARGEST_INFLATED = 1 << 31
UNDEFINED = 0xFFFFFFFF
PIXEL_TAGS = (pixels.FLOAT_PIXEL_DATA, pixels.DOUBLE_PIXEL_DATA, pixels.PIXEL_DATA)
WORDS = {"OW": 2, "US": 2, "SS": 2, "AT": 2, "UL": 4, "SL": 4, "FL": 4, "OF": 4, "OL": 4}
WORDS |= {"FD": 8, "OD": 8, "OV": 8, "SV": 8, "UV": 8}

UNREADABLE: tuple[type[Exception], ...] = (  # what pydicom raises where bytes make no sense
    *(ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError, OSError, RecursionError),
    *(BytesLengthException, InvalidDicomError, TypeError, ValueError, struct.error, zlib.error),
)


class _Element(NamedTuple):
    """An element in little endian; `items` where it is a sequence, `rule` where it is private."""

    tag: int
    vr: str
    value: bytes
    items: list[list[_Element]] | None = None
    undefined: bool = False
    rule: Rule | None = None


@dataclass(frozen=True, slots=True)
class Peek:
    """What decides where a file goes."""

    TransferSyntaxUID: str
    SOPClassUID: str
    Modality: str


def peek(buffer: bytes | memoryview) -> Peek:
    """Read a file's first elements; `Malformed` where they make no sense."""
    meta = filemeta.read(buffer)
    sop_class, modality = texts(buffer, MODALITY, "SOPClassUID", "Modality")
    return Peek(meta.TransferSyntaxUID, sop_class, modality)


def series(buffer: bytes | memoryview) -> str:
    """The file's SeriesInstanceUID, empty where it has none; `Malformed` where it makes no sense."""
    return texts(buffer, SERIES_INSTANCE_UID, "SeriesInstanceUID")[0]


def texts(buffer: bytes | memoryview, last: int, *keywords: str) -> list[str]:
    """The values of those elements, of which none comes after the tag `last`; `Malformed` where they make no sense."""
    try:
        dataset = read_partial(BytesIO(buffer), stop_when=lambda tag, _vr, _length: tag > last)
        return [str(dataset.get(keyword, "")) for keyword in keywords]
    except UNREADABLE as error:
        raise Malformed(f"the data set cannot be read ({type(error).__name__})") from None


def rewrite(buffer: bytes | memoryview, plan: Plan) -> Rewritten:
    """Carry out `plan` on a whole Part 10 file; `Malformed` where pydicom cannot read it either."""
    meta = filemeta.read(buffer)
    syntax = meta.TransferSyntaxUID
    content = bytes(buffer[meta.end :])
    if syntax == DEFLATED:
        content = _inflated(content)
    reader = _Reader(implicit=syntax == IMPLICIT, little=syntax != BIG_ENDIAN, safe=plan.private)
    out_syntax = EXPLICIT if syntax in (DEFLATED, BIG_ENDIAN) else syntax
    try:
        dataset, trailing = reader.dataset(content)
        top = reader.elements(dataset)
    except UNREADABLE as error:
        raise Malformed(f"the data set cannot be read ({type(error).__name__})") from None
    noted = _noted(top, plan)
    context = plan.prepare(noted)
    mentions = in_data_set(content, plan.names, explicit=not reader.implicit, big=not reader.little)
    context.echoes = context.echoes.beside(mentions)
    writer = _Writer(plan, context, implicit=reader.implicit)
    main = [each for each in top if each.tag not in PIXEL_TAGS]
    header = file_header(noted, context, out_syntax)
    content = without_echoes(writer.dataset(main, (), sets=True), plan, context, out_syntax)
    slices: list[bytes | memoryview] = [header, content]
    if not any(each.tag in PIXEL_TAGS for each in top):
        note_missing(plan, context)
    for each in top:
        if each.tag in PIXEL_TAGS and _rule(plan, each, ()).do == Do.PIXELS:
            encoded = memoryview(writer.encode(each, each.value, undefined=each.undefined))
            value = len(encoded) - len(each.value) - (8 if each.undefined else 0)
            samples, _ = pixels.clean(encoded, 0, value, syntax, noted, context.findings)
            slices += samples
            note_trailing(trailing, context)
    return Rewritten([piece for piece in slices if piece], context)


def _inflated(content: bytes) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(content, LARGEST_INFLATED)
    except zlib.error:
        raise Malformed("the deflated data set cannot be inflated") from None
    if inflater.unconsumed_tail or not inflater.eof:
        raise Malformed("truncated: the deflated data set has no end, or inflates beyond any sense")
    return inflated


def _noted(top: list[_Element], plan: Plan) -> dict[int, bytes]:
    noted = {}
    for each in top:
        _, do, accepts = _rule(plan, each, ())
        if each.items is None and do in (Do.NOTE, Do.TAKE):
            noted[each.tag] = each.value if accepts is None or accepts(each.value) else b""
    return noted


def _rule(plan: Plan, each: _Element, path: Path) -> Rule:
    if each.rule:
        return each.rule
    key = struct.pack("<HH", each.tag >> 16, each.tag & 0xFFFF) + each.vr.encode()
    rule = plan.rules(path, True).get(key)
    if rule is None:
        return plan.unusual(each.tag, each.vr, path) or Rule(each.tag, Do.DROP)
    return rule._replace(do=rule.do - Do.KEEP_LONG) if rule.do >= Do.KEEP_LONG else rule


class _Reader:
    """Turns pydicom's view of a data set into elements in little endian."""

    def __init__(self, *, implicit: bool, little: bool, safe: SafePrivate | None) -> None:
        self.implicit = implicit
        self.little = little
        self.safe = safe or _none

    def dataset(self, content: bytes) -> tuple[Dataset, int]:
        """The data set up to its pixel data, and how many bytes stand behind them."""
        stream, seen, end = BytesIO(content), set[int](), 0
        for raw in data_element_generator(stream, self.implicit, self.little):
            if raw.tag in seen:
                raise Malformed(f"element {raw.tag} stands twice")
            seen.add(raw.tag)
            end = stream.tell()
            if raw.tag in PIXEL_TAGS:
                break
        else:
            if end != len(content):
                raise Malformed("truncated: the data set ends within an element, or goes on behind its end")
        return read_dataset(BytesIO(content[:end]), self.implicit, self.little), len(content) - end

    def elements(self, dataset: Dataset, depth: int = 0) -> list[_Element]:
        if depth > MAXIMUM_DEPTH:
            raise Malformed(f"sequences are nested more than {MAXIMUM_DEPTH} deep")
        bits = self._bits(dataset)
        blocks = Blocks(self.safe)
        found = []
        for tag in sorted(dataset.keys()):
            item = dataset.get_item(tag, keep_deferred=True)  # else an empty value comes back converted
            if tag.is_private and tag.element:
                found.append(self._private(item, blocks, bits, depth))
            elif tag.element == 0 or not dictionary_has_tag(tag):
                found.append(_Element(int(tag), item.VR or "UN", b""))
            else:
                found.append(self._element(item, bits, depth))
        return found

    def _private(self, item: RawDataElement | DataElement, blocks: Blocks, bits: int, depth: int) -> _Element:
        tag, vr = int(item.tag), "" if self.implicit else item.VR or ""
        if not isinstance(item, RawDataElement):
            rule = blocks.rule(tag, vr, None)
            items = [self.elements(each, depth + 1) for each in item.value] if rule.do == Do.ENTER else None
            return _Element(tag, "SQ", b"", items, undefined=True, rule=rule)
        content = item.value or b""
        value = content if self.little or vr == "UN" else _swapped(content, _word(tag, vr, bits))
        rule = blocks.rule(tag, vr, None if item.length == UNDEFINED else lambda: value)
        if rule.do != Do.DROP and item.length != len(content):
            raise Malformed(f"truncated: element {item.tag} reaches beyond the end of the file")
        if rule.do != Do.ENTER:
            return _Element(tag, vr or "UN", value, rule=rule)
        implicit, little = self.implicit or vr == "UN", self.little or vr == "UN"
        sequence = read_sequence(BytesIO(content), implicit, little, len(content), "iso8859")
        return _Element(tag, "SQ", b"", [self.elements(each, depth + 1) for each in sequence], rule=rule)

    def _bits(self, dataset: Dataset) -> int:
        item = dataset.get_item(pixels.BITS_ALLOCATED) if pixels.BITS_ALLOCATED in dataset else None
        value = item.value if isinstance(item, RawDataElement) else None
        return int.from_bytes(value[:2], "little" if self.little else "big") if value else 8

    def _element(self, item: RawDataElement | DataElement, bits: int, depth: int) -> _Element:
        tag, known = int(item.tag), dictionary_VR(item.tag)
        if not isinstance(item, RawDataElement):  # pydicom has parsed it already: a sequence of undefined length
            return _Element(tag, "SQ", b"", [self.elements(each, depth + 1) for each in item.value], undefined=True)
        vr = item.VR
        if vr is None or vr == "UN":
            vr = known if len(known) == 2 else _unambiguous(known)
        value = item.value or b""
        undefined = item.length == UNDEFINED
        if not undefined and item.length != len(value):
            raise Malformed(f"truncated: element {item.tag} reaches beyond the end of the file")
        if undefined and tag != pixels.PIXEL_DATA:
            raise Malformed("an element that is no sequence has undefined length")
        implicit, little = item.is_implicit_VR or item.VR == "UN", item.is_little_endian or item.VR == "UN"
        if vr == "SQ":
            sequence = read_sequence(BytesIO(value), implicit, little, len(value), "iso8859")
            return _Element(tag, vr, b"", [self.elements(each, depth + 1) for each in sequence])
        if not little:
            value = _swapped(value, _word(tag, vr, bits))
        return _Element(tag, vr, value, undefined=undefined)


def _none(_creator: bytes, _tag: int, _vr: str) -> None:
    """No private attribute is safe."""


def _unambiguous(known: str) -> str:
    """One of several VRs that the dictionary allows where the file names none."""
    return "OW" if "OW" in known else "US"


def _word(tag: int, vr: str, bits: int) -> int:
    if tag == pixels.PIXEL_DATA and vr == "OW" and bits > 16:
        return bits // 8
    return WORDS.get(vr, 1)


def _swapped(value: bytes, word: int) -> bytes:
    if word == 1 or len(value) % word:
        return value
    swapped = bytearray(len(value))
    for n in range(word):
        swapped[n::word] = value[word - 1 - n :: word]
    return bytes(swapped)


class _Writer:
    """Carries out the plan on elements and encodes what remains."""

    def __init__(self, plan: Plan, context: Context, *, implicit: bool) -> None:
        self.plan = plan
        self.context = context
        self.implicit = implicit

    def dataset(self, elements: list[_Element], path: Path, *, sets: bool, context: Context | None = None) -> bytes:
        context = context or self.context
        out: dict[int, bytes] = {}
        for each in elements:
            encoded = self.element(each, path, context)
            if encoded is not None:
                out[each.tag] = encoded
        if sets:
            for tag, vr in self.plan.sets.items():
                out[tag] = set_element(tag, vr, context.sets[tag], not self.implicit)
        return b"".join(out[tag] for tag in sorted(out))

    def element(self, each: _Element, path: Path, context: Context) -> bytes | None:
        _, do, argument = _rule(self.plan, each, path)
        if do in (Do.DROP, Do.TAKE):
            return None
        if do == Do.ENTER:
            items = self.items(each, (*path, each.tag), context, argument)
            return self.encode(each, items, undefined=each.undefined)
        if each.items is not None and do != Do.EDIT:
            return None
        if do == Do.EDIT:
            value = argument(each.value, context)
            return None if value is None else self.encode(each, value)
        if _good(do, argument, each.value):
            return self.encode(each, each.value)
        context.findings.append(UNPARSEABLE)
        return self.encode(each, b"")

    def items(self, each: _Element, path: Path, context: Context, judge: Judge | None) -> bytes:
        out = []
        for elements in each.items or []:
            kind = judge(_look(elements), context) if judge else 0
            if isinstance(kind, int):
                inner = context
                for element_ in elements:
                    if element_.tag == SPECIFIC_CHARACTER_SET:
                        inner = replace(context, character_sets=character_sets(element_.value))
                content = self.dataset(elements, judged(path, kind), sets=False, context=inner)
            else:
                content = item(kind, not self.implicit)
            out.append(b"\xfe\xff\x00\xe0" + len(content).to_bytes(4, "little") + content)
        return b"".join(out)

    def encode(self, each: _Element, value: bytes, *, undefined: bool = False) -> bytes:
        key = struct.pack("<HH", each.tag >> 16, each.tag & 0xFFFF)
        if not self.implicit:
            key += each.vr.encode()
        ended = value + b"\xfe\xff\xdd\xe0\0\0\0\0" if undefined else value
        return element(key, ended, undefined=undefined)


def _look(elements: list[_Element]) -> Look:
    """A look into one item."""

    def look(*tags: int) -> bytes:
        here = elements
        for tag in tags[:-1]:
            items = next((each.items for each in here if each.tag == tag), None) or []
            here = items[0] if len(items) == 1 else []
        return next((each.value for each in here if each.tag == tags[-1] and each.items is None), b"")

    return look


def _good(do: int, argument: Any, value: bytes) -> bool:
    """Whether a value that is kept is what its value representation allows."""
    match do:
        case Do.FIXED:
            return not len(value) & argument
        case Do.CHECK | Do.NOTE:
            return argument is None or bool(argument(value))
        case _:
            return True
