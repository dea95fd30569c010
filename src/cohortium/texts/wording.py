"""What a text may be made of: numbers that are no identifiers, words of the vocabulary, and the project's own names.

It works by allowing, never by searching for names: a word that radiology and programs do not share is refused, whoever
it belongs to. Dates, e-mail addresses and telephone numbers are made of what is allowed nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

from cohortium.clinical import vocabulary
from cohortium.texts.said import Said

__all__ = ["candidates", "objection"]

WORDS = Path(__file__).with_name("words.txt")
NUMBER = re.compile(r"[-+]?(\d{1,6}|\d*[.]\d+|\d+[.]\d*)(e[-+]?\d{1,3})?|[-+]?(nan|inf|infinity)", re.IGNORECASE)
DATE = re.compile(
    r"(?<!\d)(1[89]|20)\d\d\s?[-/.年]\s?[01]?\d(?!\d)|(?<!\d)[0-3]?\d\s?[-/.]\s?[0-3]?\d\s?[-/.]\s?((19|20)?\d\d)(?!\d)"
    r"|(?<!\d)(19|20)\d\d[01]\d[0-3]\d(?!\d)|\d\d?:\d\d"
)
TELEPHONE = re.compile(r"(?<![\d.])\d(?:[\s/()-]{0,2}\d){6,}(?![\d.])")
UID = re.compile(r"[0-2](\.(0|[1-9][0-9]*)){4,}")
PIECES = re.compile(r"([\s_/,;:|()\[\]{}<>=\"'!?*#%&+~^$@\\]+|\.(?!\d)|(?<!\d)\.)")
SAFE_TOGETHER = re.compile(
    r"gr[ae]y_?level|(long|short)_?run|(low|high)_?gr[ae]y_?level|nonuniformity", re.IGNORECASE
)  # alone, names
RUNS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")  # JointEntropy: Joint, Entropy
LONGEST_COUNT = 3  # digits of a whole number among words


def objection(said: Said, known: Collection[str]) -> str:
    """What is wrong with a text, and no value of it; empty where it may stand. `known` are the project's own names."""
    text = said.text.strip()
    if not text or text in known or text.casefold() in said.own:
        return ""
    if said.kind:
        return f"{said.place}: its heading says {said.kind}, and it holds more than this project's own identifiers"
    if NUMBER.fullmatch(text) and not (len(text) > 1 and text.lstrip("+-").startswith("0") and text.isdigit()):
        return ""
    text = "".join(piece for piece in PIECES.split(text) if piece not in known)
    if DATE.search(text):
        return f"{said.place}: it holds what looks like a date or a time"
    if "@" in text or TELEPHONE.search(text):
        return f"{said.place}: it holds what looks like an address or a telephone number"
    if all(map(_may_stay, PIECES.split(text)[::2])):
        return ""
    return f"{said.place}: it holds a word or number that is on no vocabulary"


def candidates(text: str) -> Iterator[str]:
    """What of a text may be a name of the project's own."""
    yield text.strip()
    yield from filter(None, PIECES.split(text)[::2])
    yield from (found[0] for found in UID.finditer(text))


def _may_stay(piece: str) -> bool:
    if re.fullmatch(r"[-+]?\d+\.\d+([eE][-+]?\d+)?", piece):
        return True
    piece = SAFE_TOGETHER.sub("", piece)
    runs = RUNS.findall(piece)
    letters = sum(map(str.isalnum, piece)) == sum(map(len, runs))
    return letters and all(len(run) <= LONGEST_COUNT if run.isdigit() else _is_word(run) for run in runs) and _few(runs)


def _few(runs: list[str]) -> bool:
    """Whether single letters and numbers are no code that stands for somebody: T2w and R1b are none, A1B2C3 is."""
    return sum(run.isdigit() for run in runs) <= 2


def _is_word(run: str) -> bool:
    word = run.casefold()
    return len(run) == 1 or word in _words() or (word.endswith("s") and word[:-1] in _words())


@cache
def _words() -> frozenset[str]:
    lines = WORDS.read_text("utf-8").splitlines()
    own = (word.casefold() for line in lines if not line.startswith("#") for word in line.split())
    return frozenset({*vocabulary.words(), *vocabulary.UNITS, *own})
