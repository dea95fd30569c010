"""What can stand in the way of a submission, and what is worth knowing about one: a rule, how severe, how to mend it.

What always holds: a fact says how many rows and which is the first, never what stands in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from cohortium.values import Finding, Severity

__all__ = ["RULES", "Rule", "Told"]


@dataclass(frozen=True, slots=True)
class Rule:
    """With an error nothing is written."""

    severity: Severity
    mend: str


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "submission.file": Rule(
            Severity.ERROR, "send readable tables, each under a name of its own (north_lb.csv, north_lb_2.csv)"
        ),
        "submission.left-out": Rule(Severity.WARNING, "add the trial's design to the package by hand"),
        "submission.name": Rule(
            Severity.ERROR,
            "give columns names of 1 to 8 letters, digits and _, beginning with a letter, or leave them out",
        ),
        "submission.domain": Rule(Severity.ERROR, "put rows of other domains into tables of their own"),
        "submission.key": Rule(
            Severity.ERROR, "give every row its subject, and each row of a subject a --SEQ of its own"
        ),
        "submission.number": Rule(Severity.ERROR, "write a number, or leave the cell empty"),
        "submission.ascii": Rule(Severity.ERROR, "write it in ASCII, as terms of code lists are, or export as csv"),
        "submission.length": Rule(Severity.ERROR, "shorten it to 200 characters, or export as csv"),
        "submission.term": Rule(Severity.WARNING, "use a term of the code list; `cohortium check` proposes them"),
        "submission.unknown": Rule(Severity.WARNING, "write labels into define.xml: this domain is not described here"),
        "submission.numbered": Rule(
            Severity.INFO, "send --SEQ with the data, if other tables are to refer to these rows"
        ),
        "submission.supplemental": Rule(Severity.INFO, "nothing to mend, if the columns belong to the data"),
        "submission.split": Rule(Severity.INFO, "nothing to mend: SDTMIG 4.5.3.2 has it so"),
    }
)


@dataclass(slots=True)
class Told:
    """Findings as they are made."""

    findings: list[Finding] = field(default_factory=list)

    @property
    def errors(self) -> int:
        """How many of them stand in the way."""
        return sum(each.severity == Severity.ERROR for each in self.findings)

    def tell(self, rule: str, fact: str, file: str = "", variable: str = "", row: int = 0) -> None:
        """Add one."""
        found = RULES[rule]
        message = f"{fact}; {found.mend}"
        self.findings.append(
            Finding(rule, found.severity, message, file=file, row=row, variable=variable, mend=found.mend)
        )
