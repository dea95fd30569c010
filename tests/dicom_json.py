"""The DICOM JSON Model as a rule: what PS3.18 Annex F lets stand in an attribute, and what it does not.

Written from the standard alone, so that it agrees with no writer by descent. `faults` says where a document breaks it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["faults"]

KEY = re.compile(r"[0-9A-F]{8}")  # F.2.2: eight digits, upper case
SPECIAL = ("NaN", "inf", "-inf")  # F.2.2, of floating point
GROUPS = {"Alphabetic", "Ideographic", "Phonetic"}
RANGES = {"SS": (-(1 << 15), 1 << 15), "US": (0, 1 << 16), "SL": (-(1 << 31), 1 << 31), "UL": (0, 1 << 32)}
RANGES |= {"SV": (-(1 << 63), 1 << 63), "UV": (0, 1 << 64)}
BINARY = {"OB", "OD", "OF", "OL", "OV", "OW", "UN"}
TEXTS = {"AE", "AS", "CS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
BULK = {*BINARY, *RANGES, "DS", "FD", "FL", "IS", "LT", "ST", "UC", "UT"}  # F.2.2
ONE = {"LT", "ST", "UR", "UT"}  # PS3.5 6.4: these never have several values
VRS = {*RANGES, *BINARY, *TEXTS, "AT", "DS", "FD", "FL", "IS", "PN", "SQ"}


def faults(document: Any, where: str = "") -> Iterator[str]:
    """Each place that breaks the model, as a path of tags and item numbers, and how."""
    if not isinstance(document, dict):
        yield f"{where}: a data set is an object"
        return
    if list(document) != sorted(document):
        yield f"{where}: attributes are not in the order of their tags"
    for tag, attribute in document.items():
        yield from _attribute(f"{where}{tag}", tag, attribute)


def _attribute(where: str, tag: str, attribute: Any) -> Iterator[str]:
    if not KEY.fullmatch(tag) or tag.endswith("0000") or tag < "00010000" or tag.startswith("0002"):
        yield f"{where}: no tag, a group length, or of a command or the file meta information"
    if not isinstance(attribute, dict) or attribute.get("vr") not in VRS:
        yield f"{where}: no object with a vr"
        return
    vr = attribute["vr"]
    said = set(attribute) - {"vr"}
    if len(said) > 1 or said - {"Value", "BulkDataURI", "InlineBinary"}:
        yield f"{where}: of Value, BulkDataURI and InlineBinary one stands there or none (F.2.2)"
    elif "Value" in said:
        yield from _values(where, vr, attribute["Value"])
    elif "BulkDataURI" in said and (vr not in BULK or not _is_text(attribute["BulkDataURI"])):
        yield f"{where}: no reference to bulk data"
    elif "InlineBinary" in said and (vr not in BINARY or not _is_base64(attribute["InlineBinary"])):
        yield f"{where}: no bytes in Base64, or of no binary VR"


def _values(where: str, vr: str, values: Any) -> Iterator[str]:
    if vr in BINARY:
        yield f"{where}: bytes stand in no Value"
        return
    if not isinstance(values, list) or not values:
        yield f"{where}: a Value is a list of one or more"
        return
    if vr in ONE and len(values) > 1:
        yield f"{where}: {vr} has one value"
    for number, value in enumerate(values, 1):
        if vr == "SQ":
            yield from faults(value, f"{where}.{number}.")
        elif value is not None and not FITS[vr](value):
            yield f"{where}: value {number} is none of {vr}"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_base64(value: Any) -> bool:
    try:
        return _is_text(value) and bool(base64.b64decode(value, validate=True))
    except binascii.Error:
        return False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_within(vr: str) -> Callable[[Any], bool]:
    low, high = RANGES[vr]
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value < high


def _is_float(value: Any) -> bool:
    return _is_number(value) or value in SPECIAL


def _is_name(value: Any) -> bool:
    """F.2.2: an object of component groups, none empty."""
    return isinstance(value, dict) and bool(value) and set(value) <= GROUPS and all(map(_is_text, value.values()))


FITS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(TEXTS, _is_text),
    **{vr: _is_within(vr) for vr in RANGES},
    "AT": lambda value: isinstance(value, str) and bool(KEY.fullmatch(value)),
    # F.2.3.1: a number, or the text where a number would not be the same
    "DS": lambda value: _is_number(value) or _is_text(value),
    "SV": lambda value: _is_within("SV")(value) or _is_text(value),
    "UV": lambda value: _is_within("UV")(value) or _is_text(value),
    "IS": lambda value: (isinstance(value, int) and not isinstance(value, bool)) or _is_text(value),
    "FD": _is_float,
    "FL": _is_float,
    "PN": _is_name,
}
