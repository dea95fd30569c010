"""A small CSV of a delivery as rows of text, however it is separated and encoded; none of its values in a message.

Cells are stripped, and columns are called in small letters.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cohortium.errors import Malformed

__all__ = ["Row", "Sheet", "heading", "read"]

ENCODINGS = ("utf-8-sig", "cp1252")
LARGEST = 1 << 28  # bytes
LONGEST_FIELD = 1 << 17  # characters
MARKS = ",;\t"

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """The columns, and each row that is not empty, counted from 1 below the heading."""

    columns: frozenset[str]
    rows: tuple[tuple[int, Row], ...]


def heading(begin: bytes) -> frozenset[str]:
    """The columns that a file names which begins so; too many, if anything, where marks are mixed."""
    line = begin.decode("utf-8-sig", "replace").partition("\n")[0].strip().lower()
    try:
        parts = [part for mark in MARKS for part in next(csv.reader([line], delimiter=mark), [])]
    except csv.Error:
        return frozenset()
    return frozenset(part.strip() for part in parts)


def read(path: Path) -> Sheet:
    """The whole file; `Malformed` where it cannot be read as CSV."""
    try:
        content = path.read_bytes() if path.stat().st_size <= LARGEST else b""
    except OSError:
        content = b""
    for encoding in ENCODINGS:
        try:
            return _parsed(content.decode(encoding))
        except UnicodeDecodeError:
            continue
        except csv.Error:
            break
    raise Malformed("it cannot be read as CSV")


def _parsed(text: str) -> Sheet:
    csv.field_size_limit(LONGEST_FIELD)  # the whole process has one, and others read longer fields
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(MARKS, key=first.count))
    columns = [each.strip().lower() for each in next(reader, [])]
    rows = []
    for number, cells in enumerate(filter(any, reader), 1):
        padded = [*(cell.strip() for cell in cells), *[""] * (len(columns) - len(cells))]
        rows.append((number, dict(zip(columns, padded, strict=False))))
    return Sheet(frozenset(columns), tuple(rows))
