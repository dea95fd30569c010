"""A clinical table of the spool as a page shows it: its first lines, as text and nothing else.

What came identifies, and may be anything at all: lines are cut, and what no screen shows is shown as its escape.
"""

from __future__ import annotations

from dataclasses import dataclass

from cohortium.clinical.tables import is_called_table
from cohortium.dicom.filemeta import is_dicom
from cohortium.errors import Corrupt
from cohortium.spool import Item, Spool
from cohortium.spool.states import KEEPS

__all__ = ["Sheet", "Sheets", "sheets"]

SHOWN, LONGEST = 20, 400  # lines, and characters of one
HEAD = 1 << 16  # bytes that are looked at for them


@dataclass(frozen=True, slots=True)
class Sheet:
    """The first lines, and how many there are: about as many as rows, and one."""

    lines: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Sheets:
    """A table as it came, and as it would leave, where it was made already."""

    before: Sheet
    after: Sheet | None


def sheets(spool: Spool, item: Item) -> Sheets | None:
    """The item's; None where it is no table, or its bytes are not there any more."""
    if "incoming" not in KEEPS[item.state]:
        return None
    try:
        content = spool.incoming(item)
        if is_dicom(content[:256]) or not any(map(is_called_table, spool.names(item))):
            return None
        return Sheets(_sheet(content), _sheet(spool.outgoing(item)) if item.table else None)
    except Corrupt:
        return None


def _sheet(content: bytes) -> Sheet:
    text = content[:HEAD].decode("utf-8-sig", "backslashreplace")
    lines = (line[:LONGEST] for line in text.splitlines()[:SHOWN])
    count = content.count(b"\n") + (not content.endswith(b"\n"))
    return Sheet(tuple("".join(map(_shown, line)) for line in lines), count)


def _shown(character: str) -> str:
    return character if character.isprintable() or character == "\t" else repr(character)[1:-1]
