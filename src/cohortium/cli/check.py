"""A whole delivery, images and clinical tables together, held against a specification; and what became of findings."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cohortium.cli.checks import about
from cohortium.cli.options import FAULTY
from cohortium.cli.remote import HERE, TOKEN, TokenFile, Url, connect
from cohortium.errors import ConfigError

if TYPE_CHECKING:  # help is instant without it
    from cohortium.check.report import Report
    from cohortium.check.worklist import Row

__all__ = ["Delivery", "compare", "reopen", "run", "waive"]

STDOUT = "-"

WorkList = Annotated[Path | None, typer.Option("--worklist", metavar="FILE", help="The work list of a delivery.")]
Archived = Annotated[
    str, typer.Option("--of", metavar="PROJECT[/VERSION]", help="What an archive holds, in place of a work list.")
]
Findings = Annotated[list[str], typer.Argument(metavar="ID...", help="Findings, by their ids.")]


class Delivery(typer.core.TyperGroup):
    """Commands of which `run` need not be named: `check FOLDER` is what people type."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As ever, with the name put in where none is given."""
        named = args and args[0] in {*self.commands, *self.get_help_option_names(ctx)}
        return super().parse_args(ctx, args if named or not args else ["run", *args])


def run(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The delivery.", readable=False)],
    specification: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="A shipped specification, dragon or basic, or the path of one.")
    ] = "dragon",
    as_json: Annotated[
        str, typer.Option("--json", metavar="FILE|-", help="Write the report as JSON; - for standard output.")
    ] = "",
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report as JUnit XML, for a pipeline.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the report as a page to read and print.")
    ] = None,
    worklist: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep findings there from check to check: open, waived or mended."),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Keep what is found there, sealed, until the check is done, and go on."),
    ] = None,
    write_metadata: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the metadata table (Table 3) as the images have it."),
    ] = None,
    project: Annotated[str, typer.Option(help="The project, for the metadata table.")] = "",
    partner: Annotated[str, typer.Option(help="The partner, for the metadata table.")] = "",
    ocr: Annotated[bool, typer.Option(help="Read text in pictures, where the extra ocr is installed.")] = True,
    jobs: Annotated[
        int, typer.Option(min=1, metavar="N", show_default="one per core", help="Processes to work with.")
    ] = os.cpu_count() or 1,
    cluster: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Work on a Dask cluster instead: its scheduler, tls://host:port.")
    ] = "",
) -> None:
    """Say whether a delivery may be used, and what to mend; exits with 9 if it may not.

    Names of files and folders, which may identify, show in no finding, unless they are UIDs or follow the
    specification.
    """
    from cohortium import check as checks
    from cohortium.check import metadata
    from cohortium.check.examine import examine
    from cohortium.cli import findings, terminal
    from cohortium.cli.workers import workers

    if not folder.is_dir():
        raise ConfigError("FOLDER is not a folder")
    folder, rules = folder.resolve(), checks.load(specification)  # a cluster's workers stand elsewhere
    reported = Path(as_json) if as_json not in ("", STDOUT) else None
    written = {"--json": reported, "--junit": junit, "--html": html, "--worklist": worklist, "--resume": resume}
    for option, path in written.items():
        if path is not None and path.resolve().is_relative_to(folder):
            raise ConfigError(f"{option} would write into the delivery; choose another place")
    left_out = {} if ocr else {"privacy.pixels": "--no-ocr"}
    with terminal.progress() as progress, workers(jobs, cluster, folder, folder, fresh=True) as executor:
        report = examine(folder, rules, executor, progress, left_out, draw=html is not None, resume=resume)
    if worklist is not None:
        report = _followed(report, worklist)
    if write_metadata is not None:
        metadata.write(write_metadata, report.delivery, project, partner)
    _write(report, written)
    if as_json == STDOUT:
        typer.echo(_as_text(report), nl=False)
    else:
        terminal.show(*findings.checked(report))
    raise typer.Exit(FAULTY if report.errors else 0)


def compare(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="A report that --json wrote.")],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="A later one.")],
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the comparison as a page to read and print.")
    ] = None,
) -> None:
    """Say what was mended between two checks, what is new and what stayed; exits with 9 if an error came."""
    from cohortium.check import comparison, page
    from cohortium.cli import findings, terminal

    compared = comparison.compare(comparison.read(before), comparison.read(after))
    if html is not None:
        html.write_text(page.compared(compared), "utf-8")
    terminal.show(*findings.compared(compared))
    raise typer.Exit(FAULTY if compared.errors else 0)


def waive(
    ids: Findings,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; shown in every report, so name no patient.")],
    worklist: WorkList = None,
    by: Annotated[
        str, typer.Option(metavar="NAME", help="Who says so; in an archive, whose token it is.", show_default="you")
    ] = "",
    of: Archived = "",
    url: Url = HERE,
    token: TokenFile = TOKEN,
) -> None:
    """Let findings be: they stay in every report, and no longer keep the delivery from being used.

    A finding that becomes another or more severe is open again.
    """
    from cohortium.check import worklist as rows

    if path := _file(worklist, of):
        when = datetime.now(UTC).isoformat(timespec="seconds")
        rows.write(path, rows.waived(_kept(path), ids, reason, by or getuser(), when))
        return
    project, dataset = about(of)
    with connect(url, token) as client:
        client.waive(project, ids, reason, dataset)


def reopen(
    ids: Findings, worklist: WorkList = None, of: Archived = "", url: Url = HERE, token: TokenFile = TOKEN
) -> None:
    """Take back that findings were waived."""
    from cohortium.check import worklist as rows

    if path := _file(worklist, of):
        rows.write(path, rows.reopened(_kept(path), ids))
        return
    project, dataset = about(of)
    with connect(url, token) as client:
        client.reopen(project, ids, dataset)


def _file(worklist: Path | None, of: str) -> Path | None:
    """The work list, unless findings of an archive are meant."""
    if (worklist is None) is (of == ""):
        raise typer.BadParameter("say which findings: --worklist FILE, or --of PROJECT")
    return worklist


def _followed(report: Report, path: Path) -> Report:
    """The report with the rows of its work list, which is kept for the next one."""
    from cohortium.check import worklist
    from cohortium.check.report import identified

    rows = worklist.renewed(worklist.read(path), identified(report), report.looked, report.checked)
    worklist.write(path, rows)
    return replace(report, rows=rows)


def _write(report: Report, written: Mapping[str, Path | None]) -> None:
    from cohortium.check import page
    from cohortium.check.report import junit

    if path := written["--json"]:
        path.write_text(_as_text(report), "utf-8")
    if path := written["--junit"]:
        path.write_bytes(junit(report))
    if path := written["--html"]:
        path.write_text(page.page(report), "utf-8")


def _as_text(report: Report) -> str:
    from cohortium.check.report import as_dict

    return json.dumps(as_dict(report), indent=2, ensure_ascii=False) + "\n"


def _kept(path: Path) -> tuple[Row, ...]:
    from cohortium.check import worklist

    if not path.is_file():
        raise ConfigError("there is no such work list; `cohortium check FOLDER --worklist FILE` writes it")
    return worklist.read(path)
