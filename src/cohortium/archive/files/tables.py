"""Texts: tables by columns, JSON by keys, anything else line by line. What they are tells them apart, not a name."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

from cohortium.clinical import headings
from cohortium.errors import Refused
from cohortium.texts.said import Said

__all__ = [
    "DELIMITERS",
    "claims_csv",
    "claims_json",
    "claims_text",
    "claims_tsv",
    "is_table",
    "read_csv",
    "read_json",
    "read_text",
    "read_tsv",
]

UNPRINTABLE = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
DELIMITERS = ",;|"
SURE = 1 << 16  # bytes by which a text is told from anything else


def claims_json(content: bytes) -> bool:
    return claims_text(content) and content.lstrip()[:1] in (b"{", b"[")


def claims_tsv(content: bytes) -> bool:
    return claims_text(content) and is_table(content, "\t")


def claims_csv(content: bytes) -> bool:
    return claims_text(content) and any(is_table(content, each) for each in DELIMITERS)


def claims_text(content: bytes) -> bool:
    return bool(content) and UNPRINTABLE.search(content, 0, SURE) is None


def read_tsv(content: bytes) -> Iterator[Said]:
    return _columns(content, "\t")


def read_csv(content: bytes) -> Iterator[Said]:
    return _columns(content, next(each for each in DELIMITERS if is_table(content, each)))


def read_text(content: bytes) -> Iterator[Said]:
    for number, line in enumerate(_text(content).splitlines(), 1):
        yield Said(f"line {number}", line)


def read_json(content: bytes) -> Iterator[Said]:
    """Every key and every value; a key that promises what identifies promises it of all that is below it."""
    yield from _values(json.loads(_text(content), object_pairs_hook=_Pairs, parse_int=str, parse_float=str), "")


class _Pairs(list[tuple[str, Any]]):
    """An object's members, also those of one name."""


def _values(value: Any, kind: str) -> Iterator[Said]:
    if isinstance(value, _Pairs):
        for key, below in value:
            yield Said("a key", key)
            yield from _values(below, kind or headings.kind(key))
    elif isinstance(value, list):
        for each in value:
            yield from _values(each, kind)
    elif isinstance(value, str):
        yield Said("a value", value, kind)


def _columns(content: bytes, delimiter: str) -> Iterator[Said]:
    """Headings, then each value of a column once."""
    seen: dict[tuple[int, str], None] = {}
    rows = csv.reader(_lines(content), delimiter=delimiter, strict=True)
    heading = next(rows)
    for row in rows:
        if row and len(row) != len(heading):
            raise Refused("not admitted: its rows have not all as many columns as its heading")
        seen.update(dict.fromkeys(enumerate(row)))
    for number, name in enumerate(heading, 1):
        yield Said(f"the heading of column {number}", name)
    kinds = [headings.kind(name) for name in heading]
    for place, text in seen:
        yield Said(f"column {place + 1}", text, kinds[place])


def is_table(content: bytes, delimiter: str) -> bool:
    """Whether the first lines have the same number of columns, and more than one."""
    head = content[:SURE].decode("utf-8", "replace").splitlines(keepends=True)
    try:
        rows = [row for row in csv.reader(head[: -1 if len(content) > SURE else None], delimiter=delimiter) if row]
    except csv.Error:
        return False
    return len(rows) > 0 and len(rows[0]) > 1 and len({len(row) for row in rows}) == 1


def _text(content: bytes) -> str:
    return "".join(_lines(content))


def _lines(content: bytes) -> Iterator[str]:
    """The text line by line, so that a large table is in memory once."""
    if UNPRINTABLE.search(content):
        raise Refused("not admitted: it holds characters that no text has")
    try:
        yield from io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", newline="")
    except UnicodeDecodeError:
        raise Refused("not admitted: its text is not in UTF-8; write it so") from None
