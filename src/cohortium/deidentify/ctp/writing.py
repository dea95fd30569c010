"""Texts that become values of attributes.

CTP leaves an attribute as it was where its VR cannot hold the result; here it gets no value, so that what a script
wanted gone is gone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from pydicom import config
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement

from cohortium.deidentify.ctp import java

__all__ = ["usual_vr", "written"]

LONGEST_LO = 64
LONGEST = 0x3FFF  # characters, of up to four bytes each, for which a length of 16 bits is enough
UNLIMITED = frozenset(("UC", "UR", "UT"))
WHOLE = {"US": (0, 2**16), "SS": (-(2**15), 2**15), "UL": (0, 2**32), "SL": (-(2**31), 2**31)}
SHAPES = {
    "DA": re.compile(r"\d{8}|\d{4}\.\d{2}\.\d{2}", re.ASCII),
    "TM": re.compile(r"\d{2}(:?\d{2}(:?\d{2}(\.\d{1,6})?)?)?", re.ASCII),
    "DT": re.compile(r"\d{4}(\d{2}(\d{2}(\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?)?)?)?([+-]\d{4})?", re.ASCII),
    "DS": re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII),
    "IS": re.compile(r"[+-]?\d{1,12}", re.ASCII),
}


def usual_vr(tag: int) -> str:
    """The VR that the data dictionary gives an attribute; SH where it gives none, or several."""
    vr = dictionary_VR(tag) if dictionary_has_tag(tag) else "SH"
    return vr if len(vr) == 2 else "SH"


def written(tag: int, vr: str, text: str) -> DataElement:
    """The attribute with a text as its value; with no value where its VR cannot hold the text."""
    if tag >> 16 & 1:
        vr = "LO" if tag & 0xFFFF < 0x100 or len(text) <= LONGEST_LO else "LT"
        parts = [text]
    else:
        parts = java.split(text, "\\") if text else []
    if vr not in UNLIMITED and len(text) > LONGEST:
        parts = []
    write = WRITERS.get(vr, _as_text)
    try:
        value = write(vr, parts)
    except ValueError:
        value = []
    one_or_many: object = value[0] if len(value) == 1 else value
    empty: object = [] if vr == "SQ" else None
    return DataElement(tag, vr, one_or_many if value else empty, validation_mode=config.IGNORE)


def _as_text(vr: str, parts: list[str]) -> list[object]:
    if vr in SHAPES and not all(SHAPES[vr].fullmatch(part.strip()) for part in parts):
        return []
    if vr in ("LT", "ST", "UT"):
        return ["\\".join(parts).rstrip(" \0")] if parts else []
    if vr in ("DA", "TM", "DT", "UI", "AS"):
        return list(parts)
    return [part.strip(" \0") for part in parts]


def _as_whole(vr: str, parts: list[str]) -> list[object]:
    low, high = WHOLE[vr]
    numbers = [java.integer(part.strip(), 64) for part in parts]
    return list(numbers) if all(low <= number < high for number in numbers) else []


def _as_float(_: str, parts: list[str]) -> list[object]:
    if not all(SHAPES["DS"].fullmatch(part.strip()) for part in parts):
        return []
    numbers = [float(part) for part in parts]
    return list(numbers) if all(abs(number) < 3.4e38 for number in numbers) else []


def _as_nothing(_: str, parts: list[str]) -> list[object]:  # noqa: ARG001
    return []


WRITERS: Mapping[str, Callable[[str, list[str]], list[object]]] = {
    **dict.fromkeys(WHOLE, _as_whole),
    **dict.fromkeys(("FL", "FD"), _as_float),
    **dict.fromkeys(("SQ", "AT", "OB", "OD", "OF", "OL", "OV", "OW", "SV", "UN", "UV"), _as_nothing),
}
