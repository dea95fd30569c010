"""What came of checking a delivery, and the same as JSON and as JUnit XML.

What always holds: a rule that could not look says why and does not count as passed, and the same fault has the same
`id` in every report, whatever else was mended or broken meanwhile, so that two reports can be compared.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple
from xml.etree import ElementTree

from cohortium.check import naming
from cohortium.check.delivery import Delivery
from cohortium.check.outline import Outline
from cohortium.check.pictures import Picture
from cohortium.check.rule import Rule
from cohortium.check.specification import Specification
from cohortium.check.worklist import Row, State
from cohortium.values import Finding, Severity

__all__ = ["Outcome", "Report", "Spot", "Status", "as_dict", "identified", "junit", "order", "told", "where"]

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
ID = 16  # hex digits
NOTHING = "there was nothing of its kind to look at"
LISTED = 100  # findings in the text of one failure


class Status(StrEnum):
    """What became of a rule."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A rule, how many things it was held against, how many findings it made, and why it could not look how often.

    `unlisted` are those of its findings that the report only counts.
    """

    rule: Rule
    asked: int
    findings: int
    skipped: Mapping[str, int]
    unlisted: int = 0

    @property
    def status(self) -> Status:
        if self.findings:
            return Status.FAILED
        return Status.PASSED if self.asked > sum(self.skipped.values()) else Status.SKIPPED

    @property
    def why(self) -> str:
        """Why it was skipped, altogether or in part; empty where it was not."""
        if not self.asked:
            return NOTHING
        return "; ".join(f"{why} ({count} of {self.asked})" for why, count in sorted(self.skipped.items()))


class Spot(NamedTuple):
    """What a finding that is not listed is counted under."""

    rule: str
    patient: str
    SeriesInstanceUID: str


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of every rule and the findings, in a fixed order, with what they were found by and in.

    `unlisted` counts the findings of rules that had too many to list. `rows` are those of a work list, if one is kept:
    what it waives does not count as an error.
    """

    specification: Specification
    software: str
    checked: str
    delivery: Delivery
    outcomes: tuple[Outcome, ...]
    findings: tuple[Finding, ...]
    unlisted: Mapping[Spot, int] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()
    rows: tuple[Row, ...] = ()

    @property
    def waived(self) -> Mapping[str, Row]:
        """The rows by id of what is waived."""
        return {row.id: row for row in self.rows if row.state is State.WAIVED}

    @property
    def errors(self) -> int:
        """How many findings keep the delivery from being used."""
        waived = self.waived
        listed = sum(finding.severity is Severity.ERROR and id not in waived for id, finding in identified(self))
        return listed + sum(each.unlisted for each in self.outcomes if each.rule.severity is Severity.ERROR)

    @property
    def looked(self) -> frozenset[str]:
        """The rules that were held against all there was, and of which every finding is listed."""
        return frozenset(
            each.rule.id
            for each in self.outcomes
            if each.status is not Status.SKIPPED and not each.skipped and not each.unlisted
        )


def identified(report: Report) -> Iterator[tuple[str, Finding]]:
    """Each finding with its id; of several that differ in their row or figures alone, the next ones are numbered."""
    seen: Counter[str] = Counter()
    for finding in report.findings:
        where = finding.SeriesInstanceUID, finding.SOPInstanceUID, finding.patient, finding.file, finding.variable
        text = "\n".join((finding.rule, *where, NUMBER.sub("#", finding.fact)))
        id = hashlib.sha256(text.encode()).hexdigest()[:ID]
        seen[id] += 1
        yield (id if seen[id] == 1 else f"{id}-{seen[id]}"), finding


def as_dict(report: Report) -> dict[str, Any]:
    """The report as JSON has it."""
    delivery, specification = report.delivery, report.specification
    severities, waived = Counter(finding.severity for finding in report.findings), report.waived
    for outcome in report.outcomes:
        severities[outcome.rule.severity] += outcome.unlisted
    return {
        "specification": {
            "name": specification.name,
            "version": specification.version,
            "title": specification.title,
            "digest": specification.digest,
            "off": list(specification.off),
            "notes": [*specification.notes, *(f"{each.id}: {each.note}" for each in specification.rules if each.note)],
        },
        "software": report.software,
        "checked": report.checked,
        "counts": {
            "patients": sum(1 for _ in delivery.patients()),
            "series": len(delivery.outlines),
            "objects": sum(outline.files for outline in delivery.outlines),
            "tables": len(delivery.tables),
            "findings": {severity.value: severities[severity] for severity in Severity},
            "waived": len(report.waived),
        },
        "rules": [_outcome(each) for each in report.outcomes],
        "series": [_series(each) for each in delivery.outlines],
        "findings": [told(id, finding, waived.get(id)) for id, finding in identified(report)],
    }


def junit(report: Report) -> bytes:
    """The report as pipelines read it: a test for each rule; one with errors that nobody waived fails, others tell."""
    suites = ElementTree.Element("testsuites", name=f"{report.specification.label}, {report.specification.digest}")
    suite = ElementTree.SubElement(suites, "testsuite", name="cohortium check", timestamp=report.checked)
    counts, waived = Counter[str](), report.waived
    of_rule: dict[str, list[tuple[str, Finding]]] = defaultdict(list)
    for id, finding in identified(report):
        of_rule[finding.rule].append((id, finding))
    for outcome in report.outcomes:
        family, _, name = outcome.rule.id.partition(".")
        case = ElementTree.SubElement(suite, "testcase", classname=family, name=name)
        found = of_rule[outcome.rule.id]
        facts = [_line(each, waived.get(id)) for id, each in found]
        fails = outcome.rule.severity is Severity.ERROR and any(id not in waived for id, _ in found)
        more = [f"and {outcome.findings - LISTED} more"] if outcome.findings > LISTED else []
        text = "\n".join([*facts[:LISTED], *more])
        if outcome.status is Status.SKIPPED:
            ElementTree.SubElement(case, "skipped", message=outcome.why)
            counts["skipped"] += 1
        elif fails:
            failure = ElementTree.SubElement(case, "failure", message=outcome.rule.explanation)
            failure.text = text
            counts["failures"] += 1
        elif facts:
            ElementTree.SubElement(case, "system-out").text = text
    for element in (suites, suite):
        element.set("tests", str(len(report.outcomes)))
        element.set("failures", str(counts["failures"]))
        element.set("skipped", str(counts["skipped"]))
    ElementTree.indent(suites)
    written: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return written


def _outcome(outcome: Outcome) -> dict[str, Any]:
    rule = outcome.rule
    return {
        "id": rule.id,
        "check": rule.check or None,
        "severity": rule.severity.value,
        "explanation": rule.explanation,
        "limits": dict(rule.limits),
        "status": outcome.status.value,
        "asked": outcome.asked,
        "findings": outcome.findings,
        "unlisted": outcome.unlisted,
        "why": outcome.why,
    }


def _series(outline: Outline) -> dict[str, Any]:
    """What was counted and measured of a series."""
    size = {"files": outline.files, "slices": outline.slices}
    return {"series": naming.uid(outline.SeriesInstanceUID), "patient": outline.patient, **size, **outline.numbers}


def told(id: str, finding: Finding, waiver: Row | None) -> dict[str, Any]:
    """A finding in that: its fields, those that say nothing left out, and whether somebody waived it."""
    known = {key: value for key, value in asdict(finding).items() if value and key != "message"}
    state = {"reason": waiver.reason, "by": waiver.by, "decided": waiver.decided} if waiver else {}
    return {"id": id, **known, "message": finding.fact, "state": State.WAIVED if waiver else State.OPEN, **state}


def order(finding: Finding) -> tuple[str | int, ...]:
    """By which the findings of a report are sorted."""
    return (
        finding.rule,
        finding.patient,
        finding.file,
        finding.SeriesInstanceUID,
        finding.SOPInstanceUID,
        finding.row,
        finding.variable,
        finding.message,
    )


def where(finding: Finding) -> str:
    """What a finding is about, as one line for people; empty where that is the whole delivery."""
    places = {
        "patient": finding.patient,
        "series": finding.SeriesInstanceUID,
        "object": finding.SOPInstanceUID,
        "file": finding.file,
        "row": finding.row,
        "variable": finding.variable,
    }
    return ", ".join(f"{name} {value}" for name, value in places.items() if value)


def _line(finding: Finding, waiver: Row | None) -> str:
    place = where(finding)
    said = f" (waived by {waiver.by}: {waiver.reason})" if waiver else ""
    return f"{place}: {finding.message}{said}" if place else f"{finding.message}{said}"
