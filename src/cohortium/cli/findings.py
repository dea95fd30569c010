"""A report on a delivery as people read it on a terminal: each rule's outcome, then what to mend, errors first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cohortium.check.report import Report, Status, as_dict, where
from cohortium.values import Severity

__all__ = ["checked"]

SHOWN = 50  # findings
STYLES = {Status.PASSED: "green", Status.FAILED: "bold red", Status.SKIPPED: "yellow"}
COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "dim"}
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
    ordered = sorted(report.findings, key=lambda finding: WORST_FIRST.index(finding.severity))
    for finding in islice(ordered, SHOWN):
        place = ", ".join(filter(None, (finding.rule, where(finding))))
        yield Text(f"{finding.severity}: {place}", style=COLOURS[finding.severity])
        yield Text(f"    {finding.fact}")
        yield Text(f"    -> {finding.mend}", style="dim")
    if len(ordered) > SHOWN:
        yield Text(f"and {len(ordered) - SHOWN} more; --json FILE has them all")
    errors = counts["findings"]["error"]
    yield Text(f"{errors} errors" if errors else "No errors.", style="bold red" if errors else "bold green")
