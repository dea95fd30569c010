"""Proving that nothing identifying is left in a folder, and that it was made from its inputs as declared."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cohortium import config
from cohortium.cli.options import DEFAULT, FAILED, FOUND, AsJson, ConfigFile
from cohortium.errors import ConfigError

if TYPE_CHECKING:  # help is instant without them
    from cohortium.keys import SiteKey
    from cohortium.verify.record import Record

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
    read: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Pictures of CT, MR and PET to read for text; all others always are."),
    ] = 20,
    conform: Annotated[
        int, typer.Option(min=0, metavar="N", help="Objects of each series to hold to their IOD; 0 for all.")
    ] = 1,
    seed: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Draw what the report that stated this seed drew.")
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a table id_old,id_new of patients and UIDs; needs --record."),
    ] = None,
    file: ConfigFile = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Search every byte of DST for each name, ID, address and UID that SRC holds, and check DST against SRC.

    Exits with 7 if an identifying value is found, with 8 if a check fails.
    """
    inputs, outputs = _files(source, "SRC"), _files(destination, "DST")
    if not outputs:
        raise ConfigError("DST holds no file; there is nothing to verify")
    if mapping is not None and record is None:
        raise ConfigError("--mapping needs --record: only the record tells which output came from which input")

    from cohortium.cli import terminal
    from cohortium.verify import mapping as tables
    from cohortium.verify import proof, secret
    from cohortium.verify import report as reports

    for option, path in (("--report", report), ("--mapping", mapping)):
        if path is not None:
            secret.refuse_inside(path, option, (source, destination))
    named = [(path.relative_to(destination.resolve()).as_posix(), path) for path in outputs]
    extent = proof.Extent(secrets.randbelow(SEEDS) if seed is None else seed, sample, read, conform)
    run = _record(record, file) if record else None
    with terminal.progress() as progress:
        proved = proof.prove(inputs, named, run, extent, progress, show=report is not None)
    if report is not None:
        reports.write(report, proved)
    if mapping is not None:
        tables.write(mapping, proved.patients, proved.uids)
    if as_json:
        typer.echo(json.dumps(reports.as_dict(proved), indent=2))
    else:
        terminal.show(*terminal.verified(proved))
    raise typer.Exit(FOUND if proved.leaked else FAILED if proved.failed else 0)


def _files(folder: Path, argument: str) -> list[Path]:
    from cohortium.acquire.folder import walk

    if not os.path.isdir(folder):  # noqa: PTH112  pathlib raises where a parent is shut
        raise ConfigError(f"{argument} is not a folder")
    return [path for path, problem in walk(folder) if not problem]


def _record(path: Path, file: Path) -> tuple[Record, SiteKey]:
    from cohortium import keys
    from cohortium.verify import record

    site = config.load(file).site
    key = keys.load(site.key, site.data)
    return record.read(path, key), key
