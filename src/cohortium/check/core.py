"""What CDISC's own rules engine says of the tables (check 11), where somebody installed it and says where it is.

One finding for each of its rules and each table: how many rows, and which is the first. What always holds: where it is
not there, does not come to an end or could not carry a rule out, that is said, for it is not the same as nothing found.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from cohortium.check import naming
from cohortium.check.delivery import Delivery, Table
from cohortium.check.rule import Check, Found, Limit, Rule, Scope, Skipped
from cohortium.check.sdtm import NOT_INSTALLED, installed
from cohortium.clinical import core
from cohortium.clinical.core import Issue
from cohortium.errors import Malformed
from cohortium.values import Finding

__all__ = ["CHECKS", "NOT_NAMED"]

NOT_NAMED = f"CDISC CORE is not at hand ({core.PROGRAM} names its program)"
NO_TABLES = "there are no tables that can be read"


def issue(delivery: Delivery, rule: Rule) -> Found:
    """CDISC CORE reports no issue; each partner's tables are a study of their own to it."""
    if why := "" if core.program() else NOT_NAMED if installed() else NOT_INSTALLED:
        yield Skipped(why)
        return
    partners: dict[str, dict[str, Table]] = defaultdict(dict)
    for table in delivery.tables:
        partners[table.partner].setdefault(table.domain, table)
    if not partners:
        yield Skipped(NO_TABLES)
    for tables in partners.values():
        yield from _told(tables, rule)


def _told(tables: Mapping[str, Table], rule: Rule) -> Found:
    try:
        with tempfile.TemporaryDirectory(prefix="core-", dir=core.IN_MEMORY if core.IN_MEMORY.is_dir() else None) as at:
            written = list(_written(tables, Path(at)))
            if not written:
                yield Skipped(NO_TABLES)
                return
            answer = core.validate(written, rule.limits["guide"], rule.limits["terminology"])
    except core.Failed as error:
        yield Skipped(str(error))
        return
    for each in answer.issues:
        if each.rule not in rule.allowed:
            yield _finding(each, tables, rule)
    if answer.broken:
        yield Skipped(f"CDISC CORE {answer.version} could not carry out {', '.join(answer.broken)}")
    if not answer.carried_out:
        yield Skipped(f"CDISC CORE {answer.version} carried out none of its rules")


def _written(tables: Mapping[str, Table], folder: Path) -> Iterator[Path]:
    """The tables as CORE reads them; those that cannot be read are found unreadable by themselves."""
    from cohortium.clinical import transport

    for domain, table in tables.items():
        path = folder / f"{domain.lower()}.xpt"
        try:
            transport.write(table.path, domain, path)
        except Malformed:
            continue
        yield path


def _finding(issue: Issue, tables: Mapping[str, Table], rule: Rule) -> Finding:
    table = tables.get(issue.dataset.upper().removesuffix(".XPT"))
    where = f", in {issue.count} row{'s' * (issue.count != 1)}" if issue.count else ""
    variables = f" ({', '.join(issue.variables)})" if len(issue.variables) > 1 else ""
    return rule.finding(
        f"{issue.rule}: {issue.message}{variables}{where}",
        file=naming.masked(table.name) if table else "",
        row=issue.row,
        variable=issue.variables[0] if len(issue.variables) == 1 else "",
    )


LIMITS = {"allowed": Limit.TEXTS, "guide": Limit.TEXT, "terminology": Limit.TEXT}
CHECKS = (Check("core.issue", Scope.DELIVERY, issue, LIMITS),)
