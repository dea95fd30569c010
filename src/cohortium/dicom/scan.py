"""The fast path: a data set rewritten over its own bytes, without decoding what stays.

Two passes over the header. The first finds where each element lies and what the plan wants with it; runs of elements
that stay are never touched. Then the plan sees the values it asked for (the pseudonym needs elements that come late),
and the second pass replaces, removes, inserts, and enters sequences. Samples are handed on by reference.

What always holds: a byte reaches the output only if the plan keeps its element. Whatever this module is not sure of
it refuses: `Malformed` for broken input, `NotScannable` for what `slow` can still read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from cohortium.dicom import filemeta, pixels
from cohortium.dicom.charset import SPECIFIC_CHARACTER_SET, character_sets
from cohortium.dicom.filemeta import FileMeta
from cohortium.dicom.mentions import in_edits
from cohortium.dicom.plan import (
    LONG_VRS,
    SHORT_VRS,
    Context,
    Do,
    Edit,
    Judge,
    Look,
    Path,
    Plan,
    Rewritten,
    Rule,
    SetItem,
    SetValue,
    View,
    judged,
)
from cohortium.dicom.private import Blocks, unechoed
from cohortium.errors import Malformed
from cohortium.values import Finding, Severity

__all__ = [
    "MAXIMUM_DEPTH",
    "UNPARSEABLE",
    "NotScannable",
    "element",
    "file_header",
    "item",
    "note_missing",
    "note_trailing",
    "rewrite",
    "set_element",
    "without_echoes",
]

EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
NOT_SCANNABLE = {
    "1.2.840.10008.1.2.2": "explicit VR big endian",
    "1.2.840.10008.1.2.1.99": "deflated",
}

UNDEFINED = 0xFFFFFFFF
NO_TAG = 1 << 32  # greater than any
ITEM = b"\xfe\xff\x00\xe0"
ITEM_END = b"\xfe\xff\x0d\xe0"
SEQUENCE_END = b"\xfe\xff\xdd\xe0"
MAXIMUM_DEPTH = 32
FIRST_HEAD = 1 << 16
SOP_CLASS_UID, SOP_INSTANCE_UID = 0x00080016, 0x00080018

_explicit = struct.Struct("<6sH").unpack_from
_implicit = struct.Struct("<4sI").unpack_from
_length = struct.Struct("<I").unpack_from
_tag = struct.Struct("<HH").unpack_from

_LONG = int(Do.KEEP_LONG) - int(Do.KEEP)
KEEP, FIXED, CHECK, NOTE, TAKE, DROP, EDIT, ENTER, PIXELS, END = (int(do) for do in list(Do)[:10])
KEEP_LONG, DROP_LONG, EDIT_LONG, ENTER_LONG, PIXELS_LONG = (int(do) for do in list(Do)[10:])
SET = -1


class NotScannable(Exception):
    """Well formed for all this module can tell, yet not its to read: `slow` must."""


class _Longer(Exception):
    """The header goes on behind the bytes at hand."""


def rewrite(buffer: bytes | memoryview, plan: Plan, meta: FileMeta | None = None) -> Rewritten:
    """Carry out `plan` on a whole Part 10 file, whose header may have been read already (`meta`).

    Returns slices of new bytes and of `buffer` itself, which must live until they are written.
    Raises `Malformed` (broken input, with its offset) and `NotScannable`.
    """
    view = memoryview(buffer)
    meta = meta or filemeta.read(view)
    size = FIRST_HEAD
    while True:
        try:
            return _rewrite(view, bytes(view[:size]), plan, meta)
        except _Longer:
            if size >= len(view):
                raise Malformed("truncated: an element reaches beyond the end of the file", len(view)) from None
            size *= 8


def _rewrite(view: memoryview, head: bytes, plan: Plan, meta: FileMeta) -> Rewritten:
    syntax = meta.TransferSyntaxUID
    if syntax in NOT_SCANNABLE:
        raise NotScannable(NOT_SCANNABLE[syntax])
    rewriter = _Rewriter(plan, explicit=syntax != IMPLICIT_LITTLE_ENDIAN)
    noted: dict[int, bytes] = {}
    edits, end = rewriter.scan(head, meta.end, len(view), (), noted)
    context = plan.prepare(noted)
    slices: list[bytes | memoryview] = [file_header(noted, context, syntax)]
    tail = edits.pop() if edits and edits[-1][3] == PIXELS else None
    context.echoes = context.echoes.beside(in_edits(head, edits, plan.names))
    if tail:
        start, value, *_ = tail
        slices.append(without_echoes(rewriter.apply(head, meta.end, start, edits, context, ()), plan, context, syntax))
        samples, behind = pixels.clean(view, start, value, syntax, noted, context.findings)
        slices += samples
        note_trailing(len(view) - behind, context)
    elif end != len(view):
        raise Malformed("the end of an item stands outside a sequence", end)
    else:
        note_missing(plan, context)
        slices.append(without_echoes(rewriter.apply(head, meta.end, end, edits, context, ()), plan, context, syntax))
    return Rewritten([piece for piece in slices if piece], context)


def without_echoes(header: bytes, plan: Plan, context: Context, syntax: str) -> bytes:
    """A rewritten data set (without pixels) in which no text repeats its names, numbers and addresses."""
    if not context.echoes(header):
        return header
    private = plan.private and unechoed(plan.private, context)
    second = replace(plan, rules=plan.echoing, unusual=_stays, sets={}, private=private)
    rewriter = _Rewriter(second, explicit=syntax != IMPLICIT_LITTLE_ENDIAN)
    edits, end = rewriter.scan(header, 0, len(header), (), {})
    return rewriter.apply(header, 0, end, edits, context, ())


def _stays(tag: int, _vr: str, _path: Path) -> Rule:
    return Rule(tag, DROP)  # written in a VR of its own and echoing, if not itself then beside: rare enough to go


def file_header(noted: View, context: Context, syntax: str) -> bytes:
    """A new file header, in step with the data set (PS3.10 7.1)."""
    instance = context.sets[SOP_INSTANCE_UID]
    assert isinstance(instance, bytes)
    sop_class = noted.get(SOP_CLASS_UID, b"")
    return filemeta.build(_text(sop_class), _text(instance), syntax)


def _text(value: bytes) -> str:
    return value.strip(b"\0 ").decode("ascii", "replace")


def note_trailing(size: int, context: Context) -> None:
    """Behind the pixel data comes nothing that could stay: signatures, padding, or bytes that are no elements."""
    if size:
        text = f"{size} bytes behind the pixel data were cut off"
        context.findings.append(Finding("structure.trailing-bytes", Severity.INFO, text))


def note_missing(plan: Plan, context: Context) -> None:
    """An image without samples is whole DICOM, and yet was probably cut short where its pixel data began."""
    if plan.pixels:
        text = "an image without pixel data: the file may have been cut short; send it again"
        context.findings.append(Finding("pixels.missing", Severity.ERROR, text))


class _Rewriter:
    """One plan on one encoding; holds no state of a file."""

    def __init__(self, plan: Plan, *, explicit: bool) -> None:
        self.plan = plan
        self.explicit = explicit
        self.unpack = _explicit if explicit else _implicit

    def scan(self, head: bytes, start: int, end: int, path: Path, noted: dict[int, bytes]) -> tuple[list[Edit], int]:
        """Find every element of one data set between `start` and `end` that does not simply stay.

        Returns the edits and where the data set ends: at `end`, or at its item delimiter. `head` may end before
        `end`; `_Longer` is raised when it is not enough. At the top level the scan stops at the pixel data,
        which is then the last edit.
        """
        rules = self.plan.rules(path, self.explicit)
        unpack, get = self.unpack, rules.get
        edits: list[Edit] = []
        append = edits.append
        blocks = Blocks(self.plan.private) if self.plan.private else None
        sets = [NO_TAG] if path else [*self.plan.sets, NO_TAG]
        next_set, position, last, short = sets[0], start, -1, 8
        try:
            while position < end:
                key, length = unpack(head, position)
                rule = get(key)
                if rule is None and blocks and key[0] & 1:
                    rule = self.private(head, key, length, position, blocks)
                elif rule is None:
                    rule = self.unusual(key, path, position)
                tag, do, argument = rule
                if tag <= last:
                    self.disorder(tag, last, position)
                last = tag
                if tag >= next_set:
                    while tag >= next_set:
                        append((position, position, position, SET, next_set, key))
                        next_set = sets[sets.index(next_set) + 1]
                if do == DROP and length != UNDEFINED:
                    after = position + short + length
                    append((position, after, after, DROP, None, key))
                    position = after
                    continue
                if do == CHECK:
                    value = position + short
                    after = value + length
                    if not argument(head, value, after):
                        append((position, value, after, EDIT, _emptied, key))
                    position = after
                    continue
                if do == FIXED:
                    after = position + short + length
                    if length & argument:
                        append((position, position + short, after, EDIT, _emptied, key))
                    position = after
                    continue
                if do == KEEP:
                    position += short + length
                    continue
                if do >= KEEP_LONG:
                    do -= _LONG
                    if length and do != DROP:
                        raise NotScannable("reserved bytes are not zero")
                    value = position + 12
                    (length,) = _length(head, position + 8)
                else:
                    value = position + short
                if do == PIXELS and not path:
                    append((position, value, value, do, length, key))
                    return edits, end
                if do == END:
                    return edits, position
                after = value + length if length != UNDEFINED else self.skip(head, key, value, do, len(path))
                if do in (NOTE, TAKE):
                    if after > len(head):
                        raise _Longer
                    noted[tag] = head[value:after]
                    if do == TAKE:
                        append((position, value, after, DROP, None, key))
                    elif argument is not None and not argument(noted[tag]):
                        noted[tag] = b""
                        append((position, value, after, EDIT, _emptied, key))
                elif do in (CHECK, FIXED):
                    good = argument(head, value, after) if do == CHECK else not length & argument
                    if not good:
                        append((position, value, after, EDIT, _emptied, key))
                elif do != KEEP:
                    append((position, value, after, do, argument, key))
                position = after
        except struct.error:
            raise _Longer from None
        if position > len(head):
            raise _Longer
        if position != end:
            raise Malformed("an element reaches beyond the end of its item", position)
        while next_set != NO_TAG:
            append((position, position, position, SET, next_set, b""))
            next_set = sets[sets.index(next_set) + 1]
        return edits, position

    def apply(self, head: bytes, start: int, end: int, edits: list[Edit], context: Context, path: Path) -> bytes:
        """The data set between `start` and `end` with its edits carried out."""
        out: list[bytes] = []
        run = start
        for edit_start, value, after, do, argument, key in edits:
            if do == DROP:
                if edit_start > run:
                    out.append(head[run:edit_start])
                run = after
                continue
            if do == SET:
                new = self.set_element(argument, context)
            elif do == EDIT:
                old = head[value:after]
                made = argument(old, context)
                if made == old:
                    continue
                new = b"" if made is None else element(key, made)
            else:
                items = self.items(head, value, after, context, path + _path(key), argument)
                if items is None:
                    continue
                new = element(key, items, undefined=_undefined(head, value))
            if edit_start > run:
                out.append(head[run:edit_start])
            out.append(new)
            run = after
        out.append(head[run:end])
        return b"".join(out)

    def items(
        self, head: bytes, position: int, end: int, context: Context, path: Path, judge: Judge | None
    ) -> bytes | None:
        """The items of the sequence whose value lies between `position` and `end`; None where nothing changed."""
        if len(path) > MAXIMUM_DEPTH:
            raise Malformed(f"sequences are nested more than {MAXIMUM_DEPTH} deep", position)
        out: list[bytes] = []
        changed = False
        while position < end:
            if end - position < 8:
                raise Malformed("a sequence ends within an item's header", position)
            tag, (length,) = head[position : position + 4], _length(head, position + 4)
            start = position + 8
            if tag == SEQUENCE_END and start == end:
                changed |= length != 0
                out.append(SEQUENCE_END + bytes(4))
                break
            if tag != ITEM:
                raise Malformed("an item was expected in a sequence", position)
            limit = end if length == UNDEFINED else start + length
            if limit > end:
                raise Malformed("an item reaches beyond the end of its sequence", position)
            kind = judge(_look(head, start, limit, explicit=self.explicit), context) if judge else 0
            here = judged(path, kind) if isinstance(kind, int) else path
            noted: dict[int, bytes] = {}
            edits, stop = self.scan(head, start, limit, here, noted)
            if not isinstance(kind, int):
                inner = item(kind, self.explicit)
            else:
                within = _within(context, noted)
                inner = self.apply(head, start, stop, edits, within, here) if edits else head[start:stop]
            changed |= len(inner) != stop - start or inner != head[start:stop]
            if length != UNDEFINED:
                if stop != limit:
                    raise Malformed("an item of defined length holds an end of its own", stop)
                out += (ITEM, len(inner).to_bytes(4, "little"), inner)
                position = stop
            else:
                if head[stop : stop + 4] != ITEM_END:
                    raise Malformed("an item of undefined length has no end", position)
                changed |= head[stop + 4 : stop + 8] != bytes(4)
                out += (ITEM, b"\xff\xff\xff\xff", inner, ITEM_END, bytes(4))
                position = stop + 8
        return b"".join(out) if changed else None

    def unusual(self, key: bytes, path: Path, position: int) -> Rule:
        """The rule for an element that the plan's tables do not list with this VR."""
        group, number = _tag(key)
        tag, vr = group << 16 | number, key[4:]
        if group == 0xFFFE:
            raise Malformed(f"a delimiter ({group:04x},{number:04x}) stands outside a sequence", position)
        if not self.explicit:
            return self.plan.unusual(tag, "", path) or Rule(tag, DROP)
        self.known(key, position)
        rule = self.plan.unusual(tag, vr.decode(), path)
        if rule is None:
            raise NotScannable(f"element ({group:04x},{number:04x}) is known but written as UN")
        return Rule(tag, rule.do + _LONG, rule.argument) if vr in LONG_VRS else rule

    def private(self, head: bytes, key: bytes, length: int, position: int, blocks: Blocks) -> Rule:
        """The rule for a private element where some may stay."""
        group, number = _tag(key)
        tag, vr, value = group << 16 | number, key[4:], position + 8
        if self.explicit:
            self.known(key, position)
        long = vr in LONG_VRS
        if long:
            value, (length,) = position + 12, _length(head, position + 8)

        def read() -> bytes:
            if value + length > len(head):
                raise _Longer
            return head[value : value + length]

        rule = blocks.rule(tag, vr.decode(), None if length == UNDEFINED else read)
        if rule.do == ENTER and vr == b"UN":
            raise NotScannable(f"element ({group:04x},{number:04x}) is a sequence written as UN")
        return rule._replace(do=rule.do + _LONG) if long else rule

    def known(self, key: bytes, position: int) -> None:
        if key[4:] not in LONG_VRS and key[4:] not in SHORT_VRS:
            group, number = _tag(key)
            raise Malformed(f"element ({group:04x},{number:04x}) has no known value representation", position)

    def disorder(self, tag: int, last: int, position: int) -> None:
        name = f"element ({tag >> 16:04x},{tag & 0xFFFF:04x})"
        if tag == last:
            raise Malformed(f"{name} stands twice", position)
        raise NotScannable(f"{name} is out of order")

    def skip(self, head: bytes, key: bytes, position: int, do: int, depth: int) -> int:
        """The offset behind a value of undefined length that starts at `position`."""
        vr = key[4:]
        if do == NOTE or (do != DROP and vr not in (b"", b"SQ", b"UN")):
            raise Malformed("an element that is no sequence has undefined length", position)
        return _skip_items(head, position, explicit=self.explicit and vr != b"UN", depth=depth)

    def set_element(self, tag: object, context: Context) -> bytes:
        assert isinstance(tag, int)
        return set_element(tag, self.plan.sets[tag], context.sets[tag], self.explicit)


@lru_cache(maxsize=1024)
def set_element(tag: int, vr: str, value: SetValue, explicit: bool) -> bytes:
    """An element that a plan sets, encoded."""
    key = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if explicit:
        key += vr.encode()
    if isinstance(value, bytes):
        return element(key, value)
    contents = (item(each, explicit) for each in value)
    return element(key, b"".join(ITEM + len(content).to_bytes(4, "little") + content for content in contents))


def item(elements: SetItem, explicit: bool) -> bytes:
    """What an item that is written anew holds."""
    return b"".join(set_element(tag, vr, value, explicit) for tag, vr, value in elements)


def element(key: bytes, value: bytes, *, undefined: bool = False) -> bytes:
    """One encoded element; `key` is its tag, with its VR in explicit VR. `value` has even length (PS3.5 7.1)."""
    length = UNDEFINED if undefined else len(value)
    if len(key) == 4:
        return key + length.to_bytes(4, "little") + value
    if key[4:] in LONG_VRS:
        return key + b"\0\0" + length.to_bytes(4, "little") + value
    try:
        return key + length.to_bytes(2, "little") + value
    except OverflowError:
        raise Malformed("a value has grown beyond what its value representation can hold") from None


def _emptied(_value: bytes, context: Context) -> bytes:
    context.findings.append(UNPARSEABLE)
    return b""


UNPARSEABLE = Finding(
    "structure.unparseable-value",
    Severity.INFO,
    "a kept attribute held a value that its value representation does not allow; it was emptied",
)


def _skip_items(head: bytes, position: int, *, explicit: bool, depth: int) -> int:
    if depth > MAXIMUM_DEPTH:
        raise Malformed(f"sequences are nested more than {MAXIMUM_DEPTH} deep", position)
    while True:
        tag, (length,) = head[position : position + 4], _length(head, position + 4)
        if tag == SEQUENCE_END:
            return position + 8
        if tag != ITEM:
            raise Malformed("an item was expected in a sequence", position)
        position += 8
        if length == UNDEFINED:
            position = _skip_elements(head, position, explicit=explicit, depth=depth)
        else:
            position += length


def _skip_elements(head: bytes, position: int, *, explicit: bool, depth: int) -> int:
    while head[position : position + 4] != ITEM_END:
        _, _, position = _extent(head, position, explicit=explicit, depth=depth)
    return position + 8


def _extent(head: bytes, position: int, *, explicit: bool, depth: int) -> tuple[bytes, int, int]:
    """VR (empty in implicit VR) of the element at `position`, where its value starts, and where the next one begins."""
    vr, value = b"", position + 8
    if not explicit:
        (length,) = _length(head, position + 4)
    else:
        key, length = _explicit(head, position)
        vr = key[4:]
        if vr in LONG_VRS:
            (length,), value = _length(head, value), value + 4
        elif vr not in SHORT_VRS:
            raise Malformed("an element has no known value representation", position)
    if length != UNDEFINED:
        return vr, value, value + length
    return vr, value, _skip_items(head, value, explicit=explicit and vr != b"UN", depth=depth + 1)


def _look(head: bytes, start: int, end: int, *, explicit: bool) -> Look:
    """A look into one item. It checks no more than it must: what stays is scanned after it, and refused if broken."""
    seen: dict[int, dict[tuple[int, int], tuple[bytes, int, int]]] = {}

    def look(*tags: int) -> bytes:
        here, stop = start, end
        try:
            for depth, tag in enumerate(tags, 1):
                if here not in seen:
                    seen[here] = dict(_extents(head, here, stop, explicit=explicit))
                vr, value, after = seen[here].get((tag >> 16, tag & 0xFFFF), ABSENT)
                if depth == len(tags):
                    return head[value:after] if vr != b"SQ" else b""
                if vr not in (b"SQ", b""):
                    break
                here, stop = _only_item(head, value, after, explicit=explicit)
        except struct.error:
            pass
        return b""

    return look


ABSENT = b"", 0, 0


def _extents(
    head: bytes, position: int, end: int, *, explicit: bool
) -> Iterator[tuple[tuple[int, int], tuple[bytes, int, int]]]:
    """Tag, and VR, start and end of the value, of each element in a data set."""
    while position < end and head[position : position + 4] != ITEM_END:
        extent = _extent(head, position, explicit=explicit, depth=0)
        yield _tag(head, position), extent
        position = extent[2]


def _only_item(head: bytes, position: int, end: int, *, explicit: bool) -> tuple[int, int]:
    """Where the data set of a sequence's item begins and ends; nowhere if it has not exactly one."""
    if end - position < 8 or head[position : position + 4] != ITEM:
        return end, end
    (length,), start = _length(head, position + 4), position + 8
    behind = _skip_elements(head, start, explicit=explicit, depth=0) if length == UNDEFINED else start + length
    return (start, behind) if behind == end or head[behind : behind + 4] == SEQUENCE_END else (end, end)


def _path(key: bytes) -> Path:
    group, number = _tag(key)
    return (group << 16 | number,)


def _undefined(head: bytes, value: int) -> bool:
    return head[value - 4 : value] == b"\xff\xff\xff\xff"


def _within(context: Context, noted: Mapping[int, bytes]) -> Context:
    """The context inside an item, which may name its own character set (PS3.3 C.12.1.1.2)."""
    if SPECIFIC_CHARACTER_SET not in noted:
        return context
    return replace(context, character_sets=character_sets(noted[SPECIFIC_CHARACTER_SET]))
