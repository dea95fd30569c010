"""What people see while a command works and when it is done. Text of data is shown as it is, never read as markup."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from cohortium.spool import Summary
from cohortium.values import State

__all__ = ["account", "progress", "show"]

Advance = Callable[[str, int, int], None]
MEGABYTE = 1_000_000


@contextmanager
def progress() -> Iterator[Advance]:
    """A bar for each stage on a terminal, and silence elsewhere; standard output stays free for results."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<11}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def advance(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage)
            bars.update(tasks[stage], completed=done, total=total)

        yield advance


def show(*parts: RenderableType) -> None:
    """Print on standard output."""
    Console(markup=False, highlight=False).print(*parts, sep="\n")


def account(summary: Summary) -> Table:
    """Where every file is now, why some did not go on, and what the checks found."""
    table = Table(title=f"{summary.files} files, {summary.bytes / MEGABYTE:.1f} MB", title_justify="left")
    table.add_column("what")
    table.add_column("files", justify="right")
    for state, number in summary.states.items():
        if number:
            table.add_row(state, str(number))
        if state == State.QUARANTINED:
            for reason, count in summary.quarantined.items():
                table.add_row(f"  {reason}", str(count))
    if summary.findings:
        table.add_section()
    for finding in summary.findings:
        table.add_row(f"{finding.severity}: {finding.rule}", str(finding.count))
    return table
