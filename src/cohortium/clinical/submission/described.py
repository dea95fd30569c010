"""What define.xml says of a variable's values: type, length, decimals and terms, as they are in the data.

What always holds: a type is one that every value has; where there is none but text, it is text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from cohortium.clinical import sdtm
from cohortium.clinical.sdtm import CodeList, Domain, Holds, Variable
from cohortium.clinical.submission.joining import SEQ, Joined

__all__ = ["Group", "Item", "Kind", "Term", "Value", "group"]

DAY = r"\d{4}-\d\d-\d\d"
MOMENTS = (  # the first that all values match; ODM 1.3.2, data formats
    ("date", rf"^{DAY}$"),
    ("datetime", rf"^{DAY}T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?$"),
    ("partialDate", r"^\d{4}(-\d\d(-\d\d)?)?$"),
    ("partialDatetime", r"^\d{4}(-\d\d(-\d\d(T\d\d(:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d:\d\d)?)?)?)?$"),
    ("incompleteDatetime", r"^(\d{4}|-)-(\d\d|-)-(\d\d|-)(T(\d\d|-):(\d\d|-):(\d\d|-))?$|^\d{4}(-\d\d)?$"),
    ("intervalDatetime", r"^[^/]+/[^/]+$"),
)
DURATION = r"^[+-]?P[0-9.,YMWDTHS]+$"
FIGURE = r"^-?\d+(\.\d+)?$"
BY_TEST = ("--ORRES", "--ORRESU", "--STRESC", "--STRESU")
"""Variables of findings of which something else holds for each test."""


@dataclass(frozen=True, slots=True)
class Kind:
    """An ODM data type; `length` and `digits` (decimals) are 0 where the type has none."""

    type: str
    length: int = 0
    digits: int = 0


@dataclass(frozen=True, slots=True)
class Term:
    """A value of a code list: its concept's code, empty where it extends the list, and what it stands for."""

    value: str
    code: str = ""
    decode: str = ""


@dataclass(frozen=True, slots=True)
class Value:
    """What holds of a variable where another one (`of`) has the value `where`."""

    of: str
    where: str
    kind: Kind
    label: str = ""
    terms: tuple[Term, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """A variable as it is in the data; `missing` in so many rows."""

    variable: Variable
    kind: Kind
    missing: int
    terms: tuple[Term, ...] = ()
    codelist: str = ""  # the code of the one list that its terms are of
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """A table of the package; `numbered`: its --SEQ was given here."""

    name: str
    domain: Domain
    items: tuple[Item, ...]
    keys: tuple[str, ...]
    rows: int
    numbered: bool


def group(made: Joined) -> Group:
    """Everything that define.xml says of a table."""
    of = made.domain.removeprefix("SUPP")
    domain = sdtm.domains()[of]
    here = {each.name for each in made.variables}
    if of == made.domain:
        wanted: Sequence[str] = ("STUDYID", "USUBJID") if of == "DM" else ("STUDYID", "USUBJID", made.own(SEQ))
    else:
        wanted = ("STUDYID", "RDOMAIN", "USUBJID", "IDVAR", "IDVARVAL", "QNAM")
        domain = Domain(
            of,
            "RELATIONSHIP",
            f"Supplemental Qualifiers for {of}",
            "One record per supplemental qualifier per related parent domain record(s)",
        )
    items = tuple(_item(made, each) for each in made.variables)
    keys = tuple(key for key in wanted if key in here)
    return Group(made.domain, domain, items, keys, made.frame.height, made.numbered)


def _item(made: Joined, variable: Variable) -> Item:
    column = made.frame[variable.name]
    lists = sdtm.codelists(variable)
    terms = _terms(made, variable, lists)
    codelist = lists[0].code if terms and len(lists) == 1 else ""
    return Item(
        variable, _kind(column, variable.holds), column.null_count(), terms, codelist, tuple(_values(made, variable))
    )


def _kind(column: pl.Series, holds: Holds) -> Kind:
    texts = column.drop_nulls()
    if holds is Holds.NUMBER:
        return _number(texts)
    if holds in (Holds.DATE, Holds.PERIOD) and texts.len():
        texts = texts.unique()
        forms = MOMENTS if holds is Holds.DATE else (("durationDatetime", DURATION), MOMENTS[-1])
        for name, pattern in forms:
            if texts.str.contains(pattern).all():
                return Kind(name)
    longest = texts.str.len_bytes().max() if texts.len() else 1
    return Kind("text", max(1, int(longest)))  # type: ignore[arg-type]


def _number(numbers: pl.Series) -> Kind:
    if numbers.dtype == pl.Int64 or not numbers.len():
        widest = max((len(str(each)) for each in (numbers.min(), numbers.max()) if each is not None), default=1)
        return Kind("integer", widest)
    written = [format(Decimal(repr(each)), "f").removesuffix(".0") for each in numbers.unique()]
    decimals = max(len(each.partition(".")[2]) for each in written)
    return Kind("float", max(map(len, written)), decimals)


def _terms(made: Joined, variable: Variable, lists: Sequence[CodeList]) -> tuple[Term, ...]:
    """The values of a variable that has code lists, in their order; none where not one is a term of them."""
    if not lists:
        return ()
    values = made.frame[variable.name].drop_nulls().unique().sort()
    codes = {value: next((each.terms[value] for each in lists if value in each.terms), "") for value in values}
    if variable.general in ("--STRESC", "--ORRES") and not all(codes.values()):  # only some results are terms
        return ()
    if not any(codes.values()):
        return ()
    if not all(codes.values()) and not any(each.extensible for each in lists):
        made.told.tell(
            "submission.term",
            f"{variable.name} has values beyond {', '.join(each.name for each in lists)}, which cannot be extended",
            variable=variable.name,
        )
    decodes = _decodes(made, variable)
    return tuple(Term(value, code, decodes.get(value, "")) for value, code in codes.items())


def _decodes(made: Joined, variable: Variable) -> Mapping[str, str]:
    """What short names of tests stand for, if each has one name."""
    test = made.own("--TEST")
    if variable.general != "--TESTCD" or test not in made.frame.columns:
        return {}
    pairs = made.frame.select(variable.name, test).drop_nulls().unique().rows()
    names = dict(pairs)
    return names if len(names) == len(pairs) else {}


def _values(made: Joined, variable: Variable) -> Iterator[Value]:
    """What holds for each test, or each QNAM, if it is not the same for all."""
    if made.domain.startswith("SUPP"):
        of = "QNAM" if variable.name == "QVAL" else ""
    else:
        of = made.own("--TESTCD") if variable.general in BY_TEST else ""
    if not of or of not in made.frame.columns:
        return
    parts = made.frame.select(of, variable.name).drop_nulls()
    by = parts.partition_by(of, maintain_order=False) if parts.height else []
    found = []
    for part in sorted(by, key=lambda part: str(part[of][0])):
        where, column = str(part[of][0]), part[variable.name]
        if of == "QNAM":
            label = str(made.frame.filter(pl.col("QNAM") == where)["QLABEL"][0])
            found.append(Value(of, where, _kind(column, Holds.TEXT), label))
        elif variable.general.endswith("U"):
            lists = sdtm.codelists(variable)
            units = column.unique().sort()
            codes = (next((each.terms[unit] for each in lists if unit in each.terms), "") for unit in units)
            terms = tuple(Term(unit, code) for unit, code in zip(units, codes, strict=True))
            found.append(Value(of, where, _kind(column, Holds.TEXT), variable.label, terms))
        else:
            found.append(Value(of, where, _result(column), variable.label))
    if of == "QNAM" or len({(each.kind.type, each.kind.digits, each.terms) for each in found}) > 1:
        yield from found


def _result(column: pl.Series) -> Kind:
    """The type of results of one test: numbers, where all of them are."""
    written = column.unique()
    if not written.str.contains(FIGURE).all():
        return _kind(column, Holds.TEXT)
    decimals = max(len(each.partition(".")[2]) for each in written)
    longest = max(map(len, written))
    return Kind("float", longest, decimals) if decimals else Kind("integer", longest)
