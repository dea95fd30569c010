"""SAS transport files, version 5 (SAS TS-140), read in place: one data set of texts and IBM's floating-point numbers.

Every byte is accounted for: what has another version, two data sets, or anything beyond its rows is `Malformed`.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cohortium.errors import Malformed

__all__ = ["Column", "Xport", "claims"]

RECORD = 80
LIBRARY = b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!"
MEMBER = b"HEADER RECORD*******MEMBER  HEADER RECORD!!!!!!!"
DESCRIPTOR = b"HEADER RECORD*******DSCRPTR HEADER RECORD!!!!!!!"
NAMES = b"HEADER RECORD*******NAMESTR HEADER RECORD!!!!!!!"
ROWS = b"HEADER RECORD*******OBS     HEADER RECORD!!!!!!!"
NAMED = struct.Struct(">hhhh8s40s8shhh2s8shhi52s")  # a variable
BEGIN = ((0, LIBRARY), (3, MEMBER), (4, DESCRIPTOR), (7, NAMES))  # records, by place
FIRST_NAME = 8 * RECORD
MOMENT = rb"\d\d[A-Z]{3}\d\d:\d\d:\d\d:\d\d"
SOFTWARE = re.compile(rb"SAS     .{8}SAS(?:LIB |DATA) .{16} {24}" + MOMENT, re.DOTALL)
CHANGED = re.compile(MOMENT + rb" {64}")
LABELLED = re.compile(MOMENT + rb" {16}.{48}", re.DOTALL)
MARKS = (RECORD + 24, RECORD + 32, 5 * RECORD + 8, 5 * RECORD + 24, 5 * RECORD + 32, 6 * RECORD + 72)
"""Where 8 letters say the software's version and system, and what the data set is called and is."""
NUMBER, TEXT = 1, 2
MISSING = frozenset(b"._ABCDEFGHIJKLMNOPQRSTUVWXYZ")
WIDEST = 1 << 16  # bytes of a row


@dataclass(frozen=True, slots=True)
class Column:
    """A variable: where its value stands in a row."""

    name: str
    label: str
    is_number: bool
    at: int
    length: int
    formats: str


def claims(content: bytes) -> bool:
    """Whether the bytes begin as a transport file does."""
    return content.startswith(LIBRARY)


class Xport:
    """A transport file in memory."""

    def __init__(self, content: bytes) -> None:
        for record, mark in BEGIN:
            if not content.startswith(mark, record * RECORD):
                raise Malformed("it is no SAS transport file of version 5 with one data set")
        if content[3 * RECORD + 74 : 3 * RECORD + 78] != b"0140":
            raise Malformed("its descriptions of variables are of another length than 140 bytes")
        count = content[7 * RECORD + 54 : 7 * RECORD + 58]
        names_end = FIRST_NAME + (int(count) if count.isdigit() else 0) * NAMED.size
        begin = -(-names_end // RECORD) * RECORD
        if not count.isdigit() or not content.startswith(ROWS, begin) or content[names_end:begin].strip(b" \0"):
            raise Malformed("it says another number of variables than it describes")
        _demand_plain(content)
        self._content = content
        self.columns = tuple(_column(content, at) for at in range(FIRST_NAME, names_end, NAMED.size))
        self.begin = begin + RECORD
        self.width = _width(self.columns)
        self.count = self._count()
        self.label = _text(content[6 * RECORD + 32 : 6 * RECORD + 72])
        self.marks = tuple(_text(content[at : at + 8]) for at in MARKS)

    def pieces(self) -> Iterator[bytes]:
        """The bytes of each row."""
        for at in range(self.begin, self.begin + self.count * self.width, self.width):
            yield self._content[at : at + self.width]

    def made_of(self, pieces: Iterable[bytes]) -> bytes:
        """The file with these rows in place of its own."""
        rows = b"".join(pieces)
        return self._content[: self.begin] + rows + b" " * (-len(rows) % RECORD)

    def cells(self, piece: bytes) -> list[str]:
        """The values of a row as texts, empty where there is none."""
        return [(_number if each.is_number else _text)(piece[each.at : each.at + each.length]) for each in self.columns]

    def _count(self) -> int:
        """Rows fill the file but for blanks, fewer than a record, that end it."""
        size = len(self._content) - self.begin
        if size % RECORD:
            raise Malformed("it is cut off: its length is no multiple of 80 bytes")
        count = size // self.width
        at = self.begin + count * self.width
        if self._content[at:].strip(b" "):
            raise Malformed("there is something behind its last row")
        while count and not self._content[at - self.width : at].strip(b" "):
            count, at = count - 1, at - self.width
        if size - count * self.width >= RECORD:
            raise Malformed("there is something behind its last row")
        if self._content.find(MEMBER, self.begin) >= 0:
            raise Malformed("it has more than one data set; write each to a file of its own")
        return count


def _demand_plain(content: bytes) -> None:
    """Raise `Malformed` where what says which software wrote the file, and when, says more."""
    for record, shape in ((1, SOFTWARE), (5, SOFTWARE), (2, CHANGED), (6, LABELLED)):
        if not shape.fullmatch(content[record * RECORD : (record + 1) * RECORD]):
            raise Malformed("its header says more than which software wrote it, and when")


def _column(content: bytes, at: int) -> Column:
    kind, _, length, _, name, label, shown, *_, read, _, _, begin, rest = NAMED.unpack_from(content, at)
    formats = f"{_text(shown)} {_text(read)}".strip()
    column = Column(_text(name), _text(label), kind == NUMBER, begin, length, formats)
    if rest.strip(b" \0"):
        raise Malformed("it says more of a variable than a file of version 5 can")
    right = 2 <= length <= 8 if column.is_number else kind == TEXT and length > 0
    if not right or column.at < 0 or column.at + length > WIDEST:
        raise Malformed("it describes a variable as none can be")
    return column


def _width(columns: tuple[Column, ...]) -> int:
    """Bytes of a row; its variables lie side by side."""
    at = 0
    for each in sorted(columns, key=lambda column: column.at):
        if each.at != at:
            raise Malformed("its variables overlap, or leave bytes between them")
        at += each.length
    if not at:
        raise Malformed("it has no variable")
    return at


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8").rstrip(" \0")
    except UnicodeDecodeError:
        raise Malformed("its text is not in UTF-8; write it so") from None


def _number(value: bytes) -> str:
    """IBM's floating point: a sign, the exponent to the base of 16, and up to 56 bits of fraction."""
    if not any(value[1:]):
        if value[0] in MISSING:
            return ""
        if not value[0] & 0x7F:
            return "0"
    fraction = int.from_bytes(value[1:].ljust(7, b"\0"), "big")
    found = math.ldexp(fraction, 4 * ((value[0] & 0x7F) - 64) - 56)
    made = repr(-found if value[0] & 0x80 else found)
    return made.removesuffix(".0")
