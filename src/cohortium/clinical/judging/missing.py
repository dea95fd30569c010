"""Where a variable has no value though it could have one.

Not missing are results that were not obtained (--STAT NOT DONE), what was collected of a result that was derived
(--DRVFL Y), numbers and units of what is no number, and units of tests that have none.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import polars as pl

from cohortium.clinical.judging.judged import NOT_DONE, Fault, Judged, number, rows
from cohortium.clinical.sdtm import Variable

__all__ = ["empty"]

TESTS = Path(__file__).parents[1] / "data" / "dimensionless_tests.txt"
YES = "Y"
UNITLESS = ["NO UNITS", "NONE", "UNITLESS", "RATIO", "INDEX", "1"]
RATIO = r"/|(?i)\b(?:ratio|index)\b"


def empty(judged: Judged) -> Iterator[Fault]:
    """Variables without a value where they could have one."""
    masks = {each.name: pl.col(each.name).is_null() & ~_needless(judged, each) for each in judged.here()}
    for name, (count, row) in judged.counted(masks).items():
        yield Fault(f"{name} has no value in {rows(count)}", name, row)


def _needless(judged: Judged, variable: Variable) -> pl.Expr:
    """Where a variable may be empty: results that were not obtained, and numbers and units of what is no number."""
    needless = pl.lit(False)
    general = variable.general
    if general not in ("--ORRES", "--ORRESU", "--STRESC", "--STRESN", "--STRESU"):
        return needless
    if status := judged.own("--STAT"):
        needless = (pl.col(status) == NOT_DONE).fill_null(False)
    if general in ("--ORRES", "--ORRESU") and (derived := judged.own("--DRVFL")):
        needless |= (pl.col(derived) == YES).fill_null(False)
    if general in ("--STRESN", "--STRESU", "--ORRESU"):
        result = judged.own("--ORRES" if general == "--ORRESU" else "--STRESC")
        needless |= ~number(result) if result else pl.lit(True)
    if general in ("--STRESU", "--ORRESU"):
        needless |= _dimensionless(judged)
    return needless


def _dimensionless(judged: Judged) -> pl.Expr:
    """Where a test has no unit: by its code, by its name, or because its unit as collected says so."""
    found = pl.lit(False)
    if code := judged.own("--TESTCD"):
        found |= pl.col(code).is_in(_tests_without_unit())
    if test := judged.own("--TEST"):
        found |= pl.col(test).str.contains(RATIO)
    if unit := judged.own("--ORRESU"):
        found |= pl.col(unit).str.to_uppercase().is_in(UNITLESS)
    return found.fill_null(False)


@cache
def _tests_without_unit() -> list[str]:
    lines = TESTS.read_text("utf-8").splitlines()
    return [code for line in lines if not line.startswith("#") for code in line.split()]
