"""What people see while a command works and when it is done. Text of data is shown as it is, never read as markup."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from cohortium.cli import hint
from cohortium.spool.wanted import Counts, Stage
from cohortium.values import State
from cohortium.verify.checks import Status

if TYPE_CHECKING:  # whoever shows these has made them; each of them brings half the package
    from cohortium.demo.run import Demo
    from cohortium.gateway.state import GatewayState
    from cohortium.spool import Summary
    from cohortium.spool.wanted import Asked
    from cohortium.verify import Report
    from cohortium.verify.proof import Proof

__all__ = [
    "account",
    "deidentified",
    "gateway",
    "progress",
    "proof",
    "requests",
    "rows",
    "searched",
    "show",
    "tables",
    "verified",
]

Advance = Callable[[str, int, int], None]
MEGABYTE = 1_000_000
WIDE = 200
STYLES = {Status.PASSED: "green", Status.FAILED: "bold red", Status.NOT_CHECKED: "yellow"}
STAGES = tuple(each.value for each in Stage)
PROBLEMS = 20  # of one check, on the terminal


@contextmanager
def progress() -> Iterator[Advance]:
    """A bar for each stage on a terminal, and silence elsewhere; standard output stays free for results."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<11}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def advance(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage)
            bars.update(tasks[stage], completed=done, total=total)

        yield advance


class _Rate(ProgressColumn):
    """Steps a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:,.0f}/s", style="progress.data.speed")


def show(*parts: RenderableType) -> None:
    """Print on standard output; where that is no terminal, wide enough for nothing to be cut."""
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = WIDE
    console.print(*parts, sep="\n")


def gateway(state: GatewayState) -> list[RenderableType]:
    """Whether it is at work, what is wrong, what each pipeline holds and each destination still has to take."""
    at_work = f"at work since {state.started[:16]}" if state.is_at_work else "not at work"
    head = Text(f"The gateway is {at_work}.", style="green" if state.is_at_work else "bold red")
    wrong = [Text(f"{what}: {why}", style="yellow") for what, why in state.trouble.items()]
    columns = [each.value for each in State]
    counts = Table("pipeline", *columns, title="Where everything is")
    for pipeline, states in state.states.items():
        counts.add_row(pipeline, *(f"{states.get(each, 0):,}" for each in columns))
    ways = Table("destination", "waiting", "sent", "refused", "last trouble", title="What is to be sent")
    for each in state.destinations:
        ways.add_row(each.destination, f"{each.waiting:,}", f"{each.sent:,}", f"{each.refused:,}", each.detail)
    return [head, *wrong, counts, *([ways] if state.destinations else [])]


def requests(asked: Sequence[Asked]) -> Iterator[RenderableType]:
    """What PACS were asked for: how far each request is, where its images are, and what is amiss with how many."""
    of_images = [each.name for each in fields(Counts)]
    table = Table("request", "source", "state", "answered", *STAGES, *of_images, title="Studies, and their images")
    for each in asked:
        stages = (f"{each.stages.get(stage, 0):,}" for stage in STAGES)
        images = (f"{getattr(each.counts, name):,}" for name in of_images)
        answered = f"{each.answered:,} of {each.queries:,}"
        table.add_row(str(each.id), each.source, each.standing, answered, *stages, *images)
    yield table
    for each in asked:
        yield from (
            Text(f"request {each.id}: {why}: {number:,}", style="yellow") for why, number in each.trouble.items()
        )
        if each.detail:
            yield Text(f"request {each.id}: its next query: {each.detail}", style="yellow")


def account(summary: Summary) -> Table:
    """Where every file is now, why some did not go on, and what the checks found."""
    table = Table(title=f"{summary.files} files, {summary.bytes / MEGABYTE:.1f} MB", title_justify="left")
    table.add_column("what")
    table.add_column("files", justify="right")
    table.add_row("in", str(summary.files))
    table.add_row("de-identified", str(summary.de_identified))
    table.add_section()
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


def searched(report: Report) -> Iterator[RenderableType]:
    """What the search for identifying values found."""
    style = "bold red" if report.hits else "bold green"
    yield Text(f"identifying values found in what left the hospital: {len(report.hits)}", style=style)
    yield Text(
        f"  ({report.values} values searched for in {report.bytes / MEGABYTE:.1f} MB of {report.outputs} outputs)"
    )
    if report.kept:
        kept = ", ".join(f"{place} {count}" for place, count in report.kept.items())
        yield Text(f"  kept, as the protocol has it: {kept}", style="dim")
    for hit in report.hits:
        yield Text(f"  {hit.where}: {hit.at}: {hit.kind} {hit.number}", style="red")


def verified(proof: Proof) -> Iterator[RenderableType]:
    """What the search found, then what each check says."""
    yield from searched(proof.search)
    for check in proof.checks:
        yield Text(f"{check.status:<12}{check.title}", style=STYLES[check.status])
        yield Text("            " + "; ".join(filter(None, (check.looked_at, check.note))), style="dim")
        for problem in check.problems[:PROBLEMS]:
            yield Text(f"            {problem.where}: {problem.what}", style="red")
        if len(check.problems) > PROBLEMS:
            yield Text(f"            and {len(check.problems) - PROBLEMS} more", style="red")
    if proof.set_aside:
        reasons = ", ".join(f"{reason} {count}" for reason, count in proof.set_aside.items())
        yield Text(f"set aside by the run: {reasons}")


def proof(demo: Demo) -> Iterator[RenderableType]:
    """What the search for identifying values found, how fast it all went, and what to do next."""
    numbers = demo.as_dict()
    yield from searched(demo.search)
    if demo.summary.new_files:
        yield Text(f"{numbers['files_per_second']} files/s, {numbers['megabytes_per_second']} MB/s")
    else:
        yield Text("nothing new since the last run" if demo.summary.files else "the folder holds no file")
    yield Text(f"\nNext: {hint.command('serve', '--config', str(demo.configuration))}", style="bold")
    if demo.password:
        yield Text(f"then open {demo.address} and log in as admin with the one-time password {demo.password}")
    else:
        yield Text(f"then open {demo.address} and log in as admin with the password that you chose")


def deidentified(result: Mapping[str, Any]) -> Group:
    """The outcome of `cohortium deidentify`: where every file went, and each one set aside with its reason."""
    rate = f"{result['files_per_second']} files/s, {result['bytes_in'] / MEGABYTE / result['seconds']:.1f} MB/s"
    table = Table(title=f"{result['files']} files in {result['seconds']:.1f} s ({rate})", title_justify="left")
    table.add_column("what")
    table.add_column("files", justify="right")
    for state, number in result["states"].items():
        table.add_row(state, str(number))
    for reason, number in result["quarantined"].items():
        table.add_row(f"  {reason}", str(number))
    for rule, number in result["findings"].items():
        table.add_row(f"finding: {rule}", str(number))
    aside = Table.grid(padding=(0, 2))
    for each in result["set_aside"]:
        why = each["reason"] + (f": {each['detail']}" if each["detail"] else "")
        aside.add_row(f"file {each['file']}", each.get("path", ""), why)
    return Group(table, aside)


def tables(accounts: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    """What became of each clinical table: its rows, those set aside by number, and what was found in its columns."""
    for each in accounts:
        yield Text(
            f"table {each['output'] or 'not written'} (file {each['file']}): {each['written']} of {each['rows']} rows"
        )
        for reason, aside in each["set_aside"].items():
            yield Text(f"  set aside, {reason}: {aside['rows']} (row {aside['numbers']})", style="yellow")
        for finding in each["findings"]:
            yield Text(f"  {finding['rule']}: {finding['message']}")


def rows(title: str, records: Sequence[Mapping[str, str]]) -> Table:
    """Records with the same keys as a table."""
    table = Table(title=title, title_justify="left")
    for name in records[0]:
        table.add_column(name)
    for record in records:
        table.add_row(*record.values())
    return table
