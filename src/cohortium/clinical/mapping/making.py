"""Rows of SDTM's tables, made of the records of an export as a mapping says, one record at a time.

What always holds: a row is made only where something was typed, and never without its subject and its topic; a value
that does not fit leaves its variable empty, and is counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cohortium.clinical import sdtm
from cohortium.clinical.capture import Capture, Entry, Record
from cohortium.clinical.capture.entry import BAR
from cohortium.clinical.mapping.account import Account
from cohortium.clinical.mapping.converting import Unfit, converted, multiplied, number, timed
from cohortium.clinical.mapping.studymap import Source, StudyMap, Template, Test

__all__ = ["Row", "rows"]

Row = dict[str, str]
TOPICS = ("TESTCD", "TERM", "TRT", "DECOD")  # without them a row is about nothing, as far as it has them
BOUNDED = re.compile(r"([<>]=?|[≤≥])\s*(\S+)")
NUMERIC = ("integer", "number")
COMPUTED = ("calc", "slider")
SEVERAL = "has several values for one row"
NOT_DONE = "NOT DONE"


def rows(capture: Capture, study: StudyMap, account: Account) -> Iterator[tuple[str, Row]]:
    """Each row with its domain, in the order of the export."""
    making = _Making(capture, study, account)
    for record in capture.records:
        yield from making.of(record)


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where values are looked for: in an entry, or in all of a subject's; `chosen` is the choice that a row is of."""

    record: Record
    row: int
    entry: Entry | None = None
    events: tuple[str, ...] = ()
    chosen: Mapping[str, str] = field(default_factory=dict)

    def values(self, name: str, at: str = "") -> list[str]:
        """The different values of a field."""
        if name in self.chosen:
            return [self.chosen[name]]
        if self.entry and not at:
            return [value] if (value := self.entry.value(name)) else []
        events = (at,) if at else self.events
        found = (each.values.get(name, "") for each in self.record.entries if not events or each.event in events)
        return list(dict.fromkeys(filter(None, found)))


@dataclass
class _Making:
    """Rows that are made; --SEQ goes on counting where a subject comes again."""

    capture: Capture
    study: StudyMap
    account: Account
    numbers: Counter[tuple[str, str]] = field(default_factory=Counter)

    def of(self, record: Record) -> Iterator[tuple[str, Row]]:
        self.account.records += 1
        for entry in record.entries:
            self.account.read(entry)
        first = record.entries[0].row
        found = _Scope(record, first).values(self.study.subject)
        if len(found) != 1 or self.is_missing(found[0]):
            why = "a record with several subjects" if len(found) > 1 else "a record without a subject"
            self.account.set_aside("", why, first)
            return
        for template in self.study.templates:
            for scope in self.scopes(record, template):
                for made in self.drafts(scope, template):
                    if row := self.whole(scope, template, found[0], made):
                        yield template.domain, row

    def scopes(self, record: Record, template: Template) -> Iterator[_Scope]:
        """What a template makes rows of."""
        if template.by_subject:
            yield _Scope(record, record.entries[0].row, events=template.events)
            return
        for entry in record.entries:
            if entry.form == template.form and (not template.events or entry.event in template.events):
                yield _Scope(record, entry.row, entry)

    def drafts(self, scope: _Scope, template: Template) -> Iterator[Row]:
        """The rows of one scope, as far as the template fills them."""
        for name, wanted in template.when.items():
            if not any(code in wanted for value in scope.values(name) for code in value.split(BAR)):
                return
        if template.checkbox:
            around = scope.entry and template.checkbox not in scope.entry.values
            for value in [] if around else scope.values(template.checkbox):
                for code in value.split(BAR):
                    chosen = _Scope(scope.record, scope.row, scope.entry, scope.events, {template.checkbox: code})
                    yield self.filled(chosen, template, template.variables)
        elif template.tests:
            for test in template.tests:
                if row := self.result(scope, template, test):
                    yield row
        elif self.is_typed(scope, template):
            yield self.filled(scope, template, template.variables)

    def is_typed(self, scope: _Scope, template: Template) -> bool:
        """Whether anything was typed that a row would tell; what lies around an entry does not count."""
        sources = [each for each in template.variables.values() if each.field]
        if not sources or template.domain == "DM":
            return True
        if scope.entry is None:
            return any(scope.values(each.field, each.at) for each in sources)
        return any(each.field in scope.entry.values for each in sources)

    def filled(self, scope: _Scope, template: Template, variables: Mapping[str, Source]) -> Row:
        return {name: self.value(scope, template.domain, name, source) for name, source in variables.items()}

    def value(self, scope: _Scope, domain: str, name: str, source: Source) -> str:
        """What a variable becomes; empty where nothing was typed, or what does not fit."""
        if not source.field:
            return source.value
        try:
            return self.understood(scope, domain, name, source)
        except Unfit as unfit:
            self.account.unfit(unfit, source.field, f"{domain}.{name}", scope.row)
            return ""

    def understood(self, scope: _Scope, domain: str, name: str, source: Source) -> str:
        variable = sdtm.variables(domain)[name]
        known = self.capture.dictionary.fields[source.field]
        found = [each for each in scope.values(source.field, source.at) if not self.is_missing(each)]
        if len(found) > 1:
            raise Unfit(SEVERAL)
        if not found:
            return ""
        if known.kind == "checkbox" and BAR in found[0]:
            if not source.several:
                raise Unfit("has several choices; say several = its term, or checkbox = the field for a row of each")
            return source.several
        made = converted(source, known, variable, found[0])
        clocks = [each for each in scope.values(source.time) if not self.is_missing(each)] if source.time else []
        return timed(made, clocks[0]) if made and clocks else made

    def is_missing(self, value: str) -> bool:
        return value in self.study.missing or value in self.study.not_done or value in self.capture.dictionary.missing

    def result(self, scope: _Scope, template: Template, test: Test) -> Row | None:
        """The row of a result; none where there is no result, or where it cannot be understood."""
        domain = template.domain
        not_done = self.study.not_done
        found = [each for each in scope.values(test.result.field) if each in not_done or not self.is_missing(each)]
        if not found or (scope.entry and test.result.field not in scope.entry.values):
            return None
        row = self.filled(scope, template, {**template.variables, **test.variables})
        row |= {f"{domain}TESTCD": test.code, f"{domain}TEST": test.name}
        if found[0] in not_done:
            return row | {f"{domain}STAT": NOT_DONE}
        try:
            if len(found) > 1:
                raise Unfit(SEVERAL)
            return row | self.measured(scope, domain, test, found[0])
        except Unfit as unfit:
            self.account.unfit(unfit, test.result.field, f"{domain}.{domain}ORRES ({test.code})", scope.row)
            return None

    def measured(self, scope: _Scope, domain: str, test: Test, text: str) -> Row:
        """A result as collected and as standard: with units where it is a number, or bounded by one."""
        known = self.capture.dictionary.fields[test.result.field]
        if known.choices or test.result.terms is not None:
            term = converted(test.result, known, sdtm.variables(domain)[f"{domain}STRESC"], text)
            return {f"{domain}ORRES": known.choices.get(text, text), f"{domain}STRESC": term}
        bound, bare = "", text
        if match := BOUNDED.fullmatch(text):
            bound, bare = match[1], match[2]
        try:
            plain = number(bare, known)
        except Unfit:
            if known.validation.startswith(NUMERIC) or known.kind in COMPUTED:
                raise
            return {f"{domain}ORRES": text, f"{domain}STRESC": text}
        unit = self.value(scope, domain, f"{domain}ORRESU", test.unit)
        if test.factors and unit not in test.factors:
            raise Unfit("has a unit without a factor")
        standard = multiplied(plain, test.factors.get(unit))
        row = {f"{domain}ORRES": f"{bound}{plain}", f"{domain}ORRESU": unit, f"{domain}STRESC": f"{bound}{standard}"}
        return row | {f"{domain}STRESN": "" if bound else standard, f"{domain}STRESU": test.standard or unit}

    def whole(self, scope: _Scope, template: Template, subject: str, row: Row) -> Row | None:
        """The row with what every row has; none without a topic, or where a subject of DM comes again."""
        domain, known = template.domain, sdtm.variables(template.domain)
        topics = [
            name for end in TOPICS if (name := f"{domain}{end}") in row and known[name].core is sdtm.Core.REQUIRED
        ]
        if not all(row[name] for name in topics):
            self.account.set_aside(domain, "a row without its topic", scope.row)
            return None
        self.numbers[domain, subject] += 1
        count = self.numbers[domain, subject]
        if domain == "DM" and count > 1:
            self.account.set_aside(domain, "a subject that another record has too", scope.row)
            return None
        keys = {"STUDYID": self.study.study, "DOMAIN": domain, "USUBJID": subject}
        keys |= {"SUBJID": subject} if domain == "DM" else {f"{domain}SEQ": str(count)}
        visit = self.study.visits.get(scope.entry.event, {}) if scope.entry else {}
        self.account.rows[domain] += 1
        self.account.subjects[domain] += count == 1
        return {**keys, **{name: each for name, each in visit.items() if name in known}, **self.standard(domain, row)}

    def standard(self, domain: str, row: Row) -> Row:
        """What SDTM asks for beside a result: the name of its test, and the standard result where none is mapped."""
        code, result = row.get(f"{domain}TESTCD", ""), row.get(f"{domain}ORRES", "")
        known = sdtm.variables(domain)
        if code and f"{domain}TEST" not in row:
            lists = [each for end in ("TESTCD", "TEST") for each in sdtm.codelists(known[f"{domain}{end}"])]
            row[f"{domain}TEST"] = sdtm.same(*lists).get(code, "") if len(lists) == len(("TESTCD", "TEST")) else ""
        if result and f"{domain}STRESC" not in row and f"{domain}STRESC" in known:
            row[f"{domain}STRESC"] = result
            if f"{domain}STRESN" in known:
                numeric = _is_number(result)
                row[f"{domain}STRESN"] = result if numeric else ""
                row[f"{domain}STRESU"] = row.get(f"{domain}ORRESU", "") if numeric else ""
        return row


def _is_number(text: str) -> bool:
    try:
        number(text)
    except Unfit:
        return False
    return True
