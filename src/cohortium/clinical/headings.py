"""What the heading of a column says of the cells below it: whether they name, number, place or reach a person."""

from __future__ import annotations

import csv
import re
import unicodedata
from functools import cache
from pathlib import Path

__all__ = ["kind"]

TABLE = Path(__file__).with_name("data") / "identifying_columns.csv"


@cache
def kind(heading: str) -> str:
    """`name`, `identifier`, `address` or `phone`; empty where the heading promises nothing that identifies."""
    decomposed = unicodedata.normalize("NFKD", heading.casefold())
    squashed = "".join(each for each in decomposed if each.isalnum())
    return next((kind for kind, pattern in _kinds() if pattern.fullmatch(squashed)), "")


@cache
def _kinds() -> tuple[tuple[str, re.Pattern[str]], ...]:
    with TABLE.open(encoding="utf-8") as table:
        return tuple((row["kind"], re.compile(row["headings"])) for row in csv.DictReader(table))
