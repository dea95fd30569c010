"""Searching every byte that leaves for every identifying value that came in, in one pass over each output.

Names, IDs, addresses, phones and UIDs of any input are looked for in every output; what the protocol removed from an
input, whatever it is, in the output of this input. A hit is a value as a whole or one of its words. Words under six
characters count only where no letter or digit adjoins them; inside samples nothing under six bytes counts, for samples
hold any three letters by chance. Digits alone do not count inside numbers, dates and UIDs of attributes that identify
nobody. Such coincidences, and what the protocol keeps, are counted, not hidden.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ahocorasick_rs import BytesAhoCorasick

from cohortium.texts.identifying import identifying
from cohortium.verify.patterns import Pattern, patterns
from cohortium.verify.policy import Matching, Told
from cohortium.verify.regions import Place, inflated, pixels, places, where
from cohortium.verify.tables import cell, is_table
from cohortium.verify.values import PRIVATE_TEXT, REMOVED, collect, manufacturers

__all__ = ["FILE_NAME", "Hit", "Report", "search"]

LONG = 6  # characters from which a word is found inside others, bytes from which it is found among samples
LONG_WIDE = 8  # characters, where a sample of 16 bits could be a letter
MAKERS = frozenset({"Manufacturer", "ManufacturerModelName"})
DIGEST = re.compile("[0-9a-f]{64}")  # files named by content; digits in them are chance
STOP = "stop word"
COMMENT = "comment"  # free text: what cleaning lets stand of one says nothing of anybody
FILE_NAME = "file name"
UID_OF = {"MediaStorageSOPInstanceUID": "SOPInstanceUID", FILE_NAME: "SOPInstanceUID"}
DIGITS_ALONE = 8  # digits from which even a number in a number is no chance
DATES = frozenset({"DA", "DT", "TM"})
NUMBERS = DATES | {"AS", "DS", "IS", "UI"}
BINARY = frozenset({"FD", "FL", "OD", "OF", "OL", "OV", "OW", "SL", "SS", "SV", "UL", "US", "UV"})


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """One value found: in which output, at which attribute or byte, what kind of value.

    `number` tells values apart without telling them; planted ones are numbered first, in their order.
    """

    where: str
    at: str
    kind: str
    number: int


@dataclass(frozen=True, slots=True)
class Report:
    """What was searched, for how much, and what was found."""

    hits: tuple[Hit, ...]
    outputs: int
    bytes: int
    values: int
    stopped: Mapping[str, int]  # words of the stop list that inputs use as names or IDs: how often outputs hold them
    coincidences: int  # digits inside numbers, dates or UIDs that identify nobody, and makers where the maker is told
    public: int  # values not searched for in all outputs, because public attributes of the inputs hold them too
    kept: Mapping[str, int]  # how often attributes hold an identifying value that the protocol keeps there
    cleaned: int  # words that cleaning let stand in descriptions


@dataclass(frozen=True, slots=True)
class _Target:
    number: int
    kind: str
    text: str
    pattern: Pattern


class _Verdict(Enum):
    HIT = 1
    KEPT = 2
    CLEANED = 3
    CHANCE = 4
    ANOTHERS = 5  # of another input, or held by what is kept of this one, or the de-identification's own words


def search(
    inputs: Iterable[Path],
    outputs: Iterable[tuple[str, bytes]],
    planted: Iterable[str] = (),
    matching: Matching | None = None,
) -> Report:
    """Search the outputs (name, content) for the planted values and for every identifying value of the inputs.

    Only `matching` tells what the protocol removed or kept; without it, what is looked for are identities.
    """
    needles = _Needles(inputs, tuple(planted), matching)
    hits: set[Hit] = set()
    count = size = 0
    for name, content in outputs:
        count, size = count + 1, size + len(content)
        hits.update(needles.found(f"output {count}", name, content))
    return Report(
        hits=tuple(sorted(hits)),
        outputs=count,
        bytes=size,
        values=needles.count,
        stopped=dict(sorted(needles.stopped.items())),
        coincidences=needles.met[_Verdict.CHANCE],
        public=needles.public,
        kept=dict(sorted(needles.kept.items())),
        cleaned=needles.met[_Verdict.CLEANED],
    )


class _Needles:
    """All that is looked for, compiled once, and what of it was met and does not count."""

    def __init__(self, inputs: Iterable[Path], planted: tuple[str, ...], matching: Matching | None) -> None:
        values = collect(inputs, planted, matching.policy if matching else None)
        self.matching = matching
        self.count, self.public = len(values.kinds) + len(values.removed), values.left_out
        self.stopped: Counter[str] = Counter(dict.fromkeys(map(str.casefold, values.stopped), 0))
        self.met: Counter[_Verdict] = Counter()
        self.kept: Counter[str] = Counter()
        sought = [*values.kinds.items(), *((word, STOP) for word in self.stopped)]
        sought += [(text, REMOVED) for text in sorted(values.removed)]
        self._targets: dict[bytes, list[_Target]] = {}
        for number, (text, kind) in enumerate(sought):
            for pattern in patterns(text, values.encodings):
                self._targets.setdefault(pattern.content, []).append(_Target(number, kind, text, pattern))
        self._all = _Automaton(self._targets)
        self._long = _Automaton({content: each for content, each in self._targets.items() if _is_long(each[0].pattern)})

    def found(self, label: str, name: str, content: bytes) -> Iterator[Hit]:
        """What one output and its name hold; a name that holds something is told by its label alone."""
        content = inflated(content)
        in_name = set(self._in_name(name))
        yield from (Hit(label, FILE_NAME, kind, number) for kind, number in in_name)
        shown, known = (label if in_name else name), None
        for target, offset in self._in_bytes(content):
            if target.kind == STOP:
                self.stopped[target.text] += 1
                continue
            if is_table(name):
                place = Place(offset, *cell(content, offset))
            else:
                known = places(content) if known is None else known
                place = where(known, offset)
            verdict = self._verdict(target, place, name)
            self.met[verdict] += 1
            if verdict is _Verdict.HIT:
                yield Hit(shown, place.name, target.kind, target.number)
            elif verdict is _Verdict.KEPT:
                self.kept[place.name] += 1

    def _in_name(self, name: str) -> Iterator[tuple[str, int]]:
        place = Place(0, FILE_NAME, "")
        for target, _ in self._all.matches(DIGEST.sub("", name.removesuffix(".dcm")).encode().lower()):
            if target.kind != STOP and self._verdict(target, place, name) is _Verdict.HIT:
                yield target.kind, target.number

    def _in_bytes(self, content: bytes) -> Iterator[tuple[_Target, int]]:
        begin, end = pixels(content)
        lowered = memoryview(content.lower())
        yield from self._all.matches(lowered[:begin])
        for automaton, first, last in ((self._long, begin, end), (self._all, end, len(content))):
            for target, offset in automaton.matches(lowered[first:last]):
                yield target, first + offset

    def _verdict(self, target: _Target, place: Place, name: str) -> _Verdict:
        if _is_chance(target, place):
            return _Verdict.CHANCE
        told = self.matching.told(name) if self.matching else None
        if self.matching is None or told is None:
            return _Verdict.ANOTHERS if target.kind == REMOVED else _Verdict.HIT
        policy, text = told.policy, target.text.lower()
        let_stand = (policy.cleans(place.name) or _is_private(place.name)) and text in told.cleaned
        if target.kind == REMOVED:
            if text not in told.gone or text in told.kept or policy.stamps(place.name):
                return _Verdict.ANOTHERS
            return _Verdict.CLEANED if let_stand else _Verdict.HIT
        if target.kind == COMMENT and let_stand:
            return _Verdict.CLEANED
        return _Verdict.KEPT if _stays(target, place, told) else _Verdict.HIT


def _stays(target: _Target, place: Place, told: Told) -> bool:
    """Whether the protocol keeps an identity there: in the attribute whose own it is, and in no other."""
    if target.kind == "UID":
        return (place.VR == "UI" or place.name == FILE_NAME) and told.policy.keeps(UID_OF.get(place.name, place.name))
    name, kept = place.name.rpartition("/")[2], target.text.lower() in told.kept
    if target.kind == PRIVATE_TEXT:
        return kept and _is_private(name)  # a safe one, as it came
    return kept and told.policy.keeps(place.name) and (place.VR == "PN" or name in identifying())


def _is_private(name: str) -> bool:
    """Whether an attribute is named by its tag alone."""
    return name.rpartition("/")[2].startswith("(")


class _Automaton:
    """One pass over bytes for all patterns, and what each is a pattern of."""

    def __init__(self, targets: Mapping[bytes, list[_Target]]) -> None:
        self._targets = list(targets.values())
        self._search = BytesAhoCorasick(list(targets))

    def matches(self, lowered: bytes | memoryview) -> Iterator[tuple[_Target, int]]:
        for which, start, end in self._search.find_matches_as_indexes(lowered, overlapping=True):
            for target in self._targets[which]:
                if _stands_alone(target, lowered, start, end):
                    yield target, start


def _is_long(pattern: Pattern) -> bool:
    return pattern.characters >= (LONG if pattern.width == 1 else LONG_WIDE)


def _stands_alone(target: _Target, lowered: bytes | memoryview, start: int, end: int) -> bool:
    """Whether what adjoins a match leaves it a word, where it needs to be one."""
    text = target.text
    if target.kind == "UID":
        adjoining = b"0123456789."
    elif text.isdecimal():
        adjoining = b"0123456789"
    elif len(text) < LONG and text.isascii():
        adjoining = b"0123456789abcdefghijklmnopqrstuvwxyz"
    else:
        return True
    if target.pattern.width == 1:
        after = bytes(lowered[end : end + 2])
        around = bytes(lowered[max(0, start - 1) : start]), b"" if after[1:] == b"\0" else after[:1]  # the next tag
    else:
        around = bytes(lowered[max(0, start - 2) : start]).strip(b"\0"), bytes(lowered[end : end + 2]).strip(b"\0")
    return not any(len(each) == 1 and each in adjoining for each in around)


def _is_chance(target: _Target, place: Place) -> bool:
    keyword = place.name.rpartition("/")[2]
    if place.VR in BINARY and place.name != "PixelData":
        return not _is_long(target.pattern)
    if keyword in MAKERS and target.text.casefold() in manufacturers():
        return True
    number = target.text.isdecimal() or (target.kind == REMOVED and not any(map(str.isalpha, target.text)))
    if not number or keyword in identifying():
        return False
    if keyword == "TimezoneOffsetFromUTC":
        return len(target.text.lstrip("+-")) <= len("0100")
    if keyword == "CodeValue":
        return len(target.text) < DIGITS_ALONE
    return place.VR in (DATES if len(target.text) >= DIGITS_ALONE else NUMBERS)
