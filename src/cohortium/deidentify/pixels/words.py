"""The header's own values, as words to look for in what was read in the picture.

Readers take O for 0 and l for 1, so both sides are folded to one form before they are compared. Nothing here may be
shown: every value names somebody.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from pydicom import Dataset
from pydicom.errors import BytesLengthException

__all__ = ["folded", "names_somebody", "words"]

SHORTEST = 3  # characters of a word that can be looked for
KEYWORDS = frozenset(
    (
        "AccessionNumber",
        "InstitutionName",
        "InstitutionalDepartmentName",
        "IssuerOfPatientID",
        "OtherPatientIDs",
        "PatientAddress",
        "PatientID",
        "PatientTelephoneNumbers",
        "StudyID",
    )
)
DATES = frozenset(("PatientBirthDate",))
CONFUSED = str.maketrans("oqilsbzg", "00115826")
UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, NotImplementedError, BytesLengthException)


def words(dataset: Dataset) -> frozenset[str]:
    """Folded words of all person names at any depth, of identifiers, and of the birth date as people write it."""
    return frozenset(
        word for text in _texts(dataset) for word in {folded(text), *map(folded, text.split())} if len(word) >= SHORTEST
    )


def names_somebody(text: str, own: frozenset[str]) -> bool:
    """Whether a text that was read holds one of the words."""
    found = folded(text)
    return any(word in found for word in own)


def folded(text: str) -> str:
    """Letters and digits alone, without case and accents, and what readers confuse made one."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(character for character in plain if character.isalnum()).translate(CONFUSED)


def _texts(dataset: Dataset) -> Iterator[str]:
    try:
        for element in dataset.iterall():
            if element.VR == "PN" or element.keyword in KEYWORDS:
                values = [element.value] if element.VM < 2 else element.value
                yield from (str(value).replace("^", " ").replace("=", " ") for value in values if value)
            elif element.keyword in DATES and element.value:
                yield from _written(str(element.value))
    except UNREADABLE:
        return  # a header so broken is set aside elsewhere; what was found before still counts


def _written(date: str) -> Iterator[str]:
    """A date in the orders in which people write it; separators do not count."""
    year, month, day = date[:4], date[4:6], date[6:8]
    yield from (year + month + day, day + month + year, month + day + year)
    yield from (day + month + year[2:], month + day + year[2:])
