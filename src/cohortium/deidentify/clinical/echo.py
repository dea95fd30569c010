"""A row's own identifiers where nobody expects them: in a code, a term, a number that is kept.

What always holds: the words of what was dropped from a row as identifying, and of the patient ID itself, are looked for
in every text that stays of that row, with and without their accents. Short words and those of radiology are not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache

from cohortium.clinical import vocabulary
from cohortium.deidentify.echoes import DIGITS, IDEOGRAPHS, LETTERS, WORD

__all__ = ["echo"]

WRITTEN_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "oe", "å": "aa"})
WHOLE = 4  # characters of an identifier that is looked for as a whole


@lru_cache(maxsize=1024)
def echo(identifying: tuple[str, ...]) -> Callable[[str], object] | None:
    """Whether a text holds a word of the identifying ones; None where none of them can be looked for."""
    words = {spelling for text in identifying for word in _words(text) for spelling in _spellings(word)}
    if not words:
        return None
    alternatives = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<![^\W_])(?:{alternatives})(?![^\W_])", re.IGNORECASE).search


def _words(text: str) -> Iterator[str]:
    whole = " ".join(unicodedata.normalize("NFC", text).split())
    shared = vocabulary.words()
    if len(whole) >= WHOLE and whole.casefold() not in shared:
        yield whole
    for word in WORD.findall(whole):
        shortest = DIGITS if word.isdecimal() else LETTERS if word.isascii() else IDEOGRAPHS
        if len(word) >= shortest and word.casefold() not in shared:
            yield word


def _spellings(word: str) -> Iterator[str]:
    plain = "".join(each for each in unicodedata.normalize("NFD", word) if not unicodedata.combining(each))
    yield from (word, unicodedata.normalize("NFD", word), plain, word.lower().translate(WRITTEN_OUT))
