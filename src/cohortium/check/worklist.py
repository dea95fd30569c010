"""Findings as rows that somebody works through: open, waived with a reason, or mended; kept in a file between checks.

What always holds: a row is mended only once its rule has looked everywhere and did not find it again; and a waiver is
for what was seen when it was given, so a finding that has become another or worse is open again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from cohortium.errors import ConfigError, Malformed, Unavailable
from cohortium.values import Finding, Severity

__all__ = ["Row", "State", "read", "renewed", "reopened", "waived", "write"]

FORMAT = "cohortium worklist 1"
SEVERITIES = tuple(reversed(Severity))
NO_LIST = "the work list is not one that `cohortium check --worklist` wrote"


class State(StrEnum):
    """How far a finding is."""

    OPEN = "open"
    WAIVED = "waived"
    MENDED = "mended"


@dataclass(frozen=True, slots=True)
class Row:
    """A finding under its id, since when it is known, and what was decided about it: why, by whom, when."""

    id: str
    state: State
    rule: str
    severity: Severity
    message: str
    mend: str
    patient: str
    SeriesInstanceUID: str
    SOPInstanceUID: str
    file: str
    row: int
    variable: str
    first_found: str
    last_found: str
    reason: str = ""
    by: str = ""
    decided: str = ""
    mended: str = ""

    @property
    def finding(self) -> Finding:
        """The finding that it is about."""
        told = {each.name: getattr(self, each.name) for each in fields(Finding)}
        return Finding(**told | {"message": f"{self.message}; {self.mend}" if self.mend else self.message})

    def covers(self, other: Row) -> bool:
        """Whether a waiver of this one holds for the other: the same fault, to the figure, and no more severe."""
        same = (self.message, self.row) == (other.message, other.row)
        return same and SEVERITIES.index(self.severity) <= SEVERITIES.index(other.severity)


def read(path: Path) -> tuple[Row, ...]:
    """The rows of a work list; none where there is no such file yet."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise Unavailable(f"the work list cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise Malformed(NO_LIST) from None
    if not isinstance(document, dict) or document.get("format") != FORMAT or not isinstance(document.get("rows"), list):
        raise Malformed(NO_LIST)
    return tuple(map(_row, document["rows"]))


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write the work list, whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    text = json.dumps({"format": FORMAT, "rows": [asdict(row) for row in rows]}, indent=1, ensure_ascii=False)
    try:
        part.write_text(text + "\n", "utf-8")
        part.replace(path)
    except OSError as error:
        raise Unavailable(f"the work list cannot be written: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


def renewed(
    rows: Sequence[Row], found: Iterable[tuple[str, Finding]], looked: Collection[str], when: str
) -> tuple[Row, ...]:
    """The rows after another check: what it found, and what it did not find where its rules looked everywhere."""
    known = {row.id: row for row in rows}
    now = {id: _found(known.get(id), _of(id, finding, when)) for id, finding in found}
    gone = [_missed(row, when) if row.rule in looked else row for row in rows if row.id not in now]
    return tuple(sorted([*now.values(), *gone], key=_order))


def waived(rows: Sequence[Row], ids: Collection[str], reason: str, by: str, when: str) -> tuple[Row, ...]:
    """The rows, these ones waived; `ConfigError` where one is not there, or there is nothing left to waive."""
    said = [" ".join(text.split()) for text in (reason, by)]
    if not all(text and text.isprintable() for text in said):
        raise ConfigError("a waiver needs a reason, and somebody who gives it, in letters that can be printed")
    return _decided(rows, ids, State.WAIVED, (*said, when))


def reopened(rows: Sequence[Row], ids: Collection[str]) -> tuple[Row, ...]:
    """The rows, the waivers of these taken back."""
    return _decided(rows, ids, State.OPEN, ("", "", ""))


def _decided(rows: Sequence[Row], ids: Collection[str], state: State, decision: Sequence[str]) -> tuple[Row, ...]:
    standing = {row.id for row in rows if row.state is not State.MENDED}
    if unknown := sorted(set(ids) - standing):
        raise ConfigError(f"no finding of the work list that is not mended is called {', '.join(unknown)}")
    reason, by, decided = decision
    return tuple(
        replace(row, state=state, reason=reason, by=by, decided=decided) if row.id in ids else row for row in rows
    )


def _of(id: str, finding: Finding, when: str) -> Row:
    told = {name: value for name, value in asdict(finding).items() if name != "message"}
    return Row(id=id, state=State.OPEN, message=finding.fact, first_found=when, last_found=when, **told)


def _found(before: Row | None, now: Row) -> Row:
    if before is None:
        return now
    now = replace(now, first_found=before.first_found)
    if before.state is State.WAIVED and before.covers(now):
        return replace(now, state=State.WAIVED, reason=before.reason, by=before.by, decided=before.decided)
    return now


def _missed(row: Row, when: str) -> Row:
    return row if row.state is State.MENDED else replace(row, state=State.MENDED, mended=when)


def _order(row: Row) -> tuple[Any, ...]:
    return tuple(State).index(row.state), SEVERITIES.index(row.severity), row.rule, row.patient, row.id


def _row(document: Any) -> Row:
    texts = {each.name for each in fields(Row)} - {"row"}
    if not isinstance(document, dict) or document.keys() != texts | {"row"}:
        raise Malformed(NO_LIST)
    printable = all(isinstance(document[name], str) and document[name].isprintable() for name in texts)
    if not printable or type(document["row"]) is not int:
        raise Malformed(NO_LIST)
    try:
        return Row(**document | {"state": State(document["state"]), "severity": Severity(document["severity"])})
    except ValueError:
        raise Malformed(NO_LIST) from None
