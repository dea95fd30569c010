"""A table that is judged: what its columns are, and in how many rows a question about them is true.

Everything is asked of whole columns at once, so that a million rows take seconds. What always holds: a fault says how
many rows have it and which is the first, and shows how a value is written and never the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from cohortium.clinical import moments, reading
from cohortium.clinical.reading import ROW
from cohortium.clinical.sdtm import Holds, Variable

__all__ = ["NOT_DONE", "Fault", "Judged", "figure", "number", "rows"]

NOT_DONE = "NOT DONE"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, in how many rows, and the first of them; 0 where it is no matter of rows."""

    fact: str
    variable: str = ""
    row: int = 0


@dataclass(frozen=True, slots=True)
class Judged:
    """A table that was read, and the variables that its domain has."""

    domain: str
    known: Mapping[str, Variable]
    sheet: reading.Sheet

    @property
    def frame(self) -> pl.DataFrame:
        """Its columns, and the numbers of its rows."""
        return self.sheet.frame

    def here(self, *holds: Holds) -> list[Variable]:
        """The variables that are columns of the table, of these kinds if any are named."""
        columns = set(self.frame.columns)
        return [each for name, each in self.known.items() if name in columns and each.holds in (holds or Holds)]

    def own(self, general: str) -> str:
        """The column of a general variable, such as --SEQ; empty where the table has none."""
        name = f"{self.domain}{general[2:]}" if general.startswith("--") else general
        return name if name in self.frame.columns else ""

    def counted(self, masks: Mapping[str, pl.Expr]) -> dict[str, tuple[int, int]]:
        """In how many rows each mask is true, and the first of them; those that are never true left out."""
        if not masks:
            return {}
        asked = [
            each
            for name, mask in masks.items()
            for each in (mask.sum().alias(name), pl.col(ROW).filter(mask).first().alias(f"{name}{ROW}"))
        ]
        row = self.frame.select(asked).row(0, named=True)
        return {name: (row[name], row[f"{name}{ROW}"]) for name in masks if row[name]}

    def written(self, name: str, row: int) -> str:
        """How the value in a row is written."""
        value = self.frame.filter(pl.col(ROW) == row)[name][0]
        return moments.shape(value or "")


def number(name: str) -> pl.Expr:
    """Where a column of texts holds a number."""
    return figure(name).is_finite().fill_null(False)


def figure(name: str) -> pl.Expr:
    """The numbers in a column of texts; null where there is none."""
    return pl.col(name).cast(pl.Float64, strict=False)


def rows(count: int) -> str:
    """How many rows, in words."""
    return "1 row" if count == 1 else f"{count} rows"
