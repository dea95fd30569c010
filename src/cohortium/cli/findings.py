"""A report on a delivery as people read it on a terminal: each rule's outcome, then what to mend, errors first.

And what became of findings between two reports, and the rows that an archive keeps of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import islice

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cohortium.check.comparison import Change, Comparison
from cohortium.check.report import Report, Status, as_dict, identified, where
from cohortium.check.worklist import State
from cohortium.values import Finding, Severity
from cohortium.wire import api

__all__ = ["checked", "compared", "listed"]

SHOWN = 50  # findings
STYLES = {Status.PASSED: "green", Status.FAILED: "bold red", Status.SKIPPED: "yellow"}
COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "dim"}
UNKNOWN = "cannot be told (once the rule did not look everywhere, or found too much to list)"
WORST_FIRST = tuple(reversed(Severity))


def checked(report: Report) -> Iterator[RenderableType]:
    """Counts, a line for each rule, the findings, and what is known of the specification itself."""
    counts = as_dict(report)["counts"]
    specification = report.specification
    yield Text(f"{counts['patients']} patients, {counts['series']} series, {counts['objects']} objects, ", end="")
    yield Text(f"{counts['tables']} tables, by {specification.label} ({specification.digest[:12]})")
    rules = Table("check", "rule", "severity", "outcome", "findings", "why")
    for each in report.outcomes:
        number = str(each.rule.check or "")
        status = Text(each.status, style=STYLES[each.status])
        rules.add_row(number, each.rule.id, each.rule.severity, status, str(each.findings), each.why)
    yield rules
    waived = report.waived
    ordered = sorted(identified(report), key=lambda each: (each[0] in waived, WORST_FIRST.index(each[1].severity)))
    for id, finding in islice(ordered, SHOWN):
        waiver = waived.get(id)
        style = "dim" if waiver else COLOURS[finding.severity]
        yield Text(f"{finding.severity}: {_place(finding)} [{id}]", style=style)
        yield Text(f"    {finding.fact}")
        says = f"waived by {waiver.by}, {waiver.decided[:10]}: {waiver.reason}" if waiver else f"-> {finding.mend}"
        yield Text(f"    {says}", style="dim")
    unlisted = sum(report.unlisted.values())
    if more := max(len(ordered) - SHOWN, 0) + unlisted:
        all_but = f"all but {unlisted:,} of them, which are only counted" if unlisted else "them all"
        yield Text(f"and {more:,} more; --json FILE has {all_but}")
    if report.rows:
        states = Counter(row.state for row in report.rows)
        yield Text("work list: " + ", ".join(f"{states[state]} {state}" for state in State))
    errors = f"{report.errors} errors" if report.errors else "No errors."
    aside = f" ({len(waived)} findings are waived)" if waived else ""
    yield Text(errors + aside, style="bold red" if report.errors else "bold green")


def compared(comparison: Comparison) -> Iterator[RenderableType]:
    """What differs besides the data, the outcomes that are others, and what became of each finding."""
    yield from (Text(f"not the same: {each}", style="yellow") for each in comparison.differs)
    if comparison.rules:
        rules = Table("rule", "before", "after")
        for each in comparison.rules:
            rules.add_row(*each)
        yield rules
    yield from _changes("new", comparison.new, "red")
    yield from _changes(
        "cannot be told (once the rule did not look everywhere, or found too much to list)",
        comparison.unknown,
        "yellow",
    )
    yield from _changes("stayed", comparison.stayed, "")
    yield from _changes("mended", comparison.mended, "green")
    yield Text(
        f"{len(comparison.mended)} mended, {len(comparison.new)} new, {len(comparison.stayed)} stayed, "
        f"{len(comparison.unknown)} cannot be told",
        style="bold",
    )
    nouns = "1 error that was" if comparison.errors == 1 else f"{comparison.errors} errors that were"
    came = f"{nouns} not there before" if comparison.errors else "No error came."
    yield Text(came, style="bold red" if comparison.errors else "bold green")


def listed(rows: Sequence[api.FindingRow]) -> Iterator[RenderableType]:
    """The rows of a work list, what is open first, and how many there are of each state."""
    states = tuple(State)
    ordered = sorted(rows, key=lambda row: (states.index(State(row.state)), WORST_FIRST.index(Severity(row.severity))))
    for row in ordered:
        finding = Finding(**{each.name: getattr(row, each.name) for each in fields(Finding)})
        state, severity = State(row.state), Severity(row.severity)
        style = COLOURS[severity] if state is State.OPEN else "dim"
        yield Text(f"{state}: {severity}: {_place(finding)} [{row.id}]", style=style)
        yield Text(f"    {row.message}")
        decided = f"waived by {row.by}, {row.decided[:10]}: {row.reason}"
        yield Text(f"    {decided if state is State.WAIVED else f'-> {row.mend}'}", style="dim")
    counts = Counter(State(row.state) for row in rows)
    yield Text(", ".join(f"{counts[state]} {state}" for state in states))


def _changes(title: str, changes: Sequence[Change], style: str) -> Iterator[RenderableType]:
    for each in islice(changes, SHOWN):
        yield Text(f"{title}: {each.last.severity}: {_place(each.last)} [{each.id}]", style=style)
        yield Text(f"    {each.last.fact}")
        if each.before and each.after and each.before.fact != each.after.fact:
            yield Text(f"    before: {each.before.fact}", style="dim")
    if len(changes) > SHOWN:
        yield Text(f"{title}: and {len(changes) - SHOWN} more")


def _place(finding: Finding) -> str:
    return ", ".join(filter(None, (finding.rule, where(finding))))
