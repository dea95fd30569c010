"""What a rule is, to the specification that sets it and to the family that carries it out.

A family is a module with a table `CHECKS`: for each rule its id, the scope of what it looks at, the function that
looks, and the limits that a specification may set. The function says what is wrong (a `Finding` made by
`Rule.finding`), or why it could not look (`Skipped`): silence means that all is well, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from cohortium.values import Finding, Instance, Severity

__all__ = ["Check", "Found", "Knowing", "Limit", "Rule", "Scope", "Shown", "Skipped", "once"]


class Scope(StrEnum):
    """What a rule looks at, one at a time, and which value its function is given."""

    SERIES = "series"  # series.Series: what its objects say of themselves; these rules run in a gateway too
    FILES = "files"  # scan.Scan: a series with its files at hand
    TABLE = "table"  # delivery.Table
    PATIENT = "patient"  # delivery.Patient: all series of one patient identifier
    DELIVERY = "delivery"  # delivery.Delivery: all of it


class Limit(StrEnum):
    """What a specification may write for a limit."""

    NUMBER = "a number from 0"
    TEXT = "text"
    TEXTS = "a list of texts"
    FLAG = "true or false"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A rule could not be held against something, and why; that is not the same as nothing being wrong."""

    why: str


Found = Iterator[Finding | Skipped]
Shown = Sequence[tuple[Instance, str]]  # objects of a series, and as what each is shown


@dataclass(frozen=True, slots=True)
class Check:
    """A row of a family's table.

    Where a finding names no object, `show` tells by which objects of the `scan.Scan` a person sees it best.
    """

    id: str
    scope: Scope
    look: Callable[[Any, Rule], Found]
    limits: Mapping[str, Limit] = field(default_factory=dict)
    show: Callable[[Any], Shown] | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A check as a specification sets it; limits are in the unit that its explanation states, both ends allowed.

    `check` is the number under which the consortium's own document lists it, 0 for none; `note` says where that
    document cannot be followed to the letter.
    """

    id: str
    severity: Severity
    explanation: str
    mend: str
    check: int = 0
    note: str = ""
    limits: Mapping[str, Any] = field(default_factory=dict)

    @property
    def least(self) -> float:
        return float(self.limits.get("least", 0.0))

    @property
    def most(self) -> float:
        return float(self.limits.get("most", math.inf))

    @property
    def allowed(self) -> tuple[str, ...]:
        return tuple(self.limits.get("allowed", ()))

    def finding(self, fact: str, **where: Any) -> Finding:
        """The finding that `fact` breaks this rule; `where` are fields of `Finding`."""
        return Finding(self.id, self.severity, f"{fact}; {self.mend}", mend=self.mend, **where)


class Knowing(Protocol):
    """What rules look at remembers what they worked out together."""

    @property
    def known(self) -> dict[Any, Any]: ...


Subject = TypeVar("Subject", bound=Knowing)
Result = TypeVar("Result")


def once(subject: Subject, make: Callable[[Subject], Result]) -> Result:
    """What `make` makes of the subject, made when the first rule asks and shared by the others."""
    if make not in subject.known:
        subject.known[make] = make(subject)
    result: Result = subject.known[make]
    return result
