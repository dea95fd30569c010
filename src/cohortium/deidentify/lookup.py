"""Lists of pseudonyms that were given elsewhere: CSV, and the properties files of CTP.

CSV has the columns `patient_id`, `subject` and, where several hospitals number alike, `issuer`. A properties file has
lines such as `ptid/1001=ABC-7`, as CTP's `@lookup` reads them. A list with one bad line is no list: nothing is taken.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from cohortium.deidentify.subjects import Patient
from cohortium.errors import Malformed

__all__ = ["read_list"]

SUBJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}").fullmatch
COLUMNS = ("patient_id", "subject")


def read_list(path: Path) -> list[tuple[Patient, str]]:
    """Each patient of a list with the pseudonym it gives."""
    try:
        text = path.read_text("utf-8-sig")
        rows = list(_properties(text) if path.suffix.lower() == ".properties" else _csv(text))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Malformed(f"the list cannot be read ({type(error).__name__})") from None
    if not rows:
        raise Malformed("the list holds no patient")
    return rows


def _csv(text: str) -> Iterator[tuple[Patient, str]]:
    reader = csv.DictReader(text.splitlines(), dialect=csv.excel, delimiter=";" if _is_semicolon(text) else ",")
    if not set(COLUMNS) <= set(reader.fieldnames or ()):
        raise Malformed(f"the list lacks a column: {' and '.join(COLUMNS)} are expected, `issuer` may be added")
    for row in reader:
        yield _row(row["patient_id"], row["subject"], row.get("issuer"), reader.line_num)


def _is_semicolon(text: str) -> bool:
    return ";" in text.partition("\n")[0]


def _properties(text: str) -> Iterator[tuple[Patient, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped and not stripped.startswith(("#", "!")):
            key, separator, subject = stripped.partition("=")
            _, slash, patient_id = key.strip().partition("/")
            yield _row(patient_id if separator and slash else "", subject, "", number)


def _row(patient_id: str | None, subject: str | None, issuer: str | None, line: int) -> tuple[Patient, str]:
    new = (subject or "").strip()
    if not (patient_id or "").strip() or not SUBJECT(new):
        raise Malformed(f"line {line}: an identifier and a subject of at most 64 plain letters are expected")
    return Patient((patient_id or "").strip(), (issuer or "").strip()), new
