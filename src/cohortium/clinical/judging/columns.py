"""What the headings of a table say: which columns there are, and which there should not be."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from cohortium.clinical import headings, reading, sdtm
from cohortium.clinical.judging.judged import Fault, Judged, rows
from cohortium.clinical.sdtm import Core

__all__ = ["absent", "alias", "domain", "encoding", "identifying", "unlisted"]

PROMISES = {"name": "a name", "address": "an address", "phone": "a telephone number or an e-mail address"}
VERBATIM = ("--TERM", "--TRT", "--MODIFY", "--REASND", "--INDC", "ACTARMUD")  # what somebody wrote in their own words
TELLING = r"[^\s@]@[^\s@]+\.|\d(?:[\s/()-]{0,2}\d){6,}|\d\d?[./-]\d\d?[./-]\d{2,4}|\d{4}-\d\d"
YEAR = 4  # characters of a date that is only that


def absent(judged: Judged) -> Iterator[Fault]:
    """Variables that SDTM asks for and that are no columns."""
    for each in judged.known.values():
        if each.core is not Core.PERMISSIBLE and each.name not in judged.frame.columns:
            yield Fault(f"there is no column {each.name}", each.name)


def unlisted(judged: Judged) -> Iterator[Fault]:
    """Columns that the domain does not have; their headings may hold anything, so their places are told."""
    if judged.domain in sdtm.described():
        known = judged.known.keys() | sdtm.OLDER
        places = [
            at
            for at, heading in enumerate(judged.sheet.headings, 1)
            if heading not in known and sdtm.ALIASES.get(heading) not in known and not _promise(heading)
        ]
        if places:
            shown = f"column {places[0]}" if len(places) == 1 else f"columns {', '.join(map(str, places))}"
            yield Fault(f"no variables of {judged.domain}: {shown}, counted from the left")


def identifying(judged: Judged) -> Iterator[Fault]:
    """Columns for names and addresses, dates of birth, and what looks like a number, a date or an address in prose."""
    for at, heading in enumerate(judged.sheet.headings, 1):
        promise = _promise(heading)
        if promise and not (
            heading in judged.frame.columns and judged.frame[heading].null_count() == judged.frame.height
        ):
            yield Fault(f"the heading of column {at}, counted from the left, promises {promise}")
    born = judged.own("BRTHDTC")
    masks = {born: (pl.col(born).str.len_chars() > YEAR).fill_null(False)} if born else {}
    for name, (count, row) in judged.counted(masks).items():
        yield Fault(f"{name} says more than the year, in {rows(count)}", name, row)
    prose = [name for general in VERBATIM if (name := judged.own(general))]
    for name, (count, row) in judged.counted({name: pl.col(name).str.contains(TELLING) for name in prose}).items():
        fact = f"{name} holds what looks like a date, an address or a telephone number, in {rows(count)}"
        yield Fault(fact, name, row)


def _promise(heading: str) -> str:
    return PROMISES.get(headings.kind(heading), "")


def alias(judged: Judged) -> Iterator[Fault]:
    for alias, name in sdtm.ALIASES.items():
        if alias in judged.sheet.headings and name in judged.known:
            yield Fault(f"the column {alias} is taken for {name}", alias)


def encoding(judged: Judged) -> Iterator[Fault]:
    if judged.sheet.encoding != reading.ENCODINGS[0]:
        yield Fault(f"the table is not in UTF-8 and was read as {judged.sheet.encoding}")


def domain(judged: Judged) -> Iterator[Fault]:
    """DOMAIN says what the name of the file says."""
    if judged.own("DOMAIN"):
        wrong = (pl.col("DOMAIN") != judged.domain).fill_null(False)
        for count, row in judged.counted({"DOMAIN": wrong}).values():
            yield Fault(f"DOMAIN is not {judged.domain} in {rows(count)}", "DOMAIN", row)
