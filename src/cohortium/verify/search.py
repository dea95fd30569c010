"""Searching every byte that leaves for every identifying value that came in, in one pass over each output.

A hit is a value as a whole or one of its words. Words under six characters count only where no letter or digit adjoins
them; inside samples nothing under six bytes counts, for samples hold any three letters by chance. Digits alone do not
count inside numbers, dates and UIDs of attributes that identify nobody: such coincidences are counted, not hidden.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ahocorasick_rs import BytesAhoCorasick

from cohortium.verify.patterns import Pattern, patterns
from cohortium.verify.regions import Place, pixels, places, where
from cohortium.verify.values import collect, identifying, manufacturers

__all__ = ["FILE_NAME", "Hit", "Report", "search"]

LONG = 6  # characters from which a word is found inside others, bytes from which it is found among samples
LONG_WIDE = 8  # characters, where a sample of 16 bits could be a letter
MAKERS = frozenset({"Manufacturer", "ManufacturerModelName"})
DIGEST = re.compile("[0-9a-f]{64}")  # files named by content; digits in them are chance
STOP = "stop word"
FILE_NAME = "file name"
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
    public: int  # values not searched for, because public attributes of the inputs hold them too


@dataclass(frozen=True, slots=True)
class _Target:
    number: int
    kind: str
    text: str
    pattern: Pattern


def search(inputs: Iterable[Path], outputs: Iterable[tuple[str, bytes]], planted: Iterable[str] = ()) -> Report:
    """Search the outputs (name, content) for the planted values and for every identifying value of the inputs."""
    needles = _Needles(inputs, tuple(planted))
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
        coincidences=needles.coincidences,
        public=needles.public,
    )


class _Needles:
    """All that is looked for, compiled once, and what of it was met and does not count."""

    def __init__(self, inputs: Iterable[Path], planted: tuple[str, ...]) -> None:
        values = collect(inputs, planted)
        self.count, self.public = len(values.kinds), values.left_out
        self.stopped: Counter[str] = Counter(dict.fromkeys(map(str.casefold, values.stopped), 0))
        self.coincidences = 0
        self._targets: dict[bytes, list[_Target]] = {}
        for number, (text, kind) in enumerate([*values.kinds.items(), *((word, STOP) for word in self.stopped)]):
            for pattern in patterns(text, values.encodings):
                self._targets.setdefault(pattern.content, []).append(_Target(number, kind, text, pattern))
        self._all = _Automaton(self._targets)
        self._long = _Automaton({content: each for content, each in self._targets.items() if _is_long(each[0].pattern)})

    def found(self, label: str, name: str, content: bytes) -> Iterator[Hit]:
        """What one output and its name hold; a name that holds something is told by its label alone."""
        in_name = {
            (target.kind, target.number) for target, _ in self._all.matches(DIGEST.sub("", name).encode().lower())
        }
        for kind, number in in_name:
            if kind != STOP:
                yield Hit(label, FILE_NAME, kind, number)
        shown, known = (label if in_name else name), None
        for target, offset in self._in_bytes(content):
            if target.kind == STOP:
                self.stopped[target.text] += 1
                continue
            known = places(content) if known is None else known
            place = where(known, offset)
            if _is_chance(target, place):
                self.coincidences += 1
            else:
                yield Hit(shown, place.name, target.kind, target.number)

    def _in_bytes(self, content: bytes) -> Iterator[tuple[_Target, int]]:
        begin, end = pixels(content)
        lowered = memoryview(content.lower())
        yield from self._all.matches(lowered[:begin])
        for automaton, first, last in ((self._long, begin, end), (self._all, end, len(content))):
            for target, offset in automaton.matches(lowered[first:last]):
                yield target, first + offset


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
    if not target.text.isdecimal() or keyword in identifying():
        return False
    if keyword == "CodeValue":
        return len(target.text) < DIGITS_ALONE
    return place.VR in (DATES if len(target.text) >= DIGITS_ALONE else NUMBERS)
