"""One clinical table, row by row: who the row is about, what is made of its cells, or why it must stay behind.

What always holds: rows in are rows out and rows set aside. Memory does not grow with the table.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TextIO

from cohortium.deidentify.clinical.columns import Columns, compile_columns
from cohortium.deidentify.clinical.echo import echo
from cohortium.deidentify.clinical.reading import Rows
from cohortium.deidentify.identifiers import Tokens
from cohortium.deidentify.subjects import NotKnown, Patient, Subject, Subjects
from cohortium.values import ClinicalRule, Finding, Protocol, Severity, TableRule

__all__ = ["WITHDRAWN", "Account", "Ranges", "rewrite"]

WITHDRAWN = "the patient withdrew"

REMEMBERED = 1 << 16  # subjects of one table
MOST_RANGES = 1000
EMPTIED = {
    "clinical.before-birth": "a date before the birth date: the age was left empty",
    "clinical.formula": "a text that a spreadsheet would carry out was emptied",
    "clinical.free-text": "a text of several lines, or over 100 characters, is free text and was emptied",
    "clinical.holds-date": "a date stood in a column that holds none, and was emptied",
    "clinical.looks-identifying": "an e-mail address, a telephone number or the like was emptied",
    "clinical.no-code": "a value that is not on the list was emptied",
    "clinical.no-number": "a value that is no number was emptied",
    "clinical.partial-date": "a date whose day is not known: the age or period was left empty",
    "clinical.placeholder-date": "a date that stands for none was emptied",
    "clinical.text-cleaned": "free text: only words of a fixed vocabulary were kept",
    "clinical.echo": "a kept value held a word of what identifies the row's patient, and was emptied",
}


class _Behind(Exception):
    """The row must not go on; never leaves this module."""


@dataclass(slots=True)
class Ranges:
    """Numbers of rows, those that follow one another taken together; of very many ranges only the first are kept."""

    count: int = 0
    ranges: list[tuple[int, int]] = field(default_factory=list)

    def add(self, number: int) -> None:
        self.count += 1
        if self.ranges and self.ranges[-1][1] == number - 1:
            self.ranges[-1] = (self.ranges[-1][0], number)
        elif len(self.ranges) < MOST_RANGES:
            self.ranges.append((number, number))

    def __str__(self) -> str:
        return ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in self.ranges)


@dataclass(slots=True)
class Account:
    """What became of the rows of a table: how many came and went, and the numbers of those set aside, by reason.

    `people` are whom the site's register knows (`Subject.person`).
    """

    name: str
    rows: int = 0
    written: int = 0
    aside: dict[str, Ranges] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    people: tuple[str, ...] = ()

    def leave(self, reason: str, number: int) -> None:
        self.aside.setdefault(reason, Ranges()).add(number)


def rewrite(
    rows: Rows,
    table: TableRule,
    protocol: Protocol,
    subjects: Subjects,
    tokens: Tokens,
    output: TextIO,
    without: frozenset[str] = frozenset(),
) -> Account:
    """Write what may go on to `output`, comma-separated; `Malformed` where the file is no such table.

    New patients are assigned by the writer that `subjects` may have. Rows of the subjects `without`, by pseudonym,
    stay behind.
    """
    clinical = protocol.clinical or ClinicalRule()
    columns = compile_columns(clinical, table, protocol.dates, rows.heading, tokens)
    account, found = Account(table.name), Counter[tuple[str, str]]()
    made = _Made(columns, table, subjects, found, without)
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(column.name for column in columns.kept)
    for number, row in rows:
        account.rows += 1
        try:
            cells = made(row)
        except _Behind as reason:
            account.leave(str(reason), number)
        else:
            writer.writerow(cells)
            account.written += 1
    account.people = tuple(made.people)
    account.findings = (*columns.findings, *_emptied(found), *made.subject_findings)
    return account


class _Made:
    """What is made of a row."""

    def __init__(
        self,
        columns: Columns,
        table: TableRule,
        subjects: Subjects,
        found: Counter[tuple[str, str]],
        without: frozenset[str],
    ) -> None:
        self.columns = columns
        self.table = table
        self.subjects = subjects
        self.found = found
        self.without = without
        self.subject_findings: dict[Finding, None] = {}
        self.people: dict[str, None] = {}
        self.searched = [place for place, column in enumerate(columns.kept) if column.searched]
        self.subject = lru_cache(maxsize=REMEMBERED)(self._subject)

    def __call__(self, row: Sequence[str]) -> list[str]:
        columns = self.columns
        if len(row) != columns.width:
            raise _Behind("another number of fields than the heading")
        subject = self._of(row)
        made = []
        try:
            for column in columns.kept:
                text, rule = column.cell(row, subject.pseudonym, subject.days)
                if rule:
                    self.found[rule, column.name] += 1
                made.append(text)
        except (ValueError, OverflowError):
            raise _Behind(f"{column.name}: no date that can be read") from None
        self._without_echoes(row, made)
        return made

    def _of(self, row: Sequence[str]) -> Subject:
        parts = [row[place].strip() for place in self.columns.patient]
        if not all(parts) or any(part in self.table.missing for part in parts):
            raise _Behind("no patient ID")
        issuer = row[self.columns.issuer] if self.columns.issuer is not None else self.table.issuer
        subject = self.subject(self.table.join.join(parts), issuer)
        if subject is None:
            raise _Behind("no pseudonym for this patient")
        if subject.pseudonym in self.without:
            raise _Behind(WITHDRAWN)
        return subject

    def _subject(self, patient_id: str, issuer: str) -> Subject | None:
        try:
            self.subjects.introduce(Patient(patient_id, issuer))
            subject = self.subjects(patient_id, issuer)
        except NotKnown:
            return None
        self.subject_findings.update(dict.fromkeys(subject.findings))
        self.people[subject.person] = None
        return subject

    def _without_echoes(self, row: Sequence[str], made: list[str]) -> None:
        """Empty what holds a word of the row's identifying cells."""
        search = echo(tuple([row[place] for place in self.columns.identifying]))
        if search is None or not search("\n".join([made[place] for place in self.searched])):
            return
        for place in self.searched:
            if search(made[place]):
                made[place] = ""
                self.found["clinical.echo", self.columns.kept[place].name] += 1


def _emptied(found: Mapping[tuple[str, str], int]) -> Iterator[Finding]:
    for (rule, column), count in sorted(found.items()):
        times = f"{count} times" if count > 1 else "once"
        yield Finding(rule, Severity.WARNING, f"column {column}, {times}: {EMPTIED[rule]}")
