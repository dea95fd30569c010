"""What is to be done with each element of a data set: the instructions that `scan` and `slow` both carry out.

A plan is compiled once for a protocol and a SOP class (`deidentify.plan`), then used for any number of files. It
decides everything about values; the two rewriters decide only about bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

from cohortium.values import Finding, Severity

__all__ = [
    "AGE",
    "BINARY_SIZES",
    "CODES",
    "ECHOED",
    "GRAMMARS",
    "LONG_VRS",
    "NUMERIC",
    "SHORT_VRS",
    "TEXT",
    "TEXT_VRS",
    "UIDS",
    "Context",
    "Do",
    "Echoing",
    "Edit",
    "ElementAction",
    "Judge",
    "Look",
    "Mention",
    "Names",
    "Path",
    "Plan",
    "Private",
    "Rewritten",
    "Rule",
    "SafePrivate",
    "SetItem",
    "SetValue",
    "View",
    "judged",
    "kind_of",
    "padded",
    "unjudged",
]

# PS3.5 7.1.2: the value representations whose explicit form has a 32-bit length, and the others.
LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
SHORT_VRS = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS"}
    | {b"ST", b"TM", b"UI", b"UL", b"US"}
)
TEXT_VRS = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
)
BINARY_SIZES: Mapping[str, int] = {
    **dict.fromkeys(("US", "SS"), 2),
    **dict.fromkeys(("AT", "FL", "SL", "UL"), 4),
    **dict.fromkeys(("FD", "SV", "UV"), 8),
}

# What a kept value may consist of. Wider than PS3.5 6.2 where real scanners are, yet no letter of a name fits in.
NUMERIC = re.compile(rb"[0-9+\-.:eE \\\0]*").fullmatch
AGE = re.compile(rb"(?:[0-9]{3}[DWMY][ \\\0]*)*").fullmatch
UIDS = re.compile(rb"[0-9. \\\0]*").fullmatch
CODES = re.compile(rb"[ -~]*\0*").fullmatch
TEXT = re.compile(rb"[^\0]*\0*").fullmatch  # behind a null, readers show nothing, and anything could stand
GRAMMARS: Mapping[str, Callable[[bytes], object]] = {
    **dict.fromkeys(("DA", "DS", "DT", "IS", "TM"), NUMERIC),
    **dict.fromkeys(("AE", "CS", "UR"), CODES),
    **dict.fromkeys(("LO", "LT", "PN", "SH", "ST", "UC", "UT"), TEXT),
    "AS": AGE,
    "UI": UIDS,
}

ECHOED = Finding(
    "subject.echo",
    Severity.WARNING,
    "a kept attribute held a word of a name, number or address of this data set; the word, or the whole text, went",
)


class Do(IntEnum):
    """What to do with one element. Those from `KEEP_LONG` on stand behind a header of 12 bytes in explicit VR."""

    KEEP = 0  # leave every byte
    FIXED = 1  # keep if the length has none of the argument's bits, else empty
    CHECK = 2  # keep if the argument matches the value, else empty
    NOTE = 3  # keep if the argument, where there is one, accepts the value, else empty; show it to `Plan.prepare`
    TAKE = 4  # remove, and show to `Plan.prepare`
    DROP = 5  # remove
    EDIT = 6  # replace by what the argument makes of it
    ENTER = 7  # keep the sequence, follow the plan inside its items, each of which the argument, if any, judges first
    PIXELS = 8  # the samples of the image
    END = 9  # the end of an item of undefined length
    KEEP_LONG = 20
    DROP_LONG = 25
    EDIT_LONG = 26
    ENTER_LONG = 27
    PIXELS_LONG = 28


ElementAction = Callable[[bytes, "Context"], bytes | None]
"""Makes a new value, of even length, from the old one; None removes the element. Never raises."""

SetItem = tuple[tuple[int, str, "SetValue"], ...]
"""An item of a sequence that is written anew: (tag, VR, value) of each element, in order of tags."""

SetValue = bytes | tuple[SetItem, ...]
"""The value of an element that is written anew; of a sequence, its items."""

Path = tuple[int, ...]
"""The tags of the sequences an element lies in, outermost first; empty at the top.

Where an item was judged, its kind stands above the 32 bits of the sequence's tag, so that each item of a sequence may
have rules of its own.
"""

Look = Callable[..., bytes]
"""`look(*tags)`: the value of an element of one item, by its path from there, through sequences that have exactly one
item; empty where there is none."""

Judge = Callable[[Look, "Context"], int | SetItem]
"""Says of which kind an item is, or what stands in its place. Never raises. Kinds are greater than 0."""

View = Mapping[int, bytes]
"""Values, by tag, of those top-level elements that the plan asked to see."""


class Rule(NamedTuple):
    tag: int
    do: int
    argument: Any = None


class Private(NamedTuple):
    """What becomes of a private attribute whose value is accepted: kept, edited or entered. Any other value goes."""

    rule: Rule
    accepts: Callable[[bytes], object]


SafePrivate = Callable[[bytes, int, str], Private | None]
"""By creator, tag (block number left out) and VR (empty in implicit VR), the private attributes that may stay."""

Edit = tuple[int, int, int, int, Any, bytes]
"""An element that does not simply stay: its start, its value's start and end, what to do, the rule's argument, the
first bytes of its header. A plain tuple, for a file has a hundred."""


Mention = tuple[bytes, bool]
"""A value that names a person, a place or a number, and whether it is the patient's own."""

Names = tuple[tuple[int, bool], ...]
"""The tags whose values are mentions, and whether they are the patient's own."""


class Echoing(Protocol):
    """The words of a patient's own values and of others' in one file, and where they stand."""

    def __call__(self, content: bytes) -> bool:
        """Whether any of the words stands there."""

    def own(self, value: bytes) -> bool:
        """Whether the patient's own do."""

    def cut(self, value: bytes) -> bytes:
        """A value without the words of others."""

    def beside(self, mentions: tuple[Mention, ...]) -> Echoing:
        """The same, with words of further values."""


@dataclass(slots=True)
class Context:
    """What `Plan.prepare` learned from one file: elements to set, and how its text is encoded.

    `sets` maps each tag of `Plan.sets` to its value; `findings` is filled while the file is rewritten; `subject_mark`
    is a keyed digest of who the patient is; `echoes` tells where words of the data set's own names and numbers stand;
    `days` is what the subject's dates are shifted by, `clock` what times of day are, where those are moved;
    `person` is a keyed digest of the patient that is the same in all projects of the site.
    """

    sets: Mapping[int, SetValue]
    character_sets: tuple[str, ...]
    findings: list[Finding]
    subject_mark: str
    echoes: Echoing
    days: int = 0
    clock: timedelta | None = None
    person: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Instructions for one SOP class.

    rules:   (path, explicit) -> rule by the element's first bytes: tag and VR (6 bytes) in explicit VR, tag alone (4)
             in implicit VR, little endian both
    unusual: (tag, VR, path) -> rule for what `rules` does not list, with `do` of the short form; None where only
             `slow` can tell. VR is empty in implicit VR.
    sets:    top-level tags that are always written anew, ascending, with their VR
    prepare: called once per file, before anything is written, with what was noted or taken
    echoing: rules like `rules`, for what is left once those were carried out, where it still echoes the patient
    pixels:  whether an object without pixel data has been cut short
    private: the private attributes that may stay; None where none may
    names:   whose values are looked for in what stays
    """

    rules: Callable[[Path, bool], Mapping[bytes, Rule]]
    unusual: Callable[[int, str, Path], Rule | None]
    sets: Mapping[int, str]
    prepare: Callable[[View], Context]
    echoing: Callable[[Path, bool], Mapping[bytes, Rule]]
    pixels: bool = False
    private: SafePrivate | None = None
    names: Names = ()


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A whole Part 10 file as slices to be written in order, and what its plan learned and noticed."""

    slices: list[bytes | memoryview]
    context: Context


KIND = 32  # how far above a tag the kind of its item stands


def judged(path: Path, kind: int) -> Path:
    """The path of what lies in an item of this kind of the innermost sequence."""
    return (*path[:-1], path[-1] | kind << KIND)


def unjudged(path: Path) -> Path:
    """The path as tags alone."""
    return tuple(step & 0xFFFFFFFF for step in path)


def kind_of(path: Path) -> int:
    """The kind of the innermost item; 0 where nobody judged it."""
    return path[-1] >> KIND if path else 0


def padded(value: bytes, vr: str) -> bytes:
    """The value with even length (PS3.5 6.2)."""
    if len(value) % 2 == 0:
        return value
    return value + (b" " if vr in TEXT_VRS and vr != "UI" else b"\0")
