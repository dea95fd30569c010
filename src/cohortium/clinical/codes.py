"""Codes of other systems as they are written: whether LOINC, SNOMED CT, ICD-10 or MedDRA can have given them.

Nothing here knows which codes there are: a code that passes may be of no concept, or of another than the term beside
it. What always holds: one digit typed wrongly, or two neighbours exchanged, in a code with a check digit is noticed
(LOINC's misses the exchange of 0 and 9 alone).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

__all__ = ["SYSTEMS", "columns", "icd10", "loinc", "meddra", "snomed"]

COLUMNS = Path(__file__).with_name("data") / "code_columns.csv"
LOINC = re.compile(r"([1-9]\d{0,6})-(\d)", re.ASCII)
SCTID = re.compile(r"[1-9]\d{5,17}", re.ASCII)
ICD10 = re.compile(r"[A-Z]\d[0-9AB](?:\.[0-9A-Z]{1,4})?[†*!+]?", re.ASCII)  # of WHO, CM and GM, with GM's marks
MEDDRA = re.compile(r"10\d{6}", re.ASCII)
CONCEPTS = {"00": 6, "10": 11}  # shortest identifier by partition: international, and of an extension's namespace
ROTATED = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)  # Verhoeff's permutation


def loinc(code: str) -> str:
    """What is wrong with a LOINC code: digits, a hyphen, and a check digit (modulus 10); empty if nothing is."""
    match = LOINC.fullmatch(code)
    if not match:
        return "is not written as 1 to 7 digits, a hyphen and a check digit"
    return "" if _luhn(match[1]) == int(match[2]) else "has a check digit that is not that of its number"


def snomed(code: str) -> str:
    """What is wrong with a SNOMED CT identifier of a concept: 6 to 18 digits, its partition, Verhoeff's check digit."""
    if not SCTID.fullmatch(code):
        return "is not written as 6 to 18 digits"
    if _verhoeff(code):
        return "has a check digit that is not that of its number"
    return "" if len(code) >= CONCEPTS.get(code[-3:-1], len(code) + 1) else "is not the identifier of a concept"


def icd10(code: str) -> str:
    """What is wrong with a code of ICD-10: a letter, two digits, and after a point up to four more."""
    return "" if ICD10.fullmatch(code) else "is not written as ICD-10 has it (I10, E11.9)"


def meddra(code: str) -> str:
    """What is wrong with a code of MedDRA: eight digits, the first two of them 10."""
    whole = code.removesuffix(".0")  # as a number that SAS wrote comes out
    return "" if MEDDRA.fullmatch(whole) else "is not written as 8 digits that begin with 10"


SYSTEMS: Mapping[str, Callable[[str], str]] = {"ICD-10": icd10, "LOINC": loinc, "MedDRA": meddra, "SNOMED CT": snomed}
"""By the name of the system, what says of a code what is wrong with it."""


@cache
def columns() -> Mapping[str, str]:
    """The variables that hold codes, as SDTM has them for every domain (`--LOINC`), and the system of each."""
    with COLUMNS.open(encoding="utf-8", newline="") as file:
        return {row["variable"]: row["system"] for row in csv.DictReader(file)}


def _luhn(number: str) -> int:
    """The check digit of a number: every second digit from the right doubled, and the digits of all summed."""
    doubled = (int(digit) * (1 if place % 2 else 2) for place, digit in enumerate(reversed(number)))
    return -sum(value // 10 + value % 10 for value in doubled) % 10


def _verhoeff(number: str) -> int:
    """The check sum of a number with its check digit, 0 if they agree: a product in the symmetries of a pentagon."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit)
        for _ in range(place % 8):
            value = ROTATED[value]
        total = _product(total, value)
    return total


def _product(first: int, second: int) -> int:
    """Of two symmetries of a pentagon: 0 to 4 turn it, 5 to 9 mirror it."""
    turned = (first % 5 + (-second if first > 4 else second)) % 5
    return turned if (first > 4) is (second > 4) else turned + 5
