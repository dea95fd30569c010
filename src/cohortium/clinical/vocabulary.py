"""Clean Descriptors: of a free text, keep the words that radiology shares and drop everything else.

`clean` works by allowing, never by searching for names: what it keeps stands in `data/vocabulary.txt` or
`data/phrases.txt`, or is a number that says its unit. A number alone goes, for it may be a house, an age or part of a
telephone number; the decimals that may stay are slice thicknesses that cannot be read as a date.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from pathlib import Path

__all__ = ["UNITS", "clean", "phrases", "words"]

DATA = Path(__file__).with_name("data")
UNITS = (
    *("mm", "cm", "ml", "kv", "kvp", "kev", "mev", "ma", "mas", "ms", "sec", "min", "msec"),
    *("deg", "%", "mgy", "hu", "mhz", "mbq", "bpm", "fps"),
)
ATTACHED_UNITS = ("s", "t", "°", "x")  # too short to tell from an initial once a space stands between
NUMBER = r"(?:0|[1-9][0-9]{0,2}|[1-9][0-9]?[.,][0-9]{1,2}|0[.,][0-9]{1,3})"  # 089 is no measure
THICKNESSES = (
    "0.5",
    "0.6",
    "0.625",
    "0.75",
    "0.8",
    "0.9",
    "1.0",
    "1.25",
    "2.0",
    "3.0",
    "3.75",
    "4.0",
    "5.0",
    "6.0",
    "8.0",
)
COUNTED = (
    "gtv",
    "ctv",
    "itv",
    "ptv",
    "roi",
    "tumor",
    "tumour",
    "lesion",
    "läsion",
    "nodule",
    "node",
    "target",
    "segment",
)
SIDES = ("L", "R")  # as structures are named for radiotherapy (AAPM TG-263): Lung_L
KERNEL = r"[bhiu][0-9]{2}[fhrs]|(?:b[flrv]|h[cnprv]|qr|ub|sa|tr)[0-9]{2}[du]?|fc[0-9]{2}"  # Siemens, Canon
JOINER = re.compile(r"\s*([-_/+.,:&*^])?\s*")  # between two kept words: at most one mark, at most one space a side


@lru_cache(maxsize=4096)
def clean(text: str) -> str:
    """What `text`, one value of a descriptor, may keep: words with their case, one mark or one space between them."""
    before, text = "", unicodedata.normalize("NFC", text)
    while text != before:  # what went may have parted a phrase; the result is never longer, so this ends
        before, text = text, _filter(text)
    return text


def _filter(text: str) -> str:
    kept, end, adjoining = "", 0, False
    for match in _token().finditer(text):
        if not _may_stay(match) and not (adjoining and _is_side(text, end, match)):
            adjoining = False
            continue
        if kept:
            kept += _join(text[end : match.start()]) if adjoining else " "
        kept += " ".join(match[0].split())
        end, adjoining = match.end(), True
    return kept


@cache
def words() -> frozenset[str]:
    """The words that may stay wherever they stand, case folded."""
    return frozenset(word.casefold() for line in _lines("vocabulary.txt") for word in line.split())


@cache
def phrases() -> frozenset[str]:
    """The phrases that may stay as a whole, in lower case."""
    return frozenset(_lines("phrases.txt"))  # lower case, not folded: they are matched letter by letter


def _may_stay(match: re.Match[str]) -> bool:
    return match.lastgroup != "word" or match[0].casefold() in words()


def _is_side(text: str, end: int, match: re.Match[str]) -> bool:
    return match[0] in SIDES and text[end : match.start()] == "_"


def _join(gap: str) -> str:
    """The text between two kept neighbours, reduced to what may join them."""
    match = JOINER.fullmatch(gap)
    if not match or not match[1]:
        return " "
    before, _, after = gap.partition(match[1])
    return f"{' ' if before else ''}{match[1]}{' ' if after else ''}"


@cache
def _token() -> re.Pattern[str]:
    """Phrases, then numbers with a unit, then any run of letters and digits; no token begins or ends inside a run."""
    longest_first = sorted(phrases(), key=len, reverse=True)
    phrase = "|".join(re.escape(each).replace(r"\ ", r"[ _/.-]") for each in longest_first)
    spaced, attached = "|".join(sorted(UNITS, key=len, reverse=True)), "|".join(ATTACHED_UNITS)
    thickness = "|".join(each.replace(".", "[.,]") for each in THICKNESSES)
    counted = "|".join(COUNTED)
    begin, finish = r"(?<![^\W_])", r"(?![^\W_])"
    whole = rf"(?<![0-9][.,]){begin}"
    return re.compile(
        rf"{begin}(?P<phrase>{phrase}){finish}"
        rf"|{begin}(?P<counted>(?:{counted})[ _-]?[1-9]){finish}"
        rf"|{whole}(?P<measure>{NUMBER}(?:\s?(?:{spaced})|(?:{attached}))){finish}"
        rf"|{whole}(?P<thickness>{thickness})(?![.,]?[^\W_])"
        rf"|{begin}(?P<kernel>{KERNEL}){finish}"
        r"|(?P<word>[^\W_]+)",
        re.IGNORECASE,
    )


def _lines(name: str) -> list[str]:
    lines = (DATA / name).read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]
