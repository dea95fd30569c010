"""A whole delivery, images and clinical tables together, held against a specification."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from cohortium.cli.options import FAULTY
from cohortium.errors import ConfigError

__all__ = ["check"]

STDOUT = "-"


def check(
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
    from cohortium.check import report as reports
    from cohortium.check.examine import examine
    from cohortium.cli import findings, terminal
    from cohortium.cli.workers import workers

    if not folder.is_dir():
        raise ConfigError("FOLDER is not a folder")
    folder, rules = folder.resolve(), checks.load(specification)  # a cluster's workers stand elsewhere
    reported = Path(as_json) if as_json not in ("", STDOUT) else None
    for option, path in (("--json", reported), ("--junit", junit)):
        if path is not None and path.resolve().is_relative_to(folder):
            raise ConfigError(f"{option} would write into the delivery; choose another place")
    with terminal.progress() as progress, workers(jobs, cluster, folder, folder, fresh=True) as executor:
        report = examine(folder, rules, executor, progress, {} if ocr else {"privacy.pixels": "--no-ocr"})
    if as_json:
        text = json.dumps(reports.as_dict(report), indent=2, ensure_ascii=False) + "\n"
        if reported is None:
            typer.echo(text, nl=False)
        else:
            reported.write_text(text, "utf-8")
    if write_metadata is not None:
        metadata.write(write_metadata, report.delivery, project, partner)
    if junit is not None:
        junit.write_bytes(reports.junit(report))
    if as_json != STDOUT:
        terminal.show(*findings.checked(report))
    raise typer.Exit(FAULTY if report.errors else 0)
