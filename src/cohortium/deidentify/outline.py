"""What may be told of an object that was set aside, so that people know which series it is of without seeing whose.

What always holds: nothing of the object is in it but a modality that the standard defines (PS3.3 C.7.3.1.1.1), a
number of at most four digits, and those words of its series' description that radiology shares.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from cohortium.clinical import vocabulary
from cohortium.dicom import slow
from cohortium.errors import Malformed

__all__ = ["outline"]

SERIES_NUMBER = 0x00200011
NUMBER = re.compile(r"\s*0*([0-9]{1,4})\s*")
LONGEST = 64  # characters of a description, as LO has


def outline(buffer: bytes | memoryview) -> str:
    """Modality, number and description of the series, as far as they can be told; empty where nothing can be."""
    try:
        modality, description, number = slow.texts(
            buffer, SERIES_NUMBER, "Modality", "SeriesDescription", "SeriesNumber"
        )
    except Malformed:
        return ""
    told = [modality.strip() if modality.strip() in _modalities() else ""]
    told += [found[1] if (found := NUMBER.fullmatch(number)) else ""]
    told += [vocabulary.clean(description[:LONGEST])]
    return " ".join(filter(None, told))


@cache
def _modalities() -> frozenset[str]:
    return frozenset(files("cohortium.deidentify").joinpath("data/modalities.txt").read_text("utf-8").split())
