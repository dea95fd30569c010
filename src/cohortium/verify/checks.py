"""What a check is: it sees every pair once, says what is wrong with it, and at the end what it has seen.

No message of a check holds a value: attributes, counts and names of outputs only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cohortium.verify.pairs import Opened

__all__ = ["Check", "Checked", "Problem", "Status", "Tally"]


class Status(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with which output."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of a check: how much it looked at, what it found, what one should know when reading it."""

    title: str
    status: Status
    looked_at: str
    problems: tuple[Problem, ...] = ()
    note: str = ""


class Check(Protocol):
    """One question about all pairs. `see` yields what is wrong with a pair."""

    title: str

    def see(self, pair: Opened) -> Iterator[str]: ...

    def looked_at(self) -> str:
        """How much was looked at, in words; empty where nothing could be, which counts as not checked."""

    def note(self) -> str:
        """What one should know when reading the result."""


@dataclass(slots=True)
class Tally:
    """A check at work, and what it has found so far; `unread` pairs could not be read by pydicom."""

    check: Check
    problems: list[Problem] = field(default_factory=list)
    unread: int = 0

    def see(self, pair: Opened, shown: str) -> None:
        self.problems += [Problem(shown, what) for what in self.check.see(pair)]

    def result(self) -> Checked:
        looked_at, note = self.check.looked_at(), self.check.note()
        status = Status.FAILED if self.problems else Status.PASSED if looked_at else Status.NOT_CHECKED
        if self.unread:
            note = f"{self.unread} pairs cannot be read by pydicom and are not checked. {note}".strip()
        return Checked(self.check.title, status, looked_at, tuple(self.problems), note)
