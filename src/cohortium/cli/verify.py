"""Proving that nothing identifying is left in a folder, and that it was made from its inputs as declared."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from cohortium import config
from cohortium.cli.options import DEFAULT, FAILED, FOUND, AsJson, ConfigFile
from cohortium.errors import ConfigError

__all__ = ["verify"]

SEEDS = 1 << 32


def verify(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="Folder with the identifiable files.", readable=False)],
    destination: Annotated[Path, typer.Argument(metavar="DST", help="Folder with what was made of them.")],
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The run's record, of `deidentify --record`: hold each output against its input."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write report.html and report.json, which are secrets."),
    ] = None,
    sample: Annotated[int, typer.Option(min=0, metavar="N", help="Series to show in the report, by chance.")] = 12,
    seed: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Draw the series of the report that stated this seed.")
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write tables id_old,id_new of patients and UIDs; needs --record."),
    ] = None,
    file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Search every byte of DST for each name, ID, address and UID that SRC holds, and check DST against SRC.

    Exits with 7 if an identifying value is found, with 8 if a check fails.
    """
    for argument, folder in (("SRC", source), ("DST", destination)):
        if not os.path.isdir(folder):  # noqa: PTH112  pathlib raises where a parent is shut
            raise ConfigError(f"{argument} is not a folder")
    if mapping is not None and record is None:
        raise ConfigError("--mapping needs --record: only the record tells which output came from which input")

    from cohortium import keys
    from cohortium.acquire.folder import walk
    from cohortium.cli import terminal
    from cohortium.verify import mapping as tables
    from cohortium.verify import proof, secret
    from cohortium.verify import record as records
    from cohortium.verify import report as reports

    for option, path in (("--report", report), ("--mapping", mapping)):
        if path is not None:
            secret.refuse_inside(path, option, (source, destination))
    inputs, found = ([path for path, problem in walk(folder) if not problem] for folder in (source, destination))
    if not found:
        raise ConfigError("DST holds no file; there is nothing to verify")
    outputs = [(path.relative_to(destination.resolve()).as_posix(), path) for path in found]
    run = None
    if record is not None:
        site = config.load(file).site
        key = keys.load(site.key, site.data)
        run = records.read(record, key), key
    drawn = proof.Draw(sample, secrets.randbelow(SEEDS) if seed is None else seed) if report else None
    with terminal.progress() as progress:
        proved = proof.prove(inputs, outputs, run, drawn, progress)
    if report is not None:
        reports.write(report, proved)
    if mapping is not None:
        tables.write(mapping, proved.patients, proved.uids)
    if as_json:
        typer.echo(json.dumps(reports.as_dict(proved), indent=2))
    else:
        terminal.show(*terminal.verified(proved))
    raise typer.Exit(FOUND if proved.search.hits else FAILED if proved.failed else 0)
