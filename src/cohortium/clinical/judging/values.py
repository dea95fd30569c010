"""What stands in the columns of a table: numbers, dates, durations, terms of code lists, and how long texts are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl

from cohortium.clinical import moments, sdtm
from cohortium.clinical.judging.judged import Fault, Judged, figure, number, rows
from cohortium.clinical.sdtm import CodeList, Holds, Variable

__all__ = ["codes", "dates", "numbers", "periods", "results", "terms", "testcodes", "widths"]

PLAIN_DATE = r"^\d{4}-\d\d-\d\d(T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?)?$"
OVER_89 = "90+"  # as de-identification writes a high age
WIDTHS = {"--TESTCD": 8, "--TEST": 40, "ARMCD": 20, "ACTARMCD": 20}
NEVER_NEGATIVE = {"AGE", "--DOSE", "--DOSTOT"}
TESTCODE = r"^[A-Z_][A-Z0-9_]*$"  # a column is called so once results stand side by side
WIDEST = 200  # characters of any text in a SAS transport file
SAME = 1e-6  # by which the same number may differ, written twice
PROPOSALS = 3


def numbers(judged: Judged) -> Iterator[Fault]:
    """What is no number, less than nothing, or another number than the result that it stands for."""
    names = [each.name for each in judged.here(Holds.NUMBER)]
    masks = {name: pl.col(name).is_not_null() & ~number(name) & (pl.col(name) != OVER_89) for name in names}
    for name, (count, row) in judged.counted(masks).items():
        yield Fault(f"{name} is no number in {rows(count)}, but written as {judged.written(name, row)}", name, row)
    own = [name for general in sorted(NEVER_NEGATIVE) if (name := judged.own(general))]
    for name, (count, row) in judged.counted({name: (figure(name) < 0).fill_null(False) for name in own}).items():
        yield Fault(f"{name} is negative in {rows(count)}", name, row)
    result, standard = judged.own("--STRESC"), judged.own("--STRESN")
    if result and standard:
        apart = (figure(result) - figure(standard)).abs() > SAME * figure(result).abs()
        mask = (number(result) & number(standard) & apart).fill_null(False)
        for count, row in judged.counted({standard: mask}).values():
            yield Fault(f"{standard} is not the number that {result} is, in {rows(count)}", standard, row)


def results(judged: Judged) -> Iterator[Fault]:
    """A standard result that is no number, such as <5, is not made one."""
    result, standard = judged.own("--STRESC"), judged.own("--STRESN")
    if result and standard:
        word = ~number(result) | pl.col(result).str.starts_with("+")
        mask = (word & pl.col(result).is_not_null() & number(standard)).fill_null(False)
        for count, row in judged.counted({standard: mask}).values():
            yield Fault(f"{standard} is a number in {rows(count)} where {result} is none", standard, row)


def dates(judged: Judged) -> Iterator[Fault]:
    """Dates in whatever form ISO 8601 gives them; those that are plain to see are not looked at one by one."""
    for each in judged.here(Holds.DATE):
        column = pl.col(each.name)
        day = column.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
        plain = column.str.contains(PLAIN_DATE) & day.is_not_null()
        yield from _written_wrongly(judged, each, ~plain, moments.is_date)


def periods(judged: Judged) -> Iterator[Fault]:
    """Durations as ISO 8601 has them."""
    for each in judged.here(Holds.PERIOD):
        positive = each.general == "--DUR"
        yield from _written_wrongly(judged, each, pl.lit(True), _collected if positive else moments.is_period)


def _collected(text: str) -> bool:
    """A duration that somebody observed cannot be negative."""
    return not text.startswith("-") and moments.is_period(text)


def _written_wrongly(
    judged: Judged, variable: Variable, doubtful: pl.Expr, is_right: Callable[[str], bool]
) -> Iterator[Fault]:
    column = pl.col(variable.name)
    texts = judged.frame.filter(doubtful & column.is_not_null())[variable.name].unique()
    if wrong := [text for text in texts if not is_right(text)]:
        mask = column.is_in(wrong).fill_null(False)
        for count, row in judged.counted({variable.name: mask}).values():
            how = judged.written(variable.name, row)
            fact = f"{variable.name} is not {variable.holds} in {rows(count)}, but written as {how}"
            yield Fault(fact, variable.name, row)


def codes(judged: Judged) -> Iterator[Fault]:
    """Values outside of code lists that cannot be extended."""
    return _off_list(judged, extensible=False)


def terms(judged: Judged) -> Iterator[Fault]:
    """Values outside of code lists that can."""
    return _off_list(judged, extensible=True)


def _off_list(judged: Judged, *, extensible: bool) -> Iterator[Fault]:
    """Values that stand in no code list of their variable, with the terms that were probably meant."""
    for each in judged.here(Holds.TEXT):
        lists = sdtm.codelists(each)
        if not lists or any(known.extensible for known in lists) is not extensible:
            continue
        if each.general == "--TEST" and judged.own("--TESTCD"):  # which says what its name is
            continue
        texts = judged.frame[each.name].drop_nulls().unique()
        wrong = [text for text in texts if not any(text in known.terms for known in lists)]
        if each.general == "--STRESC":  # only some results are terms, so others are none of the list's
            wrong = [text for text in wrong if _meant(lists, text)]
        mask = pl.col(each.name).is_in(wrong).fill_null(False)
        for count, row in judged.counted({each.name: mask} if wrong else {}).values():
            yield Fault(_off(each, lists, count, wrong), each.name, row)


def _off(variable: Variable, lists: list[CodeList], count: int, wrong: list[str]) -> str:
    names = ", ".join(f"{known.name} ({known.code})" for known in lists)
    meant = sorted({term for text in wrong if (term := _meant(lists, text))})
    more = ", ..." if len(meant) > PROPOSALS else ""
    proposal = f", perhaps {', '.join(meant[:PROPOSALS])}{more} is meant" if meant else ""
    values = "one value" if len(wrong) == 1 else f"{len(wrong)} values"
    return f"{variable.name} is no term of {names} in {rows(count)} ({values}){proposal}"


def _meant(lists: list[CodeList], text: str) -> str:
    return next((term for known in lists if (term := known.proposal(text))), "")


def testcodes(judged: Judged) -> Iterator[Fault]:
    """Short names of tests can be names of variables."""
    if code := judged.own("--TESTCD"):
        for count, row in judged.counted({code: ~pl.col(code).str.contains(TESTCODE)}).values():
            yield Fault(f"{code} cannot be the name of a variable in {rows(count)}", code, row)


def widths(judged: Judged) -> Iterator[Fault]:
    """Texts longer than SDTM and SAS transport files allow."""
    texts = {each.name: WIDTHS.get(each.general, WIDEST) for each in judged.here(Holds.TEXT)}
    masks = {name: (pl.col(name).str.len_chars() > most).fill_null(False) for name, most in texts.items()}
    for name, (count, row) in judged.counted(masks).items():
        yield Fault(f"{name} has more than {texts[name]} characters in {rows(count)}", name, row)
