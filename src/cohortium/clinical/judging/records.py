"""What columns of a table say together: keys, pairs of code and name, units, status, and the order of dates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from cohortium.clinical import sdtm
from cohortium.clinical.judging.judged import NOT_DONE, Fault, Judged, rows
from cohortium.clinical.reading import ROW

__all__ = ["keys", "occurrence", "order", "pairs", "records", "status", "units"]

YES = "Y"
ARMS = {"ARMCD": "ARM", "ACTARMCD": "ACTARM"}
NATURAL = (  # what tells two records of a subject apart, as far as a domain has it
    *("USUBJID", "--TESTCD", "--TSTDTL", "--TRT", "--TERM", "--CAT", "--SCAT", "--GRPID", "--REFID", "--SPID"),
    *("--LNKID", "--SPEC", "--LOC", "--LAT", "--DIR", "--POS", "--METHOD", "--EVAL", "--EVALID", "--ORRES", "--STRESC"),
    *("VISITNUM", "--DTC", "--STDTC", "--ENDTC", "--TPT", "--TPTNUM", "--FAST", "--DOSE"),
)


def keys(judged: Judged) -> Iterator[Fault]:
    """One row for a subject in DM; elsewhere --SEQ, once for each subject."""
    sequence = judged.own("--SEQ")
    columns = ["USUBJID"] if judged.domain == "DM" else ["USUBJID", sequence] if sequence else []
    for count, row in _repeated(judged, columns):
        fact = f"{sequence} was given to the subject before" if sequence else "the subject has a row before"
        yield Fault(f"{fact}, in {rows(count)}", columns[-1], row)
        return
    if judged.domain == "DM":
        for count, row in _repeated(judged, ["SUBJID"]):
            yield Fault(f"SUBJID is that of another subject in {rows(count)}", "SUBJID", row)


def records(judged: Judged) -> Iterator[Fault]:
    """No record is there twice under two numbers."""
    columns = [name for general in NATURAL if (name := judged.own(general))]
    if judged.domain != "DM" and len(columns) > 1:
        for count, row in _repeated(judged, columns):
            yield Fault(f"{rows(count)} say of a subject what a row before says", "", row)


def _repeated(judged: Judged, columns: list[str]) -> Iterator[tuple[int, int]]:
    """In how many rows all of these are as in a row before, and the first; where the first two have values."""
    if columns and all(name in judged.frame.columns for name in columns):
        there = pl.all_horizontal(pl.col(name).is_not_null() for name in columns[:2])
        again = judged.frame.lazy().filter(there).filter(~pl.struct(columns).is_first_distinct())
        count, row = again.select(pl.len(), pl.col(ROW).min()).collect().row(0)
        if count:
            yield count, row


def pairs(judged: Judged) -> Iterator[Fault]:
    """Each code of a test or an arm has one name, its own: that of the same concept, if the code lists have it."""
    code, test = judged.own("--TESTCD"), judged.own("--TEST")
    if code and test:
        lists = [sdtm.codelist(each) for name in (code, test) for each in judged.known[name].codelists]
        yield from _paired(judged, code, test, sdtm.same(*lists) if len(lists) == len((code, test)) else {})
    for short, name in ARMS.items():
        if judged.own(short) and judged.own(name):
            yield from _paired(judged, short, name, {})


def _paired(judged: Judged, code: str, test: str, names: Mapping[str, str]) -> Iterator[Fault]:
    both = judged.frame.group_by(code, test).agg(pl.col(ROW).min(), pl.len()).drop_nulls().sort(ROW)
    seen: dict[str, str] = {}
    codes: dict[str, str] = {}
    for short, name, row, count in both.iter_rows():
        first = seen.setdefault(short, name)
        if names.get(short, first) != name:
            shown = f"{names[short]}, as {code} has it" if short in names else f"the one that its {code} had before"
            yield Fault(f"{test} is not {shown}, in {rows(count)}", test, row)
        elif codes.setdefault(name, short) != short:
            yield Fault(f"{code} is another than {test} had before, in {rows(count)}", code, row)


def status(judged: Judged) -> Iterator[Fault]:
    """What was not done has no result, and what has a reason for it was not done."""
    stat, reason = judged.own("--STAT"), judged.own("--REASND")
    results = [name for each in ("--ORRES", "--STRESC") if (name := judged.own(each))]
    not_done = (pl.col(stat) == NOT_DONE).fill_null(False) if stat else pl.lit(False)
    if stat and results:
        wrong = not_done & pl.any_horizontal(pl.col(results).is_not_null())
        for count, row in judged.counted({stat: wrong}).values():
            yield Fault(f"{stat} is {NOT_DONE} in {rows(count)} that have a result", stat, row)
    if reason:
        for count, row in judged.counted({reason: pl.col(reason).is_not_null() & ~not_done}).values():
            yield Fault(f"{reason} has a value in {rows(count)} that do not say {NOT_DONE}", reason, row)


def occurrence(judged: Judged) -> Iterator[Fault]:
    """Whether something occurred is said of what was asked for, and where an answer was got."""
    occurred, asked, stat = judged.own("--OCCUR"), judged.own("--PRESP"), judged.own("--STAT")
    if occurred:
        unasked = ~(pl.col(asked) == YES).fill_null(False) if asked else pl.lit(True)
        not_done = (pl.col(stat) == NOT_DONE).fill_null(False) if stat else pl.lit(False)
        wrong = pl.col(occurred).is_not_null() & (unasked | not_done)
        for count, row in judged.counted({occurred: wrong}).values():
            fact = f"{occurred} has a value in {rows(count)} that were not asked for (--PRESP), or were {NOT_DONE}"
            yield Fault(fact, occurred, row)


def units(judged: Judged) -> Iterator[Fault]:
    """Standard results of one test, in one category and kind of specimen and by one method, are in one unit."""
    code, unit = judged.own("--TESTCD"), judged.own("--STRESU")
    if not (code and unit):
        return
    kinds = ("--CAT", "--SCAT", "--SPEC", "--METHOD")
    alike = [code, *filter(None, map(judged.own, kinds))]
    filled = judged.frame.lazy().filter(pl.col(unit).is_not_null())
    first = filled.with_columns(pl.col(unit).first().over(alike).alias("first"))
    others = first.filter(pl.col(unit) != pl.col("first")).select(pl.len(), pl.col(ROW).min(), pl.col(code).n_unique())
    count, row, tests = others.collect().row(0)
    if count:
        shown = "1 test has" if tests == 1 else f"{tests} tests have"
        yield Fault(f"{shown} more than one standard unit, {rows(count)} another than the first", unit, row)


def order(judged: Judged) -> Iterator[Fault]:
    """Nothing ends before it begins, as far as both dates are known."""
    periods = {"RFSTDTC": "RFENDTC", "RFXSTDTC": "RFXENDTC", "--STDTC": "--ENDTC"}
    for first, last in periods.items():
        start, end = judged.own(first), judged.own(last)
        if start and end:
            known = pl.min_horizontal(pl.col(each).str.len_chars() for each in (start, end))
            plain = pl.all_horizontal(pl.col(each).str.contains(r"^\d{4}(-\d\d(-\d\d)?)?") for each in (start, end))
            shorter = pl.min_horizontal(known, 10)
            wrong = plain & (pl.col(end).str.slice(0, shorter) < pl.col(start).str.slice(0, shorter))
            for count, row in judged.counted({end: wrong.fill_null(False)}).values():
                yield Fault(f"{end} lies before {start} in {rows(count)}", end, row)
