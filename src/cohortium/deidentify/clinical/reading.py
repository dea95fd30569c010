"""A CSV file as rows of text: strict, in the encoding that was declared, one row at a time.

What always holds: a file that is not what its rule says is refused as a whole, before or while it is read, and by the
number of a row: once quoting has gone wrong, nobody knows any more where a row ends.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from io import TextIOWrapper
from typing import BinaryIO

from cohortium.deidentify.clinical.values import is_data
from cohortium.deidentify.clinicalrule import DELIMITERS
from cohortium.errors import Malformed
from cohortium.values import TableRule

__all__ = ["Rows", "read"]

ENCODINGS = {"utf-8": "utf-8-sig"}
MARK = b"\xef\xbb\xbf"  # with which Windows begins a file in UTF-8
HEAD = 1 << 16
LONGEST_FIELD = 1 << 17
MOST_COLUMNS = 4096
QUOTED = re.compile(r'"(?:[^"]|"")*"')


class Rows:
    """The heading of a table, and then its rows with their numbers, as a spreadsheet counts them: the heading is 1."""

    def __init__(self, lines: Iterator[str], delimiter: str) -> None:
        csv.field_size_limit(LONGEST_FIELD)
        self._reader = csv.reader(lines, delimiter=delimiter, strict=True)
        self._number = 1
        try:
            self.heading = [name.strip() for name in next(self._reader, [])]
        except (csv.Error, UnicodeDecodeError) as error:
            raise self._malformed(error) from None
        _check(self.heading)

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        try:
            for row in self._reader:
                if row:  # a line with nothing in it is no row
                    self._number += 1
                    yield self._number, row
        except (csv.Error, UnicodeDecodeError) as error:
            raise self._malformed(error) from None

    def _malformed(self, error: Exception) -> Malformed:
        kind = "not in its declared encoding" if isinstance(error, UnicodeDecodeError) else "no well-formed CSV"
        return Malformed(f"{kind} after row {self._number}")


def read(content: BinaryIO, rule: TableRule) -> Rows:
    """The rows of the file, which is closed when they are let go of."""
    head = content.read(HEAD)
    if head.startswith(MARK) and rule.encoding != "utf-8":
        raise Malformed("written in UTF-8, and declared otherwise")
    content.seek(0)
    text = TextIOWrapper(content, ENCODINGS.get(rule.encoding, rule.encoding), newline="")
    return Rows(text, rule.delimiter or _sniffed(head.decode("latin-1")))


def _sniffed(head: str) -> str:
    """The mark that parts the heading; a comma where there is none, for then there is one column."""
    first = QUOTED.sub("", head).partition("\n")[0]
    return max(DELIMITERS, key=first.count)


def _check(heading: list[str]) -> None:
    """Refuse a file that has no heading, for its first row would be somebody's."""
    if not heading:
        raise Malformed("no heading")
    if len(heading) > MOST_COLUMNS:
        raise Malformed(f"more than {MOST_COLUMNS} columns")
    named = [name.casefold() for name in heading if name]
    if len(set(named)) < len(named):
        raise Malformed("two columns of one name")
    if any(map(is_data, named)):
        raise Malformed("the first row holds values: a row of headings is expected")
