"""Two reports, as JSON, held against each other by the ids of their findings: what was mended, came or stayed.

What always holds: a finding counts as mended only where its rule looked everywhere the second time, and as new only
where it did so the first time; otherwise the comparison says that it cannot tell.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cohortium.check.report import Status
from cohortium.errors import Malformed, Unavailable
from cohortium.values import Finding, Severity

__all__ = ["Change", "Comparison", "Told", "compare", "read"]

SEVERITIES = tuple(Severity)
WHERE = ("SeriesInstanceUID", "SOPInstanceUID", "patient", "file", "variable")


@dataclass(frozen=True, slots=True)
class Told:
    """What a report in JSON tells; `waived` are ids.

    `looked` are rules that were held against all there was, and of which every finding is listed.
    """

    name: str
    version: str
    digest: str
    software: str
    checked: str
    counts: Mapping[str, int]
    statuses: Mapping[str, Status]
    looked: frozenset[str]
    findings: Mapping[str, Finding]
    waived: frozenset[str]


@dataclass(frozen=True, slots=True)
class Change:
    """A finding in both reports, or in one of them."""

    id: str
    before: Finding | None
    after: Finding | None

    @property
    def last(self) -> Finding:
        """As it was seen last."""
        found = self.after or self.before
        assert found is not None, "a change is of a finding"
        return found

    @property
    def is_worse(self) -> bool:
        """Whether it is more severe than it was."""
        if self.before is None or self.after is None:
            return False
        return SEVERITIES.index(self.after.severity) > SEVERITIES.index(self.before.severity)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`unknown` are findings of one report whose rule did not look everywhere for the other."""

    before: Told
    after: Told
    mended: tuple[Change, ...]
    new: tuple[Change, ...]
    stayed: tuple[Change, ...]
    unknown: tuple[Change, ...]

    @property
    def differs(self) -> list[str]:
        """What else is not the same, so that a difference need not be one of the data."""
        one, other = self.before, self.after
        pairs = {
            "specification": (f"{one.name} {one.version}", f"{other.name} {other.version}"),
            "digest of the specification": (one.digest, other.digest),
            "software": (one.software, other.software),
        }
        return [f"{what}: {old} before, {new} after" for what, (old, new) in pairs.items() if old != new]

    @property
    def rules(self) -> list[tuple[str, str, str]]:
        """Rules whose outcome is another one, with both; empty where a report does not have the rule."""
        one, other = self.before.statuses, self.after.statuses
        both = ((id, one.get(id, ""), other.get(id, "")) for id in sorted({*one, *other}))
        return [(id, str(old), str(new)) for id, old, new in both if old != new]

    @property
    def errors(self) -> int:
        """How many errors, waived ones aside, the second report has that were none in the first."""
        came = [each for each in (*self.new, *self.unknown) if each.before is None]
        came += [each for each in self.stayed if each.is_worse]
        return sum(each.last.severity is Severity.ERROR and each.id not in self.after.waived for each in came)


def compare(before: Told, after: Told) -> Comparison:
    """What became of each finding."""
    kinds: dict[str, list[Change]] = {"mended": [], "new": [], "stayed": [], "unknown": []}
    for id in sorted({*before.findings, *after.findings}):
        change = Change(id, before.findings.get(id), after.findings.get(id))
        kinds[_kind(change, before, after)].append(change)
    ordered = {kind: tuple(sorted(changes, key=_order)) for kind, changes in kinds.items()}
    return Comparison(before, after, **ordered)


def read(path: Path) -> Told:
    """A report that `cohortium check --json` wrote; `Malformed` where it is none."""
    try:
        return _told(json.loads(path.read_text("utf-8")))
    except OSError as error:
        raise Unavailable(f"a report cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Malformed("this is no report that `cohortium check --json` wrote") from None


def _kind(change: Change, before: Told, after: Told) -> str:
    rule = change.last.rule
    if change.before and change.after:
        return "stayed"
    if change.before:
        return "mended" if rule in after.looked else "unknown"
    return "new" if rule in before.looked else "unknown"


def _told(document: Mapping[str, Any]) -> Told:
    specification, rules = document["specification"], document["rules"]
    return Told(
        name=str(specification["name"]),
        version=str(specification["version"]),
        digest=str(specification["digest"]),
        software=str(document["software"]),
        checked=str(document["checked"]),
        counts={key: int(document["counts"][key]) for key in ("patients", "series", "objects", "tables")},
        statuses={str(each["id"]): Status(each["status"]) for each in rules},
        looked=frozenset(
            str(each["id"])
            for each in rules
            if each["status"] != Status.SKIPPED and not each["why"] and not each.get("unlisted")
        ),
        findings=dict(_findings(document)),
        waived=frozenset(str(each["id"]) for each in document["findings"] if each.get("state") == "waived"),
    )


def _findings(document: Mapping[str, Any]) -> Iterator[tuple[str, Finding]]:
    for each in document["findings"]:
        where = {key: str(each.get(key, "")) for key in WHERE}
        severity, row = Severity(each["severity"]), int(each.get("row", 0))
        yield (
            str(each["id"]),
            Finding(
                str(each["rule"]), severity, str(each["message"]), row=row, mend=str(each.get("mend", "")), **where
            ),
        )


def _order(change: Change) -> tuple[int, str, str]:
    return -SEVERITIES.index(change.last.severity), change.last.rule, change.id
