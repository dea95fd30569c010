"""A patient's own name or ID where nobody expects it: typed into a sequence name, a label, a code.

Table E.1-1 lists attributes, not values. So after a plan has been carried out, what stays is searched for the words
of the patient's own name and ID, and a text that holds one is replaced. Words that the vocabulary of radiology
shares (a patient called Head) are not searched for, nor are words too short to mean anybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cohortium.deidentify import vocabulary
from cohortium.dicom.charset import encode

__all__ = ["Echoes"]

WORD = re.compile(r"[^\W_]+")
ESCAPE = re.compile(rb"\x1b[ -/]*[0-~]")  # ISO 2022: which character set follows
NO_WORD_GOES_ON = rb"(?![0-9A-Za-z](?!\0))"  # in a whole header the next tag follows, and group 0070 begins with a p
LETTERS, IDEOGRAPHS, DIGITS = 3, 2, 5  # shorter words are in too many others


class Echoes:
    """Whether bytes hold a word of one patient's name or ID, in the character set of the file or in UTF-8."""

    def __init__(self, texts: tuple[str, ...], character_sets: tuple[str, ...]) -> None:
        encoded = dict(each for text in texts for word in _words(text) for each in _encodings(word, character_sets))
        self._fast = tuple(sorted({each.lower() for each in encoded}))
        alternatives = b"|".join(encoded[each] for each in sorted(encoded, key=len, reverse=True))
        self._exact = re.compile(alternatives, re.IGNORECASE)

    def __call__(self, content: bytes) -> bool:
        lowered = content.lower()
        return any(each in lowered for each in self._fast) and self._exact.search(content) is not None


def _words(text: str) -> Iterator[str]:
    shared = vocabulary.words()
    for word in WORD.findall(text):
        shortest = DIGITS if word.isdecimal() else LETTERS if word.isascii() else IDEOGRAPHS
        if len(word) >= shortest and word.casefold() not in shared:
            yield word


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
