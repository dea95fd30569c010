"""What a mapping made of an export: what went where, what did not, and why.

What always holds: fields, choices, counts, rows and how something is written, and never a value.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from cohortium.clinical import sdtm
from cohortium.clinical.capture import Capture, Entry
from cohortium.clinical.mapping.converting import Unfit
from cohortium.clinical.mapping.studymap import StudyMap
from cohortium.clinical.sdtm import Core

__all__ = ["Account"]

RESULTS = ("TESTCD", "TEST", "ORRES", "ORRESU", "STRESC", "STRESN", "STRESU")
SHAPES = 20  # ways of writing that are told apart, of one field for one variable
OTHERS = "…"
Problem = tuple[str, str, str, str, str]  # field, variable, why, choice, how it is written


@dataclass
class Account:
    """Counts, kept while rows are made."""

    records: int = 0
    entries: int = 0
    filled: Counter[str] = field(default_factory=Counter)  # by field
    rows: Counter[str] = field(default_factory=Counter)  # by domain, as the two below
    subjects: Counter[str] = field(default_factory=Counter)
    aside: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)  # by domain and why, as the next
    problems: dict[Problem, tuple[int, int]] = field(default_factory=dict)  # how many, and the first row
    events: set[str] = field(default_factory=set)
    forms: set[str] = field(default_factory=set)

    def read(self, entry: Entry) -> None:
        self.entries += 1
        self.filled.update(entry.values.keys())
        self.events.add(entry.event)
        self.forms.add(entry.form)

    def unfit(self, unfit: Unfit, name: str, variable: str, row: int) -> None:
        key = name, variable, unfit.why, unfit.choice, unfit.written
        if unfit.written and key not in self.problems and sum(each[:3] == key[:3] for each in self.problems) >= SHAPES:
            key = *key[:4], OTHERS
        count, first = self.problems.get(key, (0, row))
        self.problems[key] = count + 1, first

    def set_aside(self, domain: str, why: str, row: int) -> None:
        count, first = self.aside.get((domain, why), (0, row))
        self.aside[domain, why] = count + 1, first

    def as_dict(self, capture: Capture, study: StudyMap) -> dict[str, Any]:
        """All of it, as JSON has it."""
        uses = study.uses()
        known = capture.dictionary.fields
        problems = [
            {
                "field": name,
                "variable": variable,
                "why": why,
                "choice": choice,
                "label": known[name].choices.get(choice, "") if name in known else "",
                "written": written,
                "values": count,
                "row": row,
            }
            for (name, variable, why, choice, written), (count, row) in self.problems.items()
        ]
        return {
            "records": self.records,
            "entries": self.entries,
            "tables": [self._table(study, domain) for domain in sorted({each.domain for each in study.templates})],
            "fields": [
                {
                    "field": name,
                    "form": each.form,
                    "kind": each.kind,
                    "identifier": each.identifier,
                    "branching": bool(each.branching),
                    "values": self.filled[name],
                    "to": uses.get(name, []),
                }
                for name, each in known.items()
            ],
            "without_term": [each for each in problems if each["choice"]],
            "not_converted": [each for each in problems if not each["choice"]],
            "set_aside": [
                {"domain": domain, "why": why, "rows": count, "row": row}
                for (domain, why), (count, row) in self.aside.items()
            ],
            "columns_without_field": list(capture.strange),
            "notes": [*study.notes, *self._unseen(study)],
        }

    def _table(self, study: StudyMap, domain: str) -> dict[str, Any]:
        known = sdtm.variables(domain)
        columns = [name for name in known if name in mapped(study, domain)]
        empty = [name for name, each in known.items() if each.core is not Core.PERMISSIBLE and name not in columns]
        return {
            "domain": domain,
            "file": f"{study.partner}_{domain.lower()}.csv",
            "rows": self.rows[domain],
            "subjects": self.subjects[domain],
            "variables": columns,
            "empty": empty,
        }

    def _unseen(self, study: StudyMap) -> list[str]:
        """What the mapping speaks of and the export has not."""
        events = {event for each in study.templates for event in each.events} | study.visits.keys()
        events |= {source.at for each in study.templates for source in each.variables.values() if source.at}
        forms = {each.form for each in study.templates if each.form}
        return [
            *(f"no event {event} in the export" for event in sorted(events - self.events)),
            *(f"no instance of the form {form} in the export" for form in sorted(forms - self.forms)),
        ]


def mapped(study: StudyMap, domain: str) -> set[str]:
    """The variables of a domain that rows get values in."""
    found = {"STUDYID", "DOMAIN", "USUBJID", f"{domain}SEQ"}
    for each in study.templates:
        if each.domain == domain:
            found |= each.variables.keys() | {name for test in each.tests for name in test.variables}
            if each.tests or f"{domain}ORRES" in each.variables:
                found |= {f"{domain}{end}" for end in RESULTS}
            if each.tests and study.not_done:
                found.add(f"{domain}STAT")
    if domain == "DM":
        found.add("SUBJID")
    if any(study.visits.values()):
        found |= {key for visit in study.visits.values() for key in visit}
    return found & sdtm.variables(domain).keys()
