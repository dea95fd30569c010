"""What is wrong with the tables of a delivery as a whole: study days, deaths, numbers across files, one study.

Each table is read once, for the few columns that this takes, and forgotten before the next one but for what must be
held against others. What always holds: a table that cannot be read is left out, for it is unreadable by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from cohortium.clinical import reading, sdtm
from cohortium.clinical.judging.judged import Fault, Judged, figure, rows
from cohortium.clinical.reading import ROW
from cohortium.errors import Malformed

__all__ = ["Located", "Together", "judge_together"]

DM, DD, SS, YES, DEAD = "DM", "DD", "SS", "Y", "DEAD"
DAYS = {"--DTC": "--DY", "--STDTC": "--STDY", "--ENDTC": "--ENDY"}
DAY = 10  # characters of a whole date
START, DEATH = "RFSTDTC", ("DTHDTC", "DTHFL")


@dataclass(frozen=True, slots=True)
class Located:
    """A table and where it lies."""

    name: str
    path: Path
    domain: str


@dataclass(frozen=True, slots=True)
class Together:
    """Of each table by its name the subjects, with the first row of each, and its faults by their kind."""

    subjects: dict[str, Mapping[str, int]] = field(default_factory=dict)
    faults: dict[str, dict[str, list[Fault]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))


def judge_together(tables: Iterable[Located]) -> Together:
    """Subjects and faults; those of DM are looked at first, for they say of other tables what is right."""
    found, left = Together(), sorted(tables, key=lambda each: each.domain != DM)
    domains = [each.domain for each in left]
    starts = pl.DataFrame(schema={"USUBJID": pl.String, START: pl.String})
    numbered: dict[str, pl.DataFrame] = {}
    deaths: dict[str, Judged] = {}
    study, dead = "", set[str]()
    for table in left:
        try:
            judged = _read(table)
        except Malformed:
            continue
        found.subjects[table.name] = _subjects(judged)
        study = study or _study(judged)
        kinds = {"study": _other_study(judged, study), "day": _days(judged, starts)}
        if domains.count(table.domain) > 1:
            before = numbered.get(table.domain)
            kinds["split"] = _numbered_before(judged, before)
            numbered[table.domain] = _numbers(judged, before)
        dead |= _dead(judged)
        if table.domain == DM:
            starts, deaths[table.name] = pl.concat([starts, _starts(judged)]), judged
        for kind, faults in kinds.items():
            found.faults[kind][table.name] += faults
    for name, judged in deaths.items():
        found.faults["death"][name] += _alive(judged, dead)
    return found


def _read(table: Located) -> Judged:
    known = sdtm.variables(table.domain)
    more = {DM: (START, *DEATH), SS: ("--STRESC",)}.get(table.domain, ())
    wanted = ["STUDYID", "USUBJID", "--SEQ", *DAYS, *DAYS.values(), *more]
    names = [each.replace("--", table.domain) for each in wanted]
    return Judged(table.domain, known, reading.read(table.path, names))


def _subjects(judged: Judged) -> Mapping[str, int]:
    if not judged.own("USUBJID"):
        return {}
    return dict(judged.frame.group_by("USUBJID").agg(pl.col(ROW).min()).drop_nulls().sort(ROW).iter_rows())


def _study(judged: Judged) -> str:
    return str(judged.frame["STUDYID"].drop_nulls().first() or "") if judged.own("STUDYID") else ""


def _other_study(judged: Judged, study: str) -> Iterator[Fault]:
    if judged.own("STUDYID"):
        other = (pl.col("STUDYID") != study).fill_null(False)
        for count, row in judged.counted({"STUDYID": other}).values():
            yield Fault(f"STUDYID names another study in {rows(count)}", "STUDYID", row)


def _starts(judged: Judged) -> pl.DataFrame:
    """RFSTDTC of each subject; null where it is not known."""
    if not judged.own("USUBJID"):
        return pl.DataFrame(schema={"USUBJID": pl.String, START: pl.String})
    start = pl.col(START) if judged.own(START) else pl.lit(None, pl.String).alias(START)
    return judged.frame.drop_nulls("USUBJID").select("USUBJID", start).unique("USUBJID", keep="first")


def _days(judged: Judged, starts: pl.DataFrame) -> Iterator[Fault]:
    """Study days are counted from RFSTDTC, which is day 1 after day -1, as far as both dates are whole."""
    pairs = {day: name for date, general in DAYS.items() if (day := judged.own(general)) and (name := judged.own(date))}
    if not pairs or not judged.own("USUBJID") or not starts.height:
        return
    joined = judged.frame.join(starts.unique("USUBJID", keep="first"), "USUBJID", maintain_order="left")
    told = Judged(judged.domain, judged.known, reading.Sheet(judged.sheet.headings, joined, judged.sheet.encoding))
    for day, name in pairs.items():
        apart = (_whole(name) - _whole(START)).dt.total_days()
        wrong = (figure(day) != apart + (apart >= 0).cast(pl.Int64)).fill_null(False)
        needless = pl.col(day).is_not_null() & apart.is_null()
        counted = told.counted({"wrong": wrong, "needless": needless})
        if "wrong" in counted:
            count, row = counted["wrong"]
            yield Fault(f"{day} is not the day of {name}, counted from RFSTDTC, in {rows(count)}", day, row)
        if "needless" in counted:
            count, row = counted["needless"]
            yield Fault(f"{day} has a value in {rows(count)} where {name} or RFSTDTC is not known to the day", day, row)


def _whole(name: str) -> pl.Expr:
    """The days of a column of dates; null where they are not known."""
    return pl.col(name).str.slice(0, DAY).str.to_date("%Y-%m-%d", strict=False)


def _numbers(judged: Judged, before: pl.DataFrame | None) -> pl.DataFrame:
    """Whose rows have which numbers, in this table and those before it; in DM, who has a row."""
    number = judged.own("--SEQ")
    known = judged.own("USUBJID") and (number or judged.domain == DM)
    own = pl.DataFrame(schema={"USUBJID": pl.String, "number": pl.String})
    if known:
        value = pl.col(number) if number else pl.lit("")
        own = judged.frame.select("USUBJID", value.alias("number")).drop_nulls().unique()
    return own if before is None else pl.concat([before, own]).unique()


def _numbered_before(judged: Judged, before: pl.DataFrame | None) -> Iterator[Fault]:
    number = judged.own("--SEQ")
    if before is None or not judged.own("USUBJID") or not (number or judged.domain == DM):
        return
    own = judged.frame.with_columns((pl.col(number) if number else pl.lit("")).alias("number"))
    again = own.join(before, ["USUBJID", "number"], "semi")
    if again.height:
        fact = f"{number} was given to the subject" if number else "the subject has a row"
        where = f"in another table of {judged.domain}, in {rows(again.height)}"
        yield Fault(f"{fact} {where}", number or "USUBJID", int(again[ROW].to_list()[0]))


def _dead(judged: Judged) -> set[str]:
    """Subjects with a row in DD, or of whom SS says that they are dead."""
    status = judged.own("--STRESC")
    if not judged.own("USUBJID") or not (judged.domain == DD or (judged.domain == SS and status)):
        return set()
    told = judged.frame if judged.domain == DD else judged.frame.filter(pl.col(status) == DEAD)
    return set(told["USUBJID"].drop_nulls())


def _alive(judged: Judged, dead: set[str]) -> Iterator[Fault]:
    """Who died is said to have died."""
    if not judged.own("DTHFL"):
        return
    died = pl.col("USUBJID").is_in(list(dead)) if judged.own("USUBJID") else pl.lit(False)
    if judged.own("DTHDTC"):
        died |= pl.col("DTHDTC").is_not_null()
    mask = (died & (pl.col("DTHFL") != YES).fill_null(True)).fill_null(False)
    for count, row in judged.counted({"DTHFL": mask}).values():
        yield Fault(
            f"DTHFL is not Y in {rows(count)} of subjects with a date of death, a row in DD, or DEAD in SS",
            "DTHFL",
            row,
        )
