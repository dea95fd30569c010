"""SAS transport files: one data set, every value of its variables, and what they and the data set are called."""

from __future__ import annotations

from collections.abc import Iterator

from cohortium.clinical import headings
from cohortium.clinical.xport import Xport, claims
from cohortium.errors import Malformed, Refused
from cohortium.texts.said import Said

__all__ = ["claims", "read"]


def read(content: bytes) -> Iterator[Said]:
    """Headings and labels, then each value of a variable once."""
    try:
        sheet = Xport(content)
        seen = dict.fromkeys(cell for piece in sheet.pieces() for cell in enumerate(sheet.cells(piece)))
    except Malformed as error:
        raise Refused(f"not admitted: {error}") from None
    for text in (sheet.label, *sheet.marks):
        yield Said("the header", text)
    for number, column in enumerate(sheet.columns, 1):
        yield Said(f"the name of variable {number}", column.name)
        yield Said(f"the label of variable {number}", column.label)
        yield Said(f"the formats of variable {number}", column.formats)
    kinds = [headings.kind(column.name) for column in sheet.columns]
    for place, text in seen:
        yield Said(f"variable {place + 1}", text, kinds[place])
