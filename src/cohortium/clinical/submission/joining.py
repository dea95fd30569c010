"""The tables of one domain from all partners as one: which columns it has, numbers as numbers, and a key that holds.

What always holds: rows come by subject and --SEQ, whichever partner sent them; until they are written each keeps the
file and row that it came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

import polars as pl

from cohortium.clinical import reading, sdtm
from cohortium.clinical.reading import ROW
from cohortium.clinical.sdtm import Core, Holds, Variable
from cohortium.clinical.submission.faults import Told
from cohortium.clinical.tables import Called
from cohortium.errors import Malformed

__all__ = ["FILE", "SEQ", "Form", "Joined", "Source", "joined"]

FILE = "@"  # the column of files, by number; no variable is called so
SEQ = "--SEQ"
SURE_DIGITS = 15  # that a number of 8 bytes holds, whatever they are
WHOLE = 2**53  # up to which whole numbers are held exactly
LARGEST, SMALLEST = 1e75, 1e-75  # what a number of a SAS transport file may be (IBM's format)
OVER_89 = "90+"  # as de-identification writes a high age
PLACES = ("Identifier", "Topic", "Qualifier", "Timing")  # roles in the order of SDTM


class Form(StrEnum):
    """In which format tables are written."""

    CSV = "csv"
    XPORT = "xport"

    @property
    def suffix(self) -> str:
        """What names of files end with."""
        return ".csv" if self is Form.CSV else ".xpt"


@dataclass(frozen=True, slots=True)
class Source:
    """A table, and what its name says, which may be shown."""

    called: Called
    path: Path

    @property
    def place(self) -> tuple[str, int, str]:
        """Where it comes among the tables of its domain."""
        return self.called.partner, self.called.number, self.path.name


@dataclass(slots=True)
class Joined:
    """A domain's rows: texts and numbers by variable, with ROW and FILE; what is no variable waits in `beside`."""

    domain: str
    frame: pl.DataFrame
    variables: tuple[Variable, ...]
    files: tuple[str, ...]
    told: Told
    numbered: bool = False

    def own(self, general: str) -> str:
        """The name here of a general variable such as --SEQ."""
        return f"{self.domain}{general[2:]}" if general.startswith("--") else general

    def fault(self, rule: str, fact: str, variable: str, mask: pl.Expr) -> bool:
        """Tell of the rows where the mask is true, if there are any; `fact` says what they have."""
        hit = self.frame.lazy().filter(mask).select(pl.len(), pl.col(FILE, ROW).first()).collect().row(0)
        count, file, row = hit
        if count:
            rows = "1 row" if count == 1 else f"{count} rows"
            self.told.tell(rule, f"{fact} in {rows}", self.files[file], variable, row)
        return bool(count)


def joined(domain: str, sources: Sequence[Source], form: Form, told: Told) -> Joined | None:
    """All tables of a domain in one; None where none of them can be read, or rows without a subject are in the way."""
    frames: list[pl.DataFrame] = []
    files: list[str] = []
    for each in sorted(sources, key=lambda source: source.place):
        try:
            sheet = reading.read(each.path, None)
        except Malformed as error:
            told.tell("submission.file", f"{error}", each.path.name)
            continue
        frames.append(sheet.frame.with_columns(pl.lit(len(files), pl.UInt16).alias(FILE)))
        files.append(each.path.name)
    if not frames:
        return None
    frame = pl.concat(frames, how="diagonal")
    del frames
    made = Joined(domain, frame, (), tuple(files), told)
    _domain(made)
    _place(made)
    _numbers(made, form)
    return made if _key(made) else None


def _domain(made: Joined) -> None:
    """DOMAIN says which one, in every row."""
    code = pl.lit(made.domain)
    if "DOMAIN" in made.frame.columns:
        made.fault("submission.domain", f"DOMAIN is not {made.domain}", "DOMAIN", pl.col("DOMAIN") != code)
    made.frame = made.frame.with_columns(code.alias("DOMAIN"))


def _place(made: Joined) -> None:
    """Find the variable of each column; what is none, in a domain that is described, is left for SUPP--."""
    found, unknown = [], []
    for name in made.frame.columns:
        if name in (ROW, FILE):
            continue
        variable = sdtm.variable(made.domain, name)
        if variable is None and made.domain not in sdtm.described() and name not in sdtm.variables(made.domain):
            unknown.append(name)
            variable = Variable(made.domain, name, Core.PERMISSIBLE, Holds.TEXT, role="Record Qualifier")
        if variable is not None:
            found.append(variable)
    if unknown:
        fact = f"{len(unknown)} columns of {made.domain} have no label here, and stand under their names"
        made.told.tell("submission.unknown", fact, made.files[0])
    listed = list(sdtm.variables(made.domain))

    def place(variable: Variable) -> tuple[int, int]:
        at = listed.index(variable.name) if variable.name in listed else len(listed)
        role = next((at for at, role in enumerate(PLACES) if role in variable.role), 0)
        return (role, at) if made.domain != "DM" else (0, at)

    made.variables = tuple(sorted(found, key=place))


def _numbers(made: Joined, form: Form) -> None:
    """Numbers in place of texts, where they say the same."""
    for each in made.variables:
        if each.holds is Holds.NUMBER:
            _number(made, each.name, form)


def _number(made: Joined, name: str, form: Form) -> None:
    text = pl.col(name)
    if name == "AGE" and made.domain == "DM":
        _high_ages(made)
    figure = text.cast(pl.Float64, strict=False)
    wrong = text.is_not_null() & ~figure.is_finite().fill_null(False)
    if made.fault("submission.number", f"{name} is no number", name, wrong):
        return
    long = made.frame.lazy().filter(text.str.count_matches(r"\d") > SURE_DIGITS).select(text.unique()).collect()
    inexact = [each for each in long[name] if Decimal(each) != Decimal(repr(float(each)))]
    if made.fault(
        "submission.number", f"{name} has more digits than a number holds", name, text.is_in(inexact).fill_null(False)
    ):
        return
    if form is Form.XPORT:
        size = figure.abs()
        beyond = ((size > LARGEST) | ((size < SMALLEST) & (size > 0))).fill_null(False)
        made.fault("submission.number", f"{name} is too large or too small for a SAS transport file", name, beyond)
    made.frame = made.frame.with_columns(figure + 0.0)  # so that -0 is 0
    column = made.frame[name]
    if bool((column == column.round()).all()) and bool((column.abs() < WHOLE).all()):
        made.frame = made.frame.with_columns(column.cast(pl.Int64))


def _high_ages(made: Joined) -> None:
    """An age that was cut off goes to SUPPDM, for AGE is a number."""
    high = (pl.col("AGE") == OVER_89).fill_null(False)
    if made.frame.select(high.any()).item() and "AGETXT" not in made.frame.columns:
        age = pl.when(~high).then(pl.col("AGE"))
        made.frame = made.frame.with_columns(pl.when(high).then(pl.col("AGE")).alias("AGETXT"), age.alias("AGE"))


def _key(made: Joined) -> bool:
    """Each row has its subject and, but in DM, a number of its own there; rows are put in that order.

    Whether each has its subject, and a number.
    """
    frame, told = made.frame, made.told
    if "USUBJID" not in frame.columns:
        told.tell("submission.key", f"{made.domain} has no column USUBJID", made.files[0], "USUBJID")
        return False
    if made.fault("submission.key", "USUBJID is empty", "USUBJID", pl.col("USUBJID").is_null()):
        return False
    first = [name for name in ("STUDYID", "USUBJID") if name in frame.columns]
    if made.domain == "DM":
        made.fault("submission.key", "USUBJID is there more than once", "USUBJID", pl.col("USUBJID").is_duplicated())
        made.frame = frame.sort(first, maintain_order=True)
        return True
    seq = made.own(SEQ)
    if seq not in frame.columns or frame[seq].null_count() == frame.height:
        made.frame = frame.sort(first, maintain_order=True).with_columns(
            pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("USUBJID").alias(seq)
        )
        made.numbered = True
        told.tell("submission.numbered", f"{seq} was not there: rows of a subject are numbered", made.files[0], seq)
        if seq not in {each.name for each in made.variables}:
            _insert(made, sdtm.variables(made.domain)[seq])
        return True
    if made.fault("submission.key", f"{seq} is empty", seq, pl.col(seq).is_null()):
        return False
    twice = pl.struct("USUBJID", seq).is_duplicated()
    if not made.fault("submission.key", f"{seq} is not the only one of its subject", seq, twice):
        made.frame = frame.sort([*first, seq], maintain_order=True)
    return True


def _insert(made: Joined, variable: Variable) -> None:
    """Add a variable behind the subject's identifier."""
    at = next(at for at, each in enumerate(made.variables, 1) if each.name == "USUBJID")
    made.variables = (*made.variables[:at], replace(variable), *made.variables[at:])
