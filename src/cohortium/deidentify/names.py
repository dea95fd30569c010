"""Names of people as they are compared: written alike, or sounding alike.

The sound is Cologne phonetics (Postel 1969), made for names as German-speaking hospitals spell them; letters of other
languages lose their marks first. A name without two parts, or a person without a birth date, is never compared.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import date
from itertools import groupby

from cohortium.deidentify.dates import PLACEHOLDERS

__all__ = ["name_keys", "sound"]

WRITTEN_OUT = str.maketrans({"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th"})
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})  # Müller is Muller where marks are lost, else Mueller
NOBODY = frozenset(("anonym", "anonymous", "baby", "boy", "girl", "knabe", "madchen", "patient", "test", "unknown"))
"""What stands for a given name where there is none: two of them are not one person, but perhaps twins."""

CODES = {
    **dict.fromkeys("aeijouy", "0"),
    **dict.fromkeys("bp", "1"),
    **dict.fromkeys("dt", "2"),
    **dict.fromkeys("fvw", "3"),
    **dict.fromkeys("gkq", "4"),
    "l": "5",
    **dict.fromkeys("mn", "6"),
    "r": "7",
    **dict.fromkeys("sz", "8"),
    "h": "",
}


def name_keys(name: str, birth_date: str, sex: str) -> Iterator[tuple[str, str]]:
    """What two records of one person share: (`name`, as written, in each way to write it) and (`sound`, as spoken)."""
    family, given, *more = [*name.partition("=")[0].split("^"), "", ""]
    born = birth_date.strip()
    if not _letters(family) or _letters(given) in {"", *NOBODY} or not _is_day(born):
        return
    about = (born, sex.strip().upper())
    written = [unicodedata.normalize("NFC", part).casefold() for part in (family, given + more[0])]
    spellings = (tuple(_letters(part.translate(table)) for part in written) for table in (UMLAUTS, {}))
    for parts in dict.fromkeys(spellings):
        yield "name", "\x1f".join((*parts, *about))
    yield "sound", "\x1f".join((sound(family), sound(given), *about))


def _is_day(text: str) -> bool:
    try:
        return len(text) == 8 and date.fromisoformat(text) not in PLACEHOLDERS
    except ValueError:
        return False


def sound(word: str) -> str:
    """The word in Cologne phonetics."""
    letters = _letters(word)
    codes = [_code(letters, place) for place in range(len(letters))]
    joined = "".join(code for code, _ in groupby("".join(codes)))
    return joined[:1] + joined[1:].replace("0", "")


def _letters(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(WRITTEN_OUT))
    return "".join(character for character in decomposed if character.isalpha())


def _code(letters: str, place: int) -> str:
    letter, before, after = letters[place], letters[place - 1 : place], letters[place + 1 : place + 2]
    match letter:
        case "p" if after == "h":
            return "3"
        case "d" | "t" if after and after in "csz":
            return "8"
        case "x":
            return "8" if before and before in "ckq" else "48"
        case "c":
            hard = after and after in ("ahkloqrux" if not place else "ahkoqux")
            return "4" if hard and not (before and before in "sz") else "8"
        case _:
            return CODES.get(letter, letter)
