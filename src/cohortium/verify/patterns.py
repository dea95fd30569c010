"""What a value looks like in bytes: as a whole and by its words, in every encoding in which it may have been left.

A word is worth searching for from three letters (two of Chinese, Japanese or Korean script) or four digits on.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["Pattern", "patterns", "searchable", "words"]

ALWAYS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be")
WORD = re.compile(r"[^\W_]+")
YEAR = re.compile(r"(19|20)\d\d")
LETTERS, IDEOGRAPHS, DIGITS = 3, 2, 4
GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})
ESCAPE_TO_ASCII = b"\x1b(B"  # after a word in another set; the next word may go on without it


@dataclass(frozen=True, slots=True)
class Pattern:
    """Bytes to look for (ASCII in lower case); `width` of a character, and how many characters say something."""

    content: bytes
    width: int
    characters: int


def searchable(text: str) -> bool:
    """Whether the text is long enough to be found by anything but chance."""
    letters = sum(map(str.isalpha, text))
    ideographs = sum("぀" <= each <= "鿿" or "가" <= each <= "힣" for each in text)
    return letters >= LETTERS or ideographs >= IDEOGRAPHS or sum(map(str.isdigit, text)) >= DIGITS


def words(text: str) -> Iterator[str]:
    """The words of a text worth searching for; a lone year is none."""
    return (word for word in WORD.findall(text) if searchable(word) and not YEAR.fullmatch(word))


def patterns(text: str, encodings: Iterable[str]) -> set[Pattern]:
    """Every form of the text: upper and lower case, without accents, in each encoding."""
    found = set()
    for form in _forms(text):
        for encoding in {*ALWAYS, *encodings}:
            try:
                content = form.encode(encoding)
            except (LookupError, UnicodeError):
                continue
            width = 2 if encoding.startswith("utf-16") else 1
            found.add(Pattern(content.removesuffix(ESCAPE_TO_ASCII).lower(), width, len(content) // width))
    return found


def _forms(text: str) -> set[str]:
    plain = "".join(each for each in unicodedata.normalize("NFD", text) if not unicodedata.combining(each))
    spellings = {text, unicodedata.normalize("NFC", text), text.translate(GERMAN), plain}
    return {form for each in spellings for form in (each, each.lower(), each.upper(), each.title())}
