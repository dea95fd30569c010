"""The rows of a clinical table in memory, one at a time: what stands in its cells, and the bytes that a row is.

Tables of any length are gone through without a second copy of them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from cohortium.archive.files.tables import DELIMITERS, is_table
from cohortium.clinical.xport import Xport
from cohortium.errors import Malformed

__all__ = ["MEDIA_TYPES", "Row", "Sheet", "opened"]

CSV, TSV = "text/csv", "text/tab-separated-values"
XPORT = "application/x-sas-xport"
MEDIA_TYPES = (CSV, TSV, XPORT)
MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Row:
    """A row by its number, 1 below the heading; `piece` is what it is in the file."""

    number: int
    cells: list[str]
    piece: bytes


class Sheet(Protocol):
    """A table; its headings are in capitals, in their order."""

    headings: tuple[str, ...]

    def rows(self) -> Iterator[Row]:
        """The rows in order; lines of nothing are none."""

    def only(self, stays: Callable[[Row], bool]) -> tuple[bytes, int]:
        """The table's bytes with those rows alone that stay, each as it was, and how many these are."""


class Separated:
    """Texts separated by commas or the like, in UTF-8, as the archive admits them. See `Sheet`."""

    def __init__(self, content: bytes, delimiter: str) -> None:
        self._content = content
        self._delimiter = delimiter
        self.headings = tuple(each.strip().upper() for each in next(self._read())[0])

    def rows(self) -> Iterator[Row]:
        """See `Sheet`."""
        number = 0
        records = self._read()
        next(records)
        for cells, piece in records:
            if cells:
                number += 1
                yield Row(number, cells, piece.encode())

    def only(self, stays: Callable[[Row], bool]) -> tuple[bytes, int]:
        """See `Sheet`."""
        made = io.BytesIO()
        made.write(MARK if self._content.startswith(MARK) else b"")
        made.write(next(self._read())[1].encode())
        left = 0
        for row in filter(stays, self.rows()):
            left += 1
            made.write(row.piece)
        return made.getvalue(), left

    def _read(self) -> Iterator[tuple[list[str], str]]:
        lines: list[str] = []
        text = io.TextIOWrapper(io.BytesIO(self._content), "utf-8-sig", newline="")

        def noted() -> Iterator[str]:
            for line in text:
                lines.append(line)
                yield line

        for cells in csv.reader(noted(), delimiter=self._delimiter, strict=True):
            yield cells, "".join(lines)
            lines.clear()


class Transport:
    """A SAS transport file. See `Sheet`."""

    def __init__(self, content: bytes) -> None:
        self._file = Xport(content)
        self.headings = tuple(each.name.upper() for each in self._file.columns)

    def rows(self) -> Iterator[Row]:
        """See `Sheet`."""
        for number, piece in enumerate(self._file.pieces(), 1):
            yield Row(number, self._file.cells(piece), piece)

    def only(self, stays: Callable[[Row], bool]) -> tuple[bytes, int]:
        """See `Sheet`."""
        kept = [row.piece for row in filter(stays, self.rows())]
        return self._file.made_of(kept), len(kept)


def opened(content: bytes, media_type: str) -> Sheet:
    """The table in the bytes of a file; `Malformed` where they are none."""
    if media_type == TSV:
        return Separated(content, "\t")
    if media_type == CSV:
        return Separated(content, next(each for each in DELIMITERS if is_table(content, each)))
    if media_type == XPORT:
        return Transport(content)
    raise Malformed("it is no table")
