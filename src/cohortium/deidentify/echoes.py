"""Words of a data set's own names, numbers and addresses where nobody expects them: typed into a label, a code.

Table E.1-1 lists attributes, not values. So after a plan has been carried out, what stays is searched for the words
of the patient's own name and identifiers, and a text that holds one is replaced; words of physicians and of the
institution are cut out of it. Words that the vocabulary of radiology shares (a patient called Head) are not searched
for, nor words that name no hospital, nor words too short to mean anybody.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, cached_property, lru_cache
from typing import Any

from ahocorasick_rs import BytesAhoCorasick
from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import tag_for_keyword

from cohortium.clinical import vocabulary
from cohortium.deidentify import standard
from cohortium.dicom.charset import decode, encode
from cohortium.dicom.plan import Mention, Names
from cohortium.errors import Malformed

__all__ = ["Echoes", "makers", "names", "readable"]

WORD = re.compile(r"[^\W_]+")
ESCAPE = re.compile(rb"\x1b[ -/]*[0-~]")  # ISO 2022: which character set follows
NO_WORD_GOES_ON = rb"(?![0-9A-Za-z](?!\0))"  # in a whole header the next tag follows, and group 0070 begins with a p
LETTERS, IDEOGRAPHS, DIGITS = 3, 2, 5  # shorter words are in too many others
PLAIN = re.compile(rb"[0-9a-z]+")
SPACES = re.compile(rb" {2,}")
MARKS = b" \0^=\\-_/.,:;&+*()"
"""What may stand between words; of a text that is nothing else, nothing is left."""


class Echoes:
    """Where words of a patient's own values and of others' stand, in the character set of the file or in UTF-8."""

    def __init__(self, own: Iterable[str], character_sets: tuple[str, ...], others: Iterable[str] = ()) -> None:
        self._own, self._others, self._sets = tuple(own), tuple(others), character_sets
        self._mine = _spellings(self._own, character_sets)
        theirs = _spellings(self._others, character_sets)
        self._theirs = {bare: found for bare, found in theirs.items() if bare not in self._mine}
        plain = {_plain(bare.lower()) for bare in (*self._mine, *self._theirs)}
        self._fast = BytesAhoCorasick(sorted(plain)) if plain else None
        self.beside = lru_cache(maxsize=256)(self._beside)

    @cached_property
    def _own_words(self) -> re.Pattern[bytes] | None:
        return _pattern(self._mine)  # made when first needed: seldom, and slowly

    @cached_property
    def _other_words(self) -> re.Pattern[bytes] | None:
        return _pattern(self._theirs)

    def __call__(self, content: bytes) -> bool:
        """Whether any of the words stands there; fast, for it is asked of every header."""
        if self._fast is None or not self._fast.find_matches_as_indexes(content.lower()):
            return False
        return any(words and words.search(content) for words in (self._own_words, self._other_words))

    def own(self, value: bytes) -> bool:
        """Whether the patient's own words stand in a value."""
        return bool(self._own_words and self._own_words.search(value))

    def cut(self, value: bytes) -> bytes:
        """A value without the words of others; nothing where nothing but marks would be left."""
        left = self._other_words.sub(b"", value) if self._other_words else value
        if left == value:
            return value
        return SPACES.sub(b" ", left).strip(b" \0") if left.strip(MARKS) else b""

    def _beside(self, mentions: tuple[Mention, ...]) -> Echoes:
        """The same, with what the data set says elsewhere."""
        own = (readable(value, self._sets) for value, mine in mentions if mine)
        others = (readable(value, self._sets) for value, mine in mentions if not mine)
        return Echoes((*self._own, *own), self._sets, (*self._others, *others))


def names(kept: Callable[[int], bool]) -> Names:
    """Tags whose values are looked for, and whether they are the patient's own; not those that are `kept`."""
    table = _table()
    found = {tag: False for tag, entry in DicomDictionary.items() if entry[0] == "PN"}
    for key in ("others", "patient"):
        found |= {int(tag_for_keyword(keyword) or 0): key == "patient" for keyword in table[key]}
    return tuple((tag, own) for tag, own in sorted(found.items()) if not kept(tag))


@cache
def makers() -> frozenset[int]:
    """Attributes that tell the maker of a device, whose name a physician or a hospital may bear."""
    return frozenset(int(tag_for_keyword(keyword) or 0) for keyword in _table()["makers"])


def readable(value: bytes, character_sets: tuple[str, ...]) -> str:
    """A text even where it does not follow its character set, for it is only looked for."""
    try:
        return decode(value, character_sets)
    except Malformed:
        return value.decode("latin-1")


def _words(text: str) -> Iterator[str]:
    shared = vocabulary.words() | _shared()
    for word in WORD.findall(text):
        shortest = DIGITS if word.isdecimal() else LETTERS if word.isascii() else IDEOGRAPHS
        if len(word) >= shortest and word.casefold() not in shared:
            yield word


def _spellings(texts: Iterable[str], character_sets: tuple[str, ...]) -> Mapping[bytes, bytes]:
    return dict(each for text in texts for word in _words(text) for each in _encodings(word, character_sets))


def _plain(bare: bytes) -> bytes:
    """What to look for first: the letters and digits that a word has in every character set, where they are enough."""
    longest = max(PLAIN.findall(bare), key=len, default=b"")
    return longest if len(longest) >= LETTERS else bare


def _pattern(spellings: Mapping[bytes, bytes]) -> re.Pattern[bytes] | None:
    longest_first = sorted(spellings, key=len, reverse=True)
    return re.compile(b"|".join(spellings[each] for each in longest_first), re.IGNORECASE) if spellings else None


def _encodings(word: str, character_sets: tuple[str, ...]) -> Iterator[tuple[bytes, bytes]]:
    """The word's bytes, and a pattern that finds them where no letter or digit adjoins."""
    for spelling in {word, word.upper(), word.lower(), word.capitalize()}:
        for encoded in (spelling.encode(), encode(spelling, character_sets)):
            bare = ESCAPE.sub(b"", encoded)
            if b"?" in bare:  # which stands for a letter that the set lacks
                continue
            pattern = re.escape(bare)
            escaped = len(bare) != len(encoded)  # then letters of other scripts adjoin, written with the bytes of these
            yield bare, pattern if escaped else rb"(?<![0-9A-Za-z])" + pattern + NO_WORD_GOES_ON


@cache
def _shared() -> frozenset[str]:
    return frozenset(word.casefold() for word in _table()["shared"])


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads((standard.DATA / "own_words.toml").read_text("utf-8"))
